/// An enhanced status code: class, subject, detail (RFC 3463).
///
/// Only codes in IANA's registry are sent; a remote may send any.
package struct EnhancedCode: Hashable, Sendable, CustomStringConvertible {
    package let statusClass: Int
    package let subject: Int
    package let detail: Int

    package init(_ statusClass: Int, _ subject: Int, _ detail: Int) {
        self.statusClass = statusClass
        self.subject = subject
        self.detail = detail
    }

    package var description: String { "\(statusClass).\(subject).\(detail)" }

    /// The code at the head of `text`, if there is one that a blank or the end follows.
    ///
    ///     status-code = class "." subject "." detail       class = "2" / "4" / "5"
    ///     subject = 1*3DIGIT                               detail = 1*3DIGIT
    init?(prefixOf text: some Collection<UInt8>) {
        var numbers: [Int] = []
        for part in text.prefix(while: { $0 != UInt8(ascii: " ") }).split(
            separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        {
            guard (1...3).contains(part.count), numbers.count < 3, let number = Int(decimal: part) else { return nil }
            numbers.append(number)
        }
        guard numbers.count == 3, [2, 4, 5].contains(numbers[0]) else { return nil }
        self.init(numbers[0], numbers[1], numbers[2])
    }
}
