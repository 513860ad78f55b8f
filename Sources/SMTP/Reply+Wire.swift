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
        // All of it at once: a buffer that grows with each part is copied as often.
        buffer.reserveCapacity(minimumWritableBytes: lines.reduce(0) { $0 + $1.utf8.count + 18 })
        for (index, line) in lines.enumerated() {
            let begin = buffer.writerIndex
            buffer.writeCodes(code, index == lines.count - 1 ? .space : UInt8(ascii: "-"), enhanced)
            buffer.writeString(Self.written(line, after: buffer.writerIndex - begin))
            buffer.writeStaticString("\r\n")
        }
    }

    /// A line's text as it goes out, after so many octets of codes.
    static func written(_ line: String, after count: Int) -> String {
        let room = maxLineLength - 2 - count
        let isPlain = line.utf8.count <= room && line.utf8.allSatisfy { $0.isVisible || $0 == .space }
        return isPlain ? line : line.escaped(limit: room)
    }

    /// `text` of a client's for use inside a reply: escaped and short.
    static func quotation(_ text: some Collection<UInt8>) -> String { text.escaped(limit: maxQuotation) }
}

extension ByteBuffer {
    /// What a line begins with, in one go and without a String: each command gets a reply.
    fileprivate mutating func writeCodes(_ code: Int, _ mark: UInt8, _ enhanced: EnhancedCode?) {
        writeWithUnsafeMutableBytes(minimumWritableBytes: 16) { bytes in
            var count = 0
            func write(_ number: Int, then mark: UInt8) {
                precondition((0..<1000).contains(number), "codes have three digits at most")
                var power = number >= 100 ? 100 : number >= 10 ? 10 : 1
                while power > 0 {
                    bytes[count] = UInt8(0x30 + number / power % 10)
                    count += 1
                    power /= 10
                }
                bytes[count] = mark
                count += 1
            }
            write(code, then: mark)
            if let enhanced {
                write(enhanced.statusClass, then: .dot)
                write(enhanced.subject, then: .dot)
                write(enhanced.detail, then: .space)
            }
            return count
        }
    }
}
