import Postgres

/// Microseconds since a world began.
typealias Moment = Int64

/// What is to happen, in order of time, and of arrangement where times are the same.
struct Agenda {
    private struct Entry {
        var time: Moment
        var number: UInt64
        var event: () -> Void

        func precedes(_ other: Entry) -> Bool { (time, number) < (other.time, other.number) }
    }

    private var heap: [Entry] = []
    private var count: UInt64 = 0

    var isEmpty: Bool { heap.isEmpty }

    mutating func add(at time: Moment, _ event: @escaping () -> Void) {
        count += 1
        heap.append(Entry(time: time, number: count, event: event))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].precedes(heap[parent]) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func next() -> (time: Moment, number: UInt64, event: () -> Void)? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        if !heap.isEmpty {
            heap[0] = last
            var parent = 0
            while true {
                var least = parent
                for child in [2 * parent + 1, 2 * parent + 2]
                where child < heap.count && heap[child].precedes(heap[least]) { least = child }
                if least == parent { break }
                heap.swapAt(parent, least)
                parent = least
            }
        }
        return (first.time, first.number, first.event)
    }
}

/// The moments of a world as the server's code names them. Only differences count, so the origin may be any.
enum Calendar {
    private static let origin = ContinuousClock.now
    /// 2027-01-15, in the middle of a day.
    private static let epoch: Int64 = 1_800_000_000_000_000

    static func continuous(_ moment: Moment) -> ContinuousClock.Instant { origin + .microseconds(moment) }
    static func instant(_ moment: Moment) -> Instant { Instant(microseconds: epoch + moment) }
    static func moment(_ instant: Instant) -> Moment { instant.microseconds - epoch }
    static func moment(_ instant: ContinuousClock.Instant) -> Moment { (instant - origin).inMicroseconds }
}

extension Duration {
    var inMicroseconds: Moment { components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000 }
}
