/// Everything random in a world comes from one of these (xoshiro256**, seeded by SplitMix64): one seed, one story.
struct Generator: RandomNumberGenerator {
    private var words: (UInt64, UInt64, UInt64, UInt64)

    init(seed: UInt64) {
        var state = seed
        func mixed() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            return Self.scramble(state)
        }
        words = (mixed(), mixed(), mixed(), mixed())
    }

    /// SplitMix64's finalizer: neighbouring numbers become unrelated ones.
    static func scramble(_ number: UInt64) -> UInt64 {
        var word = number
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }

    mutating func next() -> UInt64 {
        let result = rotated(words.1 &* 5, by: 7) &* 9
        let shifted = words.1 << 17
        words.2 ^= words.0
        words.3 ^= words.1
        words.1 ^= words.2
        words.0 ^= words.3
        words.2 ^= shifted
        words.3 = rotated(words.3, by: 45)
        return result
    }

    private func rotated(_ word: UInt64, by count: UInt64) -> UInt64 { word << count | word >> (64 - count) }

    /// 0 to `bound` - 1. The bias of a multiplication is no matter here.
    mutating func below(_ bound: Int) -> Int { Int(truncatingIfNeeded: ((next() >> 32) &* UInt64(bound)) >> 32) }

    mutating func within(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + below(range.upperBound - range.lowerBound + 1)
    }

    /// True so often in a thousand.
    mutating func permille(_ chance: Int) -> Bool { below(1000) < chance }

    mutating func pick<Element>(_ choices: [Element]) -> Element { choices[below(choices.count)] }

    /// 0 to 1.
    mutating func fraction() -> Double { Double(next() >> 11) / Double(1 << 53) }
}
