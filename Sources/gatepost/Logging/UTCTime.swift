import Glibc
import Postgres

/// An instant as operators read it: ISO 8601, UTC, to the millisecond.
struct UTCTime: Hashable, Sendable {
    /// Since 1970-01-01T00:00:00Z.
    var microseconds: Int64

    static func now() -> UTCTime { UTCTime(microseconds: Instant.now.microseconds) }

    /// `2026-08-05T10:15:30.123Z`.
    var text: String { clock + "." + Self.digits(milliseconds, 3) + "Z" }

    /// `2026-08-05T10:15:30Z`.
    var secondsText: String { clock + "Z" }

    private var seconds: Int64 { microseconds >= 0 ? microseconds / 1_000_000 : (microseconds - 999_999) / 1_000_000 }
    private var milliseconds: Int64 { (microseconds - seconds * 1_000_000) / 1000 }

    private var clock: String {
        var seconds = time_t(seconds)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        return "\(Self.digits(Int64(parts.tm_year) + 1900, 4))-\(Self.digits(Int64(parts.tm_mon) + 1, 2))"
            + "-\(Self.digits(Int64(parts.tm_mday), 2))T\(Self.digits(Int64(parts.tm_hour), 2))"
            + ":\(Self.digits(Int64(parts.tm_min), 2)):\(Self.digits(Int64(parts.tm_sec), 2))"
    }

    private static func digits(_ number: Int64, _ count: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, count - digits.count)) + digits
    }
}
