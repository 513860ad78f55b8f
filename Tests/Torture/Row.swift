import SiteSupport

/// One kind of fault, done to a whole Gatepost under load, and what must hold.
///
/// To add one: a file in `Rows/` with a `Row`, and its name in `Row.all`.
struct Row: Sendable {
    /// As in `ONLY=`, in the result file's name and in the closing lines.
    let name: String
    /// For `--list` and the closing lines, without a full stop.
    let summary: String
    /// What its rounds are ("kills").
    let unit: String
    /// Rounds of the short form, within `make test`.
    let short: Int
    /// Rounds of the full form.
    let full: Int
    /// The most rounds of one leg: a leg has a site of its own, is judged, and its figures are kept before the next
    /// begins, so that a long row can be interrupted and resumed.
    var leg = Int.max
    /// Runs one leg and judges it. What is wrong with Gatepost goes into the verdict; a throw is a fault of the harness.
    let run: @Sendable (Leg) async throws -> Verdict
}

/// What a row is asked to do now.
struct Leg: Sendable {
    let row: String
    let rounds: Int
    /// Rounds that earlier legs have done.
    var done = 0
    let isShort: Bool
    /// Of this leg; the same seed makes the same choices (not the same timing).
    let seed: UInt64
    /// Every deadline is so many times as long, for a machine that has other work; said in the results.
    var patience = 1.0
    /// A fault on purpose that this leg must notice.
    var plant: Plant?
    /// Says something to whoever watches.
    let say: @Sendable (String) -> Void

    var random: Seeded { Seeded(state: seed) }
}

/// SplitMix64.
struct Seeded: RandomNumberGenerator, Sendable {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
