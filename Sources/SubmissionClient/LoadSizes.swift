internal import Glibc

/// How large the messages of a run are. The same seed gives every message number the same size again.
package enum LoadSizes: Sendable, Hashable {
    case fixed(Int)
    case likeMail(seed: UInt64)

    /// Sizes of mail that applications send, as a table of quantiles: most are small notices, a few carry attachments.
    /// Between two of them the logarithm of the size grows evenly. The mean is near 80 KiB, the median 12 KiB.
    /// A model that was chosen, not a measurement.
    package static let quantiles: [(share: Double, size: Double)] = [
        (0, 1_024), (0.10, 2_560), (0.50, 12_288), (0.75, 35_840), (0.90, 81_920), (0.97, 307_200), (0.99, 1_572_864),
        (0.999, 5_242_880), (1, 10_485_760),
    ]

    package var largest: Int {
        switch self {
        case .fixed(let size): size
        case .likeMail: Int(Self.quantiles[Self.quantiles.count - 1].size)
        }
    }

    /// Octets of the message with this number.
    package func size(of number: Int) -> Int {
        switch self {
        case .fixed(let size): size
        case .likeMail(let seed): Self.size(at: Self.share(seed, UInt64(truncatingIfNeeded: number)))
        }
    }

    /// `share`: 0 up to, but not including, 1.
    static func size(at share: Double) -> Int {
        var low = quantiles[0]
        for high in quantiles.dropFirst() {
            if share < high.share {
                let part = (share - low.share) / (high.share - low.share)
                return Int(low.size * pow(high.size / low.size, part))
            }
            low = high
        }
        return Int(low.size)
    }

    /// SplitMix64's output for this place in its sequence: even, and without a state that threads would share.
    private static func share(_ seed: UInt64, _ number: UInt64) -> Double {
        var z = seed &+ (number &+ 1) &* 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        z ^= z >> 31
        return Double(z >> 11) / 9_007_199_254_740_992
    }
}
