import CAllocations
import Foundation

/// Something done over and over, and measured.
struct Benchmark {
    let name: String
    /// Does it `count` times. What is to be measured runs inside the stopwatch, the rest is left out.
    let run: (_ count: Int, _ watch: inout Stopwatch) throws -> Void

    struct Result: Codable, Equatable {
        /// For each time. The quickest of many samples: noise only ever adds.
        var nanoseconds: Double
        /// Calls of malloc and its kin for each time.
        var allocations: Double
        /// Octets asked for in them.
        var octets: Double
    }

    private static let samples = 15
    private static let sampleTime = 0.02

    func measure() throws -> Result {
        // The first times fill caches; they also tell how many fit into a sample.
        var count = 1
        while true {
            var watch = Stopwatch()
            try run(count, &watch)
            if watch.seconds > Self.sampleTime / 2 || count >= 1 << 20 { break }
            count *= 2
        }
        var results: [Result] = []
        for _ in 0..<Self.samples {
            var watch = Stopwatch()
            try run(count, &watch)
            let times = Double(count)
            results.append(
                Result(
                    nanoseconds: watch.seconds * 1e9 / times, allocations: Double(watch.allocations) / times,
                    octets: Double(watch.octets) / times))
        }
        return Result(
            nanoseconds: results.map(\.nanoseconds).min() ?? 0, allocations: results.map(\.allocations).min() ?? 0,
            octets: results.map(\.octets).min() ?? 0)
    }
}

/// This thread's own processor time and its allocations, while it runs.
struct Stopwatch {
    private(set) var seconds = 0.0
    private(set) var allocations: UInt64 = 0
    private(set) var octets: UInt64 = 0

    mutating func measure<Result>(_ body: () throws -> Result) rethrows -> Result {
        let (count, size) = (callocations_count(), callocations_octets())
        let begun = Self.threadTime()
        let result = try body()
        seconds += Self.threadTime() - begun
        allocations += callocations_count() - count
        octets += callocations_octets() - size
        return result
    }

    private static func threadTime() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
