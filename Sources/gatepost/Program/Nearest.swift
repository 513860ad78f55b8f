/// "Did you mean …?": the nearest of the words that would have been right.

extension Sequence<String> {
    /// The word with the fewest letters inserted, deleted, replaced or swapped; nil where none is near enough for a
    /// slip of the fingers (a third of its letters).
    func nearest(to word: String) -> String? {
        let ranked = filter { $0 != word }.map { (candidate: $0, distance: editDistance(word, $0)) }
        guard let best = ranked.min(by: { ($0.distance, $0.candidate) < ($1.distance, $1.candidate) }),
            best.distance <= Swift.max(1, best.candidate.count / 3)
        else { return nil }
        return best.candidate
    }
}

/// Damerau–Levenshtein (optimal string alignment) over characters; long words are cut, for they come from outside.
func editDistance(_ first: String, _ second: String) -> Int {
    let first = Array(first.prefix(64))
    let second = Array(second.prefix(64))
    var beforeLast: [Int] = []
    var last = Array(0...second.count)
    for (row, letter) in first.enumerated() {
        var current = [row + 1]
        for (column, other) in second.enumerated() {
            var distance = Swift.min(
                last[column + 1] + 1, current[column] + 1, last[column] + (letter == other ? 0 : 1))
            if row > 0, column > 0, letter == second[column - 1], first[row - 1] == other {
                distance = Swift.min(distance, beforeLast[column - 1] + 1)
            }
            current.append(distance)
        }
        beforeLast = last
        last = current
    }
    return last[second.count]
}
