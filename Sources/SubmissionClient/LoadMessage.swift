internal import Cryptography
package import NIOCore

/// Messages of one size, alike but for their Message-ID. Made once for a run; each one costs a copy of its octets.
package struct LoadMessage: Sendable {
    /// Header and one line of text, with long addresses.
    package static let minimumSize = 512

    private let template: ByteBuffer
    private let counterOffset: Int
    private static let counterDigits = 16

    package init(size: Int, from: String, to: String, run: [UInt8] = randomBytes(6), date: String) {
        let domain = from.split(separator: "@").last.map(String.init) ?? "localhost"
        var content = ByteBuffer()
        content.reserveCapacity(size + 80)
        content.writeString("Date: \(date)\r\nFrom: <\(from)>\r\nTo: <\(to)>\r\nSubject: gatepost bench\r\n")
        content.writeString("Message-ID: <\(hexadecimal(run)).")
        counterOffset = content.writerIndex
        content.writeString(String(repeating: "0", count: Self.counterDigits))
        content.writeString("@\(domain)>\r\n\r\n")
        // Random text in Base64's alphabet does not compress, as most attachments do not; no line begins with a dot.
        let noise = Base64.encodedBytes(randomBytes(4096))
        var position = 0
        while content.readableBytes + 3 <= size {
            let length = min(76, size - content.readableBytes - 2)
            if position + length > noise.count { position = (position + 7) % 76 }
            content.writeBytes(noise[position..<position + length])
            content.writeString("\r\n")
            position += length
        }
        template = content
    }

    package var size: Int { template.readableBytes }

    package func numbered(_ number: Int) -> ByteBuffer {
        var message = template
        var digits: [UInt8] = Array(String(number).utf8)
        digits = [UInt8](repeating: UInt8(ascii: "0"), count: max(0, Self.counterDigits - digits.count)) + digits
        message.setBytes(digits.suffix(Self.counterDigits), at: counterOffset)
        return message
    }
}
