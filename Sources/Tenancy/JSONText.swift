/// The little JSON that goes to functions of `admin`.
enum JSONText {
    /// A JSON string; everything but plain ASCII by its number.
    static func string(_ text: String) -> String {
        var quoted = "\""
        for unit in text.utf16 {
            if (0x20..<0x7F).contains(unit), unit != 0x22, unit != 0x5C {
                quoted.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
            } else {
                let digits = String(unit, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
        }
        return quoted + "\""
    }
}
