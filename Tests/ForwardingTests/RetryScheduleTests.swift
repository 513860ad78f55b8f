import Ledger
import NIOCore
import Postgres
import SMTP
import Testing

@testable import Forwarding

@Suite struct RetryScheduleTests {
    @Test func `waits follow the list and the last one repeats`() {
        let schedule = RetrySchedule(waits: [.seconds(10), .seconds(20)], expiry: .seconds(100))
        #expect([1, 2, 3, 400].map { schedule.wait(after: $0, jitter: 0.5) } == [10, 20, 20, 20].map { .seconds($0) })
    }

    @Test func `jitter stays within a tenth`() {
        let schedule = RetrySchedule(waits: [.seconds(100)], expiry: .seconds(100))
        for (jitter, seconds) in [(0, 90), (0.5, 100), (1, 110), (7, 110)] {
            let difference = schedule.wait(after: 1, jitter: jitter) - .seconds(seconds)
            #expect(difference < .milliseconds(1) && difference > .milliseconds(-1))
        }
    }
}

@Suite struct AttemptRulesTests {
    /// After how long a recipient is tried again that had been tried 0, 1, 2 and 3 times before; without jitter.
    private func waits(
        _ reply: RemoteReply, isInterruption: Bool = true, _ rules: AttemptRules = AttemptRules(schedule: .standard)
    ) throws -> [Duration] {
        let now = Instant(microseconds: 1_700_000_000_000_000)
        let mailbox = try Mailbox(parsing: "a@b.example")
        return (0 as Int32..<4).map { attempts in
            let message = QueuedMessage(
                id: MessageID(at: now), owner: MessageID(at: now), tenantID: 1, tenantSlug: "acme",
                credentialName: "acme.x", poolID: 1, sender: .null,
                recipients: [.init(number: 1, envelope: EnvelopeRecipient(mailbox), attempts: attempts, lease: 0)],
                content: ByteBuffer(), isEightBit: false, acceptedAt: now)
            let result: DeliveryResult =
                isInterruption
                ? .interrupted([.deferred(reply)], relay: "hop")
                : .answered([.deferred(reply)], relay: "hop", tlsVersion: nil)
            let verdict = rules.verdicts(on: message, result, now: now, jitter: 0.5).first
            guard case .deferred(let until?) = verdict?.outcome else { return .zero }
            return .microseconds(until.microseconds - now.microseconds)
        }
    }

    private func lost(at command: String) -> RemoteReply {
        RemoteReply(
            code: 421, enhanced: EnhancedCode(4, 4, 2), text: "the connection was lost", command: command, isOurs: true)
    }

    private let schedule: [Duration] = [60, 300, 900, 1800].map { .seconds($0) }

    @Test(arguments: ["MAIL FROM", "RCPT TO", "DATA"])
    func `a connection lost before all was sent is followed by one quick try, which counts for none`(command: String)
        throws
    {
        #expect(try waits(lost(at: command)) == [.seconds(2)] + schedule.prefix(3))
        let hasty = AttemptRules(schedule: RetrySchedule(waits: [.seconds(1)], expiry: .seconds(86_400)))
        #expect(
            try waits(lost(at: command), hasty).allSatisfy { $0 == .seconds(1) }, "never later than by the schedule")
    }

    @Test func `what may have been taken waits by the schedule`() throws {
        #expect(try waits(lost(at: RemoteReply.endOfData)) == schedule)
    }

    @Test func `who says 421 is given the time of the schedule; our own relay is back soon`() throws {
        func goodbye(isFromOurRelay: Bool) -> RemoteReply {
            RemoteReply(
                code: 421, enhanced: nil, text: "too many messages", command: "RCPT TO", isFromOurRelay: isFromOurRelay)
        }
        #expect(try waits(goodbye(isFromOurRelay: false)) == schedule)
        #expect(try waits(goodbye(isFromOurRelay: true)).first == .seconds(2))
        let busy = RemoteReply(
            code: 450, enhanced: nil, text: "not this one now", command: "RCPT TO", isFromOurRelay: true)
        #expect(try waits(busy) == schedule, "an answer of its own, though the connection was lost later")
    }

    @Test func `an answer is followed by the schedule`() throws {
        #expect(try waits(lost(at: "RCPT TO"), isInterruption: false) == schedule)
    }
}

@Suite struct MemberHealthTests {
    @Test func `a member that fails is left alone ever longer, two seconds at most`() {
        var health = MemberHealth()
        var pauses: [Duration] = []
        for _ in 0..<7 {
            health.failed(at: .zero)
            pauses.append(health.nextTry ?? .zero)
        }
        #expect(pauses == [1, 2, 2, 2, 2, 2, 2].map { .seconds($0) })
    }

    @Test func `one probe at a time, and a success forgets the failures`() {
        var health = MemberHealth()
        health.failed(at: .seconds(5))
        #expect(!health.isAvailable(at: .seconds(5)))
        #expect(health.isAvailable(at: .seconds(6)))
        health.tried(at: .seconds(6))
        #expect(!health.isAvailable(at: .seconds(6)))
        health.succeeded()
        #expect(health == MemberHealth())
        #expect(health.isAvailable(at: .zero))
    }

    @Test func `a probe that ended saying nothing, or does not end, is followed by another`() {
        var health = MemberHealth()
        health.failed(at: .zero)
        health.tried(at: .seconds(1))
        #expect(health.isBeingProbed(at: .seconds(1)))
        health.learnedNothing()
        #expect(!health.isBeingProbed(at: .seconds(1)) && health.isAvailable(at: .seconds(1)))
        health.tried(at: .seconds(1))
        #expect(!health.isAvailable(at: .seconds(2)))
        #expect(health.isAvailable(at: .seconds(4)))
    }
}
