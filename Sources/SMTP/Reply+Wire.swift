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
            let begin = buffer.writerIndex
            buffer.writeDecimal(code)
            buffer.writeInteger(index == lines.count - 1 ? UInt8.space : UInt8(ascii: "-"))
            if let enhanced {
                buffer.writeDecimal(enhanced.statusClass)
                buffer.writeInteger(UInt8.dot)
                buffer.writeDecimal(enhanced.subject)
                buffer.writeInteger(UInt8.dot)
                buffer.writeDecimal(enhanced.detail)
                buffer.writeInteger(UInt8.space)
            }
            let room = Self.maxLineLength - 2 - (buffer.writerIndex - begin)
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

extension ByteBuffer {
    /// A number below 1,000 in decimal digits, without a String of its own.
    fileprivate mutating func writeDecimal(_ number: Int) {
        precondition((0..<1000).contains(number), "codes have three digits at most")
        if number >= 100 { writeInteger(UInt8(0x30 + number / 100)) }
        if number >= 10 { writeInteger(UInt8(0x30 + number / 10 % 10)) }
        writeInteger(UInt8(0x30 + number % 10))
    }
}
