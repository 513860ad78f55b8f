import Glibc
import Synchronization
import Testing

@testable import Postgres

@Suite struct ProcessorScarcityTests {
    private final class Schedule: Sendable {
        let reading = Mutex<ProcessorScarcity.Reading?>(nil)
        func set(_ running: Int64, _ queued: Int64) {
            reading.withLock { $0 = .init(running: running * 1_000_000, queued: queued * 1_000_000) }
        }
    }

    @Test func `a thread that queues twice as long as it runs says that they are scarce`() {
        let schedule = Schedule()
        var processors = ProcessorScarcity { schedule.reading.withLock { $0 } }
        let start = ContinuousClock.now
        schedule.set(5000, 90_000)  // of the time before the first look nothing is known
        func isScarce(after milliseconds: Int) -> Bool { processors.isScarce(at: start + .milliseconds(milliseconds)) }
        #expect(!isScarce(after: 0))
        schedule.set(5010, 90_020)
        #expect(!isScarce(after: 99), "looks too often")
        #expect(isScarce(after: 100))
        schedule.set(5030, 90_059)  // 20 ms on one, 39 in the queue
        #expect(isScarce(after: 199))
        #expect(!isScarce(after: 200))
        // A few milliseconds in a second are chance.
        schedule.set(5031, 90_107)
        #expect(!isScarce(after: 1200))
        schedule.set(5032, 90_157)
        #expect(isScarce(after: 2200))
    }

    @Test func `what the kernel does not tell is no scarcity`() {
        var processors = ProcessorScarcity { nil }
        let start = ContinuousClock.now
        for second in 0..<3 {
            let isScarce = processors.isScarce(at: start + .seconds(second))
            #expect(!isScarce)
        }
        #expect(ProcessorScarcity.Reading("") == nil && ProcessorScarcity.Reading("12 x 3\n") == nil)
        #expect(ProcessorScarcity.Reading("12 34 5\n").map { [$0.running, $0.queued] } == [12, 34])
    }

    @Test func `more threads than processors are seen by each of them`() async {
        guard access("/proc/thread-self/schedstat", R_OK) == 0 else { return }
        let isDone = Atomic(false)
        let others = Group()
        for _ in 0..<(4 * Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) {
            others.enter()
            startThread(name: "busy") {
                while !isDone.load(ordering: .relaxed) {}
                others.leave()
            }
        }
        // As long as it takes: what is asserted is that it is seen at all.
        let isSeen = await withCheckedContinuation { continuation in
            startThread(name: "looks") {
                var processors = ProcessorScarcity.ofThisThread()
                let end = ContinuousClock.now + .seconds(60)
                var isSeen = false
                while !isSeen, .now < end { isSeen = processors.isScarce(at: .now) }
                continuation.resume(returning: isSeen)
            }
        }
        isDone.store(true, ordering: .relaxed)
        await others.wait()
        #expect(isSeen)
    }
}
