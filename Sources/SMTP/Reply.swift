/// A reply of ours: a code, an enhanced code and one or more lines of text (RFC 5321 §4.2, RFC 2034).
///
/// The codes in use and their sentences are named in `Reply+Catalog.swift`.
package struct Reply: Hashable, Sendable, CustomStringConvertible {
    package let code: Int
    /// Nil in greetings, answers to EHLO, HELO and LHLO, and in every 3xx (RFC 2034 §4).
    package let enhanced: EnhancedCode?
    /// At least one; printable ASCII once written (what is not is escaped on the way out).
    package let lines: [String]
    /// By which somebody can be told what it was about; the last line ends with it.
    package let id: String?

    package init(_ code: Int, _ enhanced: EnhancedCode?, _ text: String) {
        self.init(code, enhanced, lines: [text])
    }

    package init(_ code: Int, _ enhanced: EnhancedCode?, lines: [String]) {
        self.init(code, enhanced, lines: lines, id: nil)
    }

    private init(_ code: Int, _ enhanced: EnhancedCode?, lines: [String], id: String?) {
        precondition((200...599).contains(code) && !lines.isEmpty, "a reply has a code and a line")
        precondition(enhanced == nil || enhanced?.statusClass == code / 100, "both codes are of one class")
        self.code = code
        self.enhanced = enhanced
        self.lines = lines
        self.id = id
    }

    /// The reply with ` (id …)` at its end. A text that leaves no room for that is cut, never the id.
    package func identified(by id: String) -> Reply {
        let suffix = " (id \(id))"
        // What stands before the text is 15 octets at most.
        let room = Self.maxLineLength - 2 - 15 - suffix.utf8.count
        var lines = lines
        let text = lines.removeLast()
        let isPlain = text.utf8.count <= room && text.utf8.allSatisfy { $0.isVisible || $0 == .space }
        return Reply(code, enhanced, lines: lines + [(isPlain ? text : text.escaped(limit: room)) + suffix], id: id)
    }

    package var isPositive: Bool { code < 400 }
    /// To an AUTH that failed, octet for octet the same whatever the reason: nothing in it may tell one from another.
    var isUniform: Bool { code == 535 }
    package var isTransient: Bool { (400..<500).contains(code) }
    package var isPermanent: Bool { code >= 500 }

    /// The first line as sent, without CRLF.
    package var description: String {
        let codes = enhanced.map { "\(code) \($0) " } ?? "\(code) "
        return codes + Self.written(lines[0], after: codes.utf8.count)
    }
}
