package import NIOCore

/// Content on its way out by DATA (RFC 5321 §4.5.2).
package enum DotStuffing {
    /// Appends `content` with every dot at the head of a line doubled, a CRLF if the last line has none, and the
    /// final dot: one pass, in runs.
    package static func write(_ content: ByteBuffer, into output: inout ByteBuffer) {
        let begin = output.writerIndex
        var rest = content
        while !writePiece(of: &rest, atMost: .max, into: &output) {}
        assert(endsOnlyAtItsEnd(output.getSlice(at: begin, length: output.writerIndex - begin) ?? ByteBuffer()))
    }

    /// Takes whole lines off the head of `rest`, about `limit` octets of them, and appends them; true when that was all,
    /// and the final dot is written too. A line longer than `limit` goes out whole.
    static func writePiece(of rest: inout ByteBuffer, atMost limit: Int, into output: inout ByteBuffer) -> Bool {
        let count = rest.readableBytes
        var length = count
        if count > limit {
            length = rest.withUnsafeReadableBytes { bytes in
                bytes.offset(of: .lf, from: limit - 1).map { $0 + 1 } ?? count
            }
        }
        let piece = rest.readSlice(length: length) ?? ByteBuffer()
        output.reserveCapacity(minimumWritableBytes: length + length / 64 + 5)
        piece.withUnsafeReadableBytes { bytes in
            var start = 0
            var line = 0
            while line < bytes.count {
                if bytes[line] == .dot {
                    output.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[start..<line]))
                    output.writeInteger(UInt8.dot)
                    start = line
                }
                guard let lf = bytes.offset(of: .lf, from: line) else { break }
                line = lf + 1
            }
            output.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[start...]))
            if rest.readableBytes == 0, bytes.count > 0, !bytes.suffix(2).elementsEqual([.cr, .lf]) {
                output.writeStaticString("\r\n")
            }
        }
        guard rest.readableBytes == 0 else { return false }
        output.writeStaticString(".\r\n")
        return true
    }

    /// Whether nothing before the end could be taken for an end of data, by the laxest reader (SMTP smuggling):
    /// no lone dot between line ends, whether CRLF, CR or LF.
    static func endsOnlyAtItsEnd(_ written: ByteBuffer) -> Bool {
        written.withUnsafeReadableBytes { bytes in
            func isLineEnd(_ octet: UInt8) -> Bool { octet == .cr || octet == .lf }
            var index = 0
            let last = bytes.count - 3
            while let dot = bytes.offset(of: .dot, from: index, to: last) {
                if dot == 0 || isLineEnd(bytes[dot - 1]), isLineEnd(bytes[dot + 1]) { return false }
                index = dot + 1
            }
            return true
        }
    }
}
