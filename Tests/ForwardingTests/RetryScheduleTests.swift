import Forwarding
import Testing

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
