internal import Cryptography
package import NIOCore

/// Messages alike but for their Message-ID and their size. Made once for a run; each one costs a copy of its octets.
package struct LoadMessage: Sendable {
    /// Header and one line of text, with long addresses.
    package static let minimumSize = 512

    private let header: ByteBuffer
    private let headerEnd: ByteBuffer
    /// Whole lines, as many as the largest message has.
    private let body: ByteBuffer
    private static let counterDigits = 16
    private static let lineLength = 76
    private static let lineSize = lineLength + 2

    /// `size`: of the largest message.
    package init(size: Int, from: String, to: String, run: [UInt8] = randomBytes(6), date: String) {
        let domain = from.split(separator: "@").last.map(String.init) ?? "localhost"
        header = ByteBuffer(
            string: "Date: \(date)\r\nFrom: <\(from)>\r\nTo: <\(to)>\r\nSubject: gatepost bench\r\n"
                + "Message-ID: <\(hexadecimal(run)).")
        headerEnd = ByteBuffer(string: "@\(domain)>\r\n\r\n")
        // Random text in Base64's alphabet does not compress, as most attachments do not; no line begins with a dot.
        let noise = Base64.encodedBytes(randomBytes(4096))
        var body = ByteBuffer()
        body.reserveCapacity(size + Self.lineSize)
        var position = 0
        while body.readableBytes < size {
            if position + Self.lineLength > noise.count { position = (position + 7) % Self.lineLength }
            body.writeBytes(noise[position..<position + Self.lineLength])
            body.writeString("\r\n")
            position += Self.lineLength
        }
        self.body = body
    }

    /// Of `size` octets, or up to two less. `size` is at least `minimumSize`, at most that of `init`.
    package func numbered(_ number: Int, size: Int) -> ByteBuffer {
        var message = ByteBufferAllocator().buffer(capacity: size)
        message.writeImmutableBuffer(header)
        var digits: [UInt8] = Array(String(number).utf8)
        digits = [UInt8](repeating: UInt8(ascii: "0"), count: max(0, Self.counterDigits - digits.count)) + digits
        message.writeBytes(digits.suffix(Self.counterDigits))
        message.writeImmutableBuffer(headerEnd)
        let left = max(0, min(size - message.readableBytes, body.readableBytes))
        let whole = left / Self.lineSize * Self.lineSize
        let rest = left - whole
        message.writeBytes(body.readableBytesView.prefix(whole))
        if rest > 2 {
            message.writeBytes(body.readableBytesView.prefix(rest - 2))
            message.writeString("\r\n")
        }
        return message
    }
}
