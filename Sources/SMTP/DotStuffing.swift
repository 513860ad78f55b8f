package import NIOCore

/// Content on its way out by DATA (RFC 5321 §4.5.2).
package enum DotStuffing {
    /// Appends `content` with every dot at the head of a line doubled, a CRLF if the last line has none, and the
    /// final dot: one pass, in runs.
    package static func write(_ content: ByteBuffer, into output: inout ByteBuffer) {
        let begin = output.writerIndex
        output.reserveCapacity(minimumWritableBytes: content.readableBytes + content.readableBytes / 64 + 5)
        content.withUnsafeReadableBytes { bytes in
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
            if bytes.count > 0, !bytes.suffix(2).elementsEqual([.cr, .lf]) { output.writeStaticString("\r\n") }
        }
        output.writeStaticString(".\r\n")
        assert(endsOnlyAtItsEnd(output.getSlice(at: begin, length: output.writerIndex - begin) ?? ByteBuffer()))
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
