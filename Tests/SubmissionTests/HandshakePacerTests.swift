import NIOCore
import NIOEmbedded
import Testing

@testable import Submission

/// THREATS §7, a flood of TLS handshakes.
@Suite struct HandshakePacerTests {
    @Test func `where processors are scarce what has been saved up is spent, and the known come first`() {
        let eventLoop = EmbeddedEventLoop()
        var isScarce = true
        var (now, used): (NIODeadline, Int64) = (.uptimeNanoseconds(1_000_000_000), 0)
        let time = HandshakePacer.Time(now: { now }, used: { used })
        let pacer = HandshakePacer(eventLoop, time: time, mostOfTurn: .max) { isScarce }
        var begun: [Int] = []
        func take(_ number: Int, isKnown: Bool, costing milliseconds: Int64 = 0) {
            _ = pacer.take(isKnown: isKnown) {
                begun.append(number)
                used += milliseconds * 1_000_000
            }
        }
        func pass(_ milliseconds: Int64) {
            now = now + .milliseconds(milliseconds)
            eventLoop.advanceTime(by: .milliseconds(milliseconds))
        }
        for number in 1...3 { take(number, isKnown: false, costing: 40) }
        take(4, isKnown: true, costing: 1)
        #expect(begun == [1, 2], "80 of 50 milliseconds are spent")
        pass(150)
        #expect(begun == [1, 2], "a fifth of the time is everyone's")
        pass(5)
        #expect(begun == [1, 2, 4])
        pass(145)
        #expect(begun == [1, 2, 4], "a tenth is the strangers'")
        pass(5)
        #expect(begun == [1, 2, 4, 3])
        take(5, isKnown: false)
        pass(100)
        #expect(begun.count == 4, "the third has spent what was there")
        isScarce = false
        pass(5)
        #expect(begun.last == 5)
        for number in 6...9 { take(number, isKnown: false, costing: 30) }
        #expect(begun.suffix(4) == [6, 7, 8, 9], "nobody waits where there is time")
    }

    @Test(arguments: [true, false])
    func `what a login's handshake took is given back, once, and no more than it took`(isKnown: Bool) {
        let eventLoop = EmbeddedEventLoop()
        var used: Int64 = 0
        var isScarce = true
        let now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        let pacer = HandshakePacer(eventLoop, time: .init(now: { now }, used: { used }), mostOfTurn: .max) { isScarce }
        var begun = 0
        func take(costing milliseconds: Int64) -> HandshakePacer.Toll {
            pacer.take(isKnown: isKnown) {
                begun += 1
                used += milliseconds * 1_000_000
            }
        }
        for number in 1...3 {
            let toll = take(costing: 60)
            #expect(begun == number, "all that was saved up is there again")
            pacer.giveBack(toll)
        }
        // As deep in debt as can be: of the last only 5 of 45 milliseconds could be spent.
        isScarce = false
        let first = take(costing: 45)
        _ = take(costing: 50)
        let last = take(costing: 45)
        #expect(begun == 6)
        isScarce = true
        _ = take(costing: 1)
        func mayBegin() -> Bool {
            eventLoop.advanceTime(by: .milliseconds(5))
            return begun > 6
        }
        #expect(!mayBegin())
        for toll in [last, first, first, last] { pacer.giveBack(toll) }
        #expect(!mayBegin(), "50 of debt, less 5 and 45")
    }

    @Test func `a turn of the loop has so much of handshakes and no more`() {
        let eventLoop = EmbeddedEventLoop()
        var used: Int64 = 0
        let pacer = HandshakePacer(eventLoop, time: .init(used: { used }), mostOfTurn: 2_000_000) { false }
        var begun = 0
        for _ in 1...7 {
            _ = pacer.take(isKnown: true) {
                begun += 1
                used += 900_000
            }
        }
        #expect(begun == 3)
        eventLoop.run()
        #expect(begun == 3, "the turn's end")
        eventLoop.advanceTime(by: .microseconds(100))
        #expect(begun == 6)
        eventLoop.advanceTime(by: .microseconds(100))
        #expect(begun == 7)
    }
}
