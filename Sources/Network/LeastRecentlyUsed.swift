/// A dictionary of at most so many entries: what was touched longest ago makes room.
///
/// Slots in one array, linked by their indices; every operation takes constant time and no allocation once full.
package struct LeastRecentlyUsed<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Slot {
        var key: Key
        var value: Value
        var newer, older: Int
    }

    private let capacity: Int
    private var slots: [Slot] = []
    private var places: [Key: Int] = [:]
    private var newest = -1
    private var oldest = -1

    package init(capacity: Int) {
        precondition(capacity > 0, "room for one at least")
        self.capacity = capacity
    }

    package var count: Int { slots.count }

    /// Reading touches nothing.
    package func peek(_ key: Key) -> Value? { places[key].map { slots[$0].value } }

    package mutating func set(_ key: Key, _ value: Value) {
        if let place = places[key] {
            slots[place].value = value
            unlink(place)
            linkNewest(place)
        } else if slots.count < capacity {
            slots.append(Slot(key: key, value: value, newer: -1, older: -1))
            places[key] = slots.count - 1
            linkNewest(slots.count - 1)
        } else {
            let place = oldest
            unlink(place)
            places[slots[place].key] = nil
            slots[place].key = key
            slots[place].value = value
            places[key] = place
            linkNewest(place)
        }
    }

    /// What was touched longest ago.
    package var oldestEntry: (key: Key, value: Value)? { oldest >= 0 ? (slots[oldest].key, slots[oldest].value) : nil }

    package mutating func remove(_ key: Key) {
        guard let place = places.removeValue(forKey: key) else { return }
        unlink(place)
        // The last slot moves into the gap.
        let last = slots.removeLast()
        guard place < slots.count else { return }
        slots[place] = last
        places[last.key] = place
        if last.newer >= 0 { slots[last.newer].older = place } else { newest = place }
        if last.older >= 0 { slots[last.older].newer = place } else { oldest = place }
    }

    private mutating func unlink(_ place: Int) {
        let (newer, older) = (slots[place].newer, slots[place].older)
        if newer >= 0 { slots[newer].older = older } else { newest = older }
        if older >= 0 { slots[older].newer = newer } else { oldest = newer }
    }

    private mutating func linkNewest(_ place: Int) {
        slots[place].newer = -1
        slots[place].older = newest
        if newest >= 0 { slots[newest].newer = place } else { oldest = place }
        newest = place
    }
}
