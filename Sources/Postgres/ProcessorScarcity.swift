internal import Glibc

/// Whether processors are what this machine lacks, as a thread sees it: of its time it waits for one too large a part.
///
/// Gathering work costs latency and saves processor time. Where processors stand idle that is a loss twice over, for
/// clients that wait send nothing; where they are all taken, waiting costs nothing. For one thread alone.
package struct ProcessorScarcity {
    /// Time on a processor and time in the queue for one, since the thread began, in nanoseconds.
    package struct Reading: Sendable {
        var running: Int64
        var queued: Int64

        package init(running: Int64, queued: Int64) { (self.running, self.queued) = (running, queued) }

        /// The two first fields of `/proc/<pid>/task/<tid>/schedstat` (Linux, Documentation/scheduler/sched-stats).
        init?(_ text: some StringProtocol) {
            let fields = text.split(whereSeparator: \.isWhitespace)
            guard fields.count >= 2, let running = Int64(fields[0]), let queued = Int64(fields[1]) else { return nil }
            self.init(running: running, queued: queued)
        }
    }

    /// Between two looks: one costs some microseconds.
    private static let interval = Duration.milliseconds(100)
    private let read: () -> Reading?
    private let ratio: Double
    private var last: (reading: Reading, at: ContinuousClock.Instant)?
    private var isScarce = false

    /// - Parameters:
    ///   - ratio: they are scarce where the thread waits so many times as long for one as it has one.
    ///   - read: nil where it cannot be known: then they are never scarce.
    package init(ratio: Double = 2, _ read: @escaping () -> Reading?) { (self.ratio, self.read) = (ratio, read) }

    /// Of the calling thread. Where the kernel does not tell (`CONFIG_SCHED_INFO`), they are never scarce.
    package static func ofThisThread(ratio: Double = 2) -> ProcessorScarcity {
        let file = ScheduleFile()
        return ProcessorScarcity(ratio: ratio) { file?.reading() }
    }

    package mutating func isScarce(at now: ContinuousClock.Instant) -> Bool {
        guard let last else {
            last = read().map { ($0, now) }
            return false
        }
        let passed = last.at.duration(to: now)
        guard passed >= Self.interval, let reading = read() else { return isScarce }
        let (running, queued) = (reading.running - last.reading.running, reading.queued - last.reading.queued)
        // So long, and not by the chance of a few times in a quiet second.
        isScarce = Double(queued) >= ratio * Double(running) && running + queued >= Int64(passed / .nanoseconds(1)) / 20
        self.last = (reading, now)
        return isScarce
    }
}

private final class ScheduleFile {
    private let descriptor: Int32

    init?() {
        descriptor = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
    }

    deinit { close(descriptor) }

    func reading() -> ProcessorScarcity.Reading? {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 128) { buffer in
            let count = pread(descriptor, buffer.baseAddress, buffer.count, 0)
            guard count > 0 else { return nil }
            return ProcessorScarcity.Reading(String(decoding: buffer.prefix(count), as: UTF8.self))
        }
    }
}
