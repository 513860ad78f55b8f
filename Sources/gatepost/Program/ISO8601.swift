import Postgres

extension Instant {
    /// `2027-01-31` (its beginning in UTC) or `2027-01-31T18:00[:30](Z|±01:00)`; nil for anything else, and for days
    /// that are not in the calendar.
    init?(iso8601 text: String) {
        let octets = Array(text.utf8)
        func number(_ range: Range<Int>) -> Int? {
            guard range.upperBound <= octets.count else { return nil }
            return Int(plainDigits: String(decoding: octets[range], as: UTF8.self))
        }
        func has(_ character: Unicode.Scalar, at index: Int) -> Bool {
            octets.indices.contains(index) && octets[index] == UInt8(ascii: character)
        }
        guard let year = number(0..<4), has("-", at: 4), let month = number(5..<7), has("-", at: 7),
            let day = number(8..<10), (1970...9999).contains(year), (1...12).contains(month),
            (1...Self.days(in: month, of: year)).contains(day)
        else { return nil }
        var seconds = Self.daysSince1970(year, month, day) * 86_400
        var rest = 10
        if octets.count > 10 {
            guard has("T", at: 10) || has(" ", at: 10), let hour = number(11..<13), has(":", at: 13),
                let minute = number(14..<16), hour < 24, minute < 60
            else { return nil }
            seconds += hour * 3600 + minute * 60
            rest = 16
            if has(":", at: 16) {
                guard let second = number(17..<19), second < 60 else { return nil }
                seconds += second
                rest = 19
            }
            if has("Z", at: rest) {
                rest += 1
            } else {
                guard has("+", at: rest) || has("-", at: rest), let hours = number(rest + 1..<rest + 3),
                    has(":", at: rest + 3), let minutes = number(rest + 4..<rest + 6), hours < 24, minutes < 60
                else { return nil }
                seconds += (has("+", at: rest) ? -1 : 1) * (hours * 3600 + minutes * 60)
                rest += 6
            }
        }
        guard rest == octets.count else { return nil }
        self.init(microseconds: Int64(seconds) * 1_000_000)
    }

    private static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    private static func days(in month: Int, of year: Int) -> Int {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    private static func daysSince1970(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let years = (1970..<year).reduce(0) { $0 + (isLeap($1) ? 366 : 365) }
        return (1..<month).reduce(years) { $0 + days(in: $1, of: year) } + day - 1
    }
}
