import NIOCore
import Network
import Testing

@testable import Submission

/// THREATS §3, "guessing": many secrets, many users, many addresses.
@Suite struct GuessTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    private let here = AddressGroup("192.0.2.1")
    private let elsewhere = AddressGroup("198.51.100.1")

    @Test func `the answer waits longer with each failure, and no connection ends before its third`() {
        var ledger = GuessLedger(.init(perConnection: 5, perAddress: 1000, perLogin: 1000))
        let outcomes = (1...6).map {
            ledger.failed(login: "acme.k7m2q9", address: here, onConnection: $0, now: start)
        }
        #expect(outcomes.map(\.delay.nanoseconds) == [100, 200, 400, 800, 1600, 3200].map { $0 * 1_000_000 })
        #expect(outcomes.map(\.ends) == [false, false, false, false, true, true])
    }

    @Test func `past an address's limit its connections end at the third failure and its attempts are paced`() {
        var ledger = GuessLedger(.init(perConnection: 50, perAddress: 10, perLogin: 1000))
        for number in 1...12 { _ = ledger.failed(login: "x\(number)", address: here, onConnection: 1, now: start) }
        #expect(ledger.permission(login: "y", address: here, now: start) == .attempt)
        #expect(ledger.permission(login: "z", address: here, now: start + .seconds(1)) == .later)
        #expect(ledger.permission(login: "z", address: elsewhere, now: start + .seconds(1)) == .attempt)
        #expect(ledger.permission(login: "z", address: here, now: start + .seconds(2)) == .attempt)
        let ends = (1...3).map { ledger.failed(login: "y", address: here, onConnection: $0, now: start).ends }
        #expect(ends == [false, false, true])
    }

    @Test func `strangers' failures in a name do not keep its owner out`() {
        var ledger = GuessLedger(.init(perConnection: 5, perAddress: 1000, perLogin: 10))
        ledger.succeeded(login: "acme.k7m2q9", address: here)
        for number in 0..<500 {
            let stranger = AddressGroup("203.0.113.\(number % 250)")
            _ = ledger.failed(login: "acme.k7m2q9", address: stranger, onConnection: 1, now: start)
        }
        #expect(ledger.permission(login: "acme.k7m2q9", address: elsewhere, now: start) == .attempt)
        #expect(ledger.permission(login: "acme.k7m2q9", address: elsewhere, now: start) == .later)
        for _ in 0..<10 { #expect(ledger.permission(login: "acme.k7m2q9", address: here, now: start) == .attempt) }
        #expect(ledger.knows(here))
        #expect(!ledger.knows(elsewhere))
    }

    @Test func `failures are forgotten by halves`() {
        var ledger = GuessLedger(.init(perConnection: 5, perAddress: 10, perLogin: 1000))
        for _ in 1...12 { _ = ledger.failed(login: nil, address: here, onConnection: 1, now: start) }
        _ = ledger.permission(login: "a", address: here, now: start)
        #expect(ledger.permission(login: "a", address: here, now: start) == .later)
        let later = start + .minutes(10)
        for _ in 0..<3 { #expect(ledger.permission(login: "a", address: here, now: later) == .attempt) }
    }
}
