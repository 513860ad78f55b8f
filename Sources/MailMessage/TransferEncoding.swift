import NIOCore

/// The two encodings of RFC 2045 §6 that make any content fit for 7-bit transport.
enum TransferEncoding {
    /// Quoted-printable (§6.7): CRLF stays a line's end, every other octet that is not harmless becomes `=XX`; lines of at
    /// most 76. What decodes it gets every octet back.
    static func quotedPrintable(_ octets: Slice<UnsafeRawBufferPointer>, into output: inout ByteBuffer) {
        let hex = Array("0123456789ABCDEF".utf8)
        output.reserveCapacity(minimumWritableBytes: octets.count + octets.count / 4)
        var line: [UInt8] = []
        line.reserveCapacity(80)
        var position = octets.startIndex
        while position < octets.endIndex {
            let octet = octets[position]
            let next = position + 1 < octets.endIndex ? octets[position + 1] : nil
            if octet == .carriageReturn, next == .lineFeed {
                line += [.carriageReturn, .lineFeed]
                output.writeBytes(line)
                line.removeAll(keepingCapacity: true)
                position += 2
                continue
            }
            let endsLine = next == nil || next == .carriageReturn
            let isPlain: Bool =
                switch octet {
                case UInt8(ascii: "="): false
                case 0x20, 0x09: !endsLine
                // A soft break must not make a line that begins like a boundary, nor one that is a lone dot.
                case UInt8(ascii: "-"), UInt8(ascii: "."): !line.isEmpty || isLineHead(octets, position)
                case 0x21...0x7E: true
                default: false
                }
            let width = isPlain ? 1 : 3
            // Room for the `=` of a soft break.
            if line.count + width > 75 {
                line += [UInt8(ascii: "="), .carriageReturn, .lineFeed]
                output.writeBytes(line)
                line.removeAll(keepingCapacity: true)
                continue
            }
            if isPlain {
                line.append(octet)
            } else {
                line += [UInt8(ascii: "="), hex[Int(octet >> 4)], hex[Int(octet & 15)]]
            }
            position += 1
        }
        output.writeBytes(line)
    }

    /// Whether the octet begins a line of the content, and so did already.
    private static func isLineHead(_ octets: Slice<UnsafeRawBufferPointer>, _ position: Int) -> Bool {
        position == octets.startIndex || octets[position - 1] == .lineFeed
    }

    /// Base64 (§6.8) in lines of 76, without a line end behind the last.
    static func base64(_ octets: Slice<UnsafeRawBufferPointer>, into output: inout ByteBuffer) {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        output.reserveCapacity(minimumWritableBytes: octets.count * 4 / 3 + octets.count / 28 + 8)
        var start = octets.startIndex
        var text: [UInt8] = []
        text.reserveCapacity(80)
        while start < octets.endIndex {
            let line = octets[start..<min(start + 57, octets.endIndex)]
            start = line.endIndex
            text.removeAll(keepingCapacity: true)
            var index = line.startIndex
            while index < line.endIndex {
                let count = min(3, line.endIndex - index)
                var group = UInt32(line[index]) << 16
                if count > 1 { group |= UInt32(line[index + 1]) << 8 }
                if count > 2 { group |= UInt32(line[index + 2]) }
                for digit in 0..<4 {
                    text.append(
                        digit <= count ? alphabet[Int(group >> UInt32(18 - 6 * digit) & 63)] : UInt8(ascii: "="))
                }
                index += count
            }
            if start < octets.endIndex { text += [.carriageReturn, .lineFeed] }
            output.writeBytes(text)
        }
    }
}
