/// Date-times as mail writes them (RFC 5322 §3.3), always in UTC.
package enum MessageDate {
    /// `Tue, 24 Nov 2026 13:30:55 +0000` for a number of seconds since 1970-01-01T00:00:00Z; years 0 to 9999.
    package static func string(unixSeconds: Int64) -> String {
        let seconds = min(max(unixSeconds, -62_167_219_200), 253_402_300_799)
        let day = seconds.floorDivided(by: 86_400)
        let second = seconds - day * 86_400
        let date = civil(daysSince1970: day)
        let weekday = (day + 4) - (day + 4).floorDivided(by: 7) * 7  // 1970-01-01 was a Thursday

        return weekdays[Int(weekday)] + ", \(date.day) " + months[Int(date.month) - 1] + " "
            + padded(date.year, to: 4) + " " + padded(second / 3600, to: 2) + ":" + padded(second / 60 % 60, to: 2)
            + ":" + padded(second % 60, to: 2) + " +0000"
    }

    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// Howard Hinnant's `civil_from_days`: years begin in March, so that the leap day comes last.
    private static func civil(daysSince1970: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = daysSince1970 + 719_468
        let era = shifted.floorDivided(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    private static func padded(_ number: Int64, to width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}

extension Int64 {
    fileprivate func floorDivided(by divisor: Int64) -> Int64 {
        self >= 0 ? self / divisor : -((-self + divisor - 1) / divisor)
    }
}
