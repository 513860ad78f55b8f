import Postgres
import Testing

@testable import Tenancy

@Suite struct `A replay of a limit` {
    private static let begin = Instant(microseconds: 1_780_000_000_000_000)

    private func entry(
        _ second: Int64, _ recipients: Int64, bytes: Int64 = 100, day: String = "2026-05-28", entry: Int64 = 0,
        of message: MessageID? = nil, late: Int64 = 0
    ) -> LedgerEntry {
        let at = Instant(microseconds: Self.begin.microseconds + second * 1_000_000)
        return LedgerEntry(
            message: message ?? MessageID(at: at.advanced(by: .seconds(-late))), entry: entry, credential: "acme.a",
            day: day, month: "\(day.prefix(7))-01", recipients: recipients, bytes: bytes, reason: "accept", at: at)
    }

    private func refused(_ caps: LimitReplay.Caps, _ entries: [LedgerEntry]) -> [Int64] {
        var replay = LimitReplay(caps, from: Self.begin)
        let sorted = entries.sorted { ($0.message, $0.entry) < ($1.message, $1.entry) }
        let refusals = sorted.flatMap { replay.take($0) } + replay.finish()
        return refusals.map(\.entry.recipients)
    }

    @Test func `refuses whole what does not fit, and lets what is smaller pass behind it`() {
        let entries = [entry(0, 4), entry(1, 7), entry(2, 5), entry(3, 2), entry(4, 1)]
        #expect(refused(.init(daily: 10), entries) == [7, 2])
        #expect(refused(.init(), entries) == [])
        #expect(refused(.init(daily: 10, monthly: 4), entries) == [7, 5, 2, 1])
    }

    @Test func `counts days as they were charged, and months and octets`() {
        let entries = [
            entry(0, 3), entry(10, 3, day: "2026-05-29"), entry(20, 3, day: "2026-06-01"), entry(30, 3),
        ]
        #expect(refused(.init(daily: 5), entries) == [3], "the day that came back goes on")
        #expect(refused(.init(monthly: 6), entries) == [3])
        #expect(refused(.init(bytesDaily: 150), entries) == [3])
    }

    @Test func `gives back what was cancelled when it was, and nothing that was never charged`() {
        let first = entry(0, 6)
        let second = entry(1, 6)
        let refundOfFirst = entry(3600, -6, entry: 1, of: first.message)
        let refundOfSecond = entry(3601, -6, entry: 1, of: second.message)
        // The refund stands right behind its debit in the order of ids: it must not count before its hour.
        #expect(refused(.init(daily: 10), [first, refundOfFirst, second, entry(10, 5), entry(4000, 9)]) == [6, 5])
        #expect(
            refused(.init(daily: 10), [first, second, refundOfSecond, entry(4000, 5)]) == [6, 5],
            "the refused one has nothing to give back")
    }

    @Test func `takes entries in the order of decisions where ids come otherwise`() {
        // The id says 59 s earlier than the decision.
        #expect(refused(.init(daily: 10), [entry(50, 8, late: 59), entry(10, 5)]) == [8])
    }

    @Test func `a rolling day forgets what is 25 hours old, and not before`() {
        let caps = LimitReplay.Caps(daily: 10, isRolling: true)
        let next = "2026-05-29"
        #expect(refused(caps, [entry(0, 10), entry(23 * 3600, 1, day: next)]) == [1])
        #expect(refused(caps, [entry(0, 10), entry(25 * 3600 + 3599, 1, day: next)]) == [])
    }

    @Test func `counts what came before without telling it`() {
        let entries = [entry(-100, 8), entry(1, 3)]
        #expect(refused(.init(daily: 10), entries) == [3])
        #expect(refused(.init(daily: 7), entries) == [3], "what came before is not judged")
    }

    @Test func `sums up days and all`() {
        var replay = LimitReplay(.init(daily: 5), from: Self.begin)
        for one in [entry(0, 4), entry(1, 4), entry(86_400, 5, day: "2026-05-29")] { _ = replay.take(one) }
        _ = replay.finish()
        let days = replay.finishedDays(true)
        #expect(days.map(\.day) == ["2026-05-28", "2026-05-29"])
        #expect(days.map(\.refusedRecipients) == [4, 0] && days.map(\.messages) == [2, 1])
        #expect(replay.total.recipients == 13 && replay.total.refusedMessages == 1)
    }

    @Test(arguments: 1...20)
    func `agrees with a simple count, whatever comes`(seed: UInt64) {
        var state = seed
        func random(_ range: ClosedRange<Int64>) -> Int64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return range.lowerBound + Int64((state >> 33) % UInt64(range.upperBound - range.lowerBound + 1))
        }
        let entries = (0..<400).map { number in
            entry(Int64(number) * 137, random(1...9), day: "2026-05-\(10 + number / 80)", late: random(0...59))
        }
        var used: [String: Int64] = [:]
        var expected: [Int64] = []
        for one in entries {
            if used[one.day, default: 0] + one.recipients > 60 {
                expected.append(one.recipients)
            } else {
                used[one.day, default: 0] += one.recipients
            }
        }
        #expect(refused(.init(daily: 60), entries) == expected, "seed \(seed)")
        #expect(!expected.isEmpty)
    }
}
