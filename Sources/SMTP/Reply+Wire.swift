package import NIOCore

extension Reply {
    /// A reply line's limit with its CRLF (RFC 5321 §4.5.3.1.5).
    static let maxLineLength = 512
    /// How much of what a client sent may come back to it in a reply.
    static let maxQuotation = 100

    /// Appends the reply as it goes out: every line with the code (and enhanced code), the last one with a blank.
    ///
    /// Octets outside printable ASCII are escaped, and a line that would be too long is cut: a caller's text cannot
    /// make a second line.
    package func write(into buffer: inout ByteBuffer) {
        for (index, line) in lines.enumerated() {
            let head = "\(code)\(index == lines.count - 1 ? " " : "-")" + (enhanced.map { "\($0) " } ?? "")
            buffer.writeString(head)
            let room = Self.maxLineLength - 2 - head.utf8.count
            if line.utf8.count <= room, line.utf8.allSatisfy({ $0.isVisible || $0 == .space }) {
                buffer.writeString(line)
            } else {
                buffer.writeString(line.escaped(limit: room))
            }
            buffer.writeStaticString("\r\n")
        }
    }

    /// `text` of a client's for use inside a reply: escaped and short.
    static func quotation(_ text: some Collection<UInt8>) -> String { text.escaped(limit: maxQuotation) }
}
