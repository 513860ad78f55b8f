import Postgres

/// Microseconds since a world began.
typealias Moment = Int64

/// What is to happen, in order of time, and of arrangement where times are the same.
struct Agenda {
    /// Without the event itself: what is only a few words is moved about the heap without counting references.
    private struct Entry {
        var time: Moment
        var number: UInt64
        var slot: Int

        func precedes(_ other: Entry) -> Bool {
            time < other.time || (time == other.time && number < other.number)
        }
    }

    private var heap: [Entry] = []
    private var events: [(() -> Void)?] = []
    private var freeSlots: [Int] = []
    private var count: UInt64 = 0

    mutating func add(at time: Moment, _ event: @escaping () -> Void) {
        count += 1
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
            events[free] = event
        } else {
            slot = events.count
            events.append(event)
        }
        let entry = Entry(time: time, number: count, slot: slot)
        heap.append(entry)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entry.precedes(heap[parent]) else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = entry
    }

    mutating func next() -> (time: Moment, number: UInt64, event: () -> Void)? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        if !heap.isEmpty {
            var parent = 0
            while true {
                var child = 2 * parent + 1
                guard child < heap.count else { break }
                if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
                guard heap[child].precedes(last) else { break }
                heap[parent] = heap[child]
                parent = child
            }
            heap[parent] = last
        }
        guard let event = events[first.slot] else { preconditionFailure("each slot of the heap has its event") }
        events[first.slot] = nil
        freeSlots.append(first.slot)
        return (first.time, first.number, event)
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
