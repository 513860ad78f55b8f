/// What the other side said, or what went wrong instead, as it is kept and shown.
package struct RemoteReply: Hashable, Sendable, CustomStringConvertible {
    package let code: Int
    package let enhanced: EnhancedCode?
    /// Printable ASCII, escaped, at most ``maxTextLength`` octets; several lines are joined by blanks.
    package let text: String
    /// What it answers: a verb, `greeting`, or `end of data`.
    package let command: String
    /// Nobody said it: we knew what would be answered, and did not ask.
    package let isOurs: Bool

    package static let maxTextLength = 1000

    package init(code: Int, enhanced: EnhancedCode?, text: String, command: String, isOurs: Bool = false) {
        self.code = code
        self.enhanced = enhanced
        self.text = text.escaped(limit: Self.maxTextLength)
        self.command = command
        self.isOurs = isOurs
    }

    init(code: Int, enhanced: EnhancedCode?, lines: [[UInt8]], command: String) {
        self.code = code
        self.enhanced = enhanced
        text = Array(lines.joined(separator: [.space])).escaped(limit: Self.maxTextLength)
        self.command = command
        isOurs = false
    }

    package var isPositive: Bool { (200..<300).contains(code) }

    package var description: String {
        let said = "\(code) \(enhanced.map { "\($0) " } ?? "")\(text)"
        return isOurs ? said : "\(said) (in reply to \(command))"
    }
}

extension RemoteReply {
    /// What our own relay says of a message that goes no further: it is filed where its recipients find it.
    package static let filedText = "Ok: filed as "

    package var saysFiled: Bool { isPositive && text.hasPrefix(Self.filedText) }
}
