/// Chooses among members in proportion to their weights, evenly spread (nginx's smooth weighted round robin).
///
/// Pure: who is available is the caller's knowledge, given at each choice.
package struct WeightedRotation: Sendable {
    private var credit: [Int64: Int] = [:]

    package init() {}

    /// The member whose turn it is, nil if there is none.
    ///
    /// - Parameter available: id and weight (at least 1) of everyone who could take a message now, each id once.
    package mutating func next(among available: [(id: Int64, weight: Int)]) -> Int64? {
        var best: (id: Int64, credit: Int)?
        var total = 0
        for member in available {
            let weight = max(member.weight, 1)
            total += weight
            let now = credit[member.id, default: 0] + weight
            credit[member.id] = now
            if best.map({ now > $0.credit }) ?? true { best = (member.id, now) }
        }
        guard let best else { return nil }
        credit[best.id] = best.credit - total
        return best.id
    }

    /// Forgets members that have left, so that ids do not pile up.
    package mutating func keep(_ ids: Set<Int64>) {
        credit = credit.filter { ids.contains($0.key) }
    }
}
