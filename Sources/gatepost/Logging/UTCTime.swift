import Glibc
import Postgres

/// An instant as operators read it: ISO 8601, UTC, to the millisecond.
struct UTCTime: Hashable, Sendable {
    /// Since 1970-01-01T00:00:00Z.
    var microseconds: Int64

    static func now() -> UTCTime { UTCTime(microseconds: Instant.now.microseconds) }

    /// `2026-08-05T10:15:30.123Z`.
    var text: String { text(withMilliseconds: true) }

    /// `2026-08-05T10:15:30Z`.
    var secondsText: String { text(withMilliseconds: false) }

    private var seconds: Int64 { microseconds >= 0 ? microseconds / 1_000_000 : (microseconds - 999_999) / 1_000_000 }
    private var milliseconds: Int64 { (microseconds - seconds * 1_000_000) / 1000 }

    /// Every log line has one: no strings are made on the way.
    private func text(withMilliseconds: Bool) -> String {
        var seconds = time_t(seconds)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        // A year of five digits takes one more.
        return String(unsafeUninitializedCapacity: 32) { buffer in
            var end = 0
            func write(_ mark: UInt8?, _ number: Int64, _ width: Int) {
                if let mark {
                    buffer[end] = mark
                    end += 1
                }
                var width = width
                var most: Int64 = 1
                for _ in 0..<width { most *= 10 }
                while number >= most {
                    most *= 10
                    width += 1
                }
                var rest = number
                for place in stride(from: end + width - 1, through: end, by: -1) {
                    buffer[place] = UInt8(ascii: "0") + UInt8(rest % 10)
                    rest /= 10
                }
                end += width
            }
            write(nil, Int64(parts.tm_year) + 1900, 4)
            write(UInt8(ascii: "-"), Int64(parts.tm_mon) + 1, 2)
            write(UInt8(ascii: "-"), Int64(parts.tm_mday), 2)
            write(UInt8(ascii: "T"), Int64(parts.tm_hour), 2)
            write(UInt8(ascii: ":"), Int64(parts.tm_min), 2)
            write(UInt8(ascii: ":"), Int64(parts.tm_sec), 2)
            if withMilliseconds { write(UInt8(ascii: "."), milliseconds, 3) }
            buffer[end] = UInt8(ascii: "Z")
            return end + 1
        }
    }
}
