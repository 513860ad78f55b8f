import NIOCore

/// What becomes of a CR or LF that is no part of a CRLF, in content that is not BINARYMIME.
package enum LineEndings: String, Hashable, Sendable {
    /// The message is refused: no two servers agree about what such an octet is (SMTP smuggling).
    case strict
    /// Each becomes a CRLF before anything else looks at the message, so that what is judged, hashed and stored is what is
    /// sent on. Never changes where content ends.
    case normalise

    /// `content` with its line ends as they shall be; the same buffer where nothing changes.
    func applied(to content: ByteBuffer) -> ByteBuffer {
        guard self == .normalise else { return content }
        var result: ByteBuffer?
        content.withUnsafeReadableBytes { bytes in
            var kept = 0
            var index = 0
            while index < bytes.count {
                let octet = bytes[index]
                if octet == .cr, index + 1 < bytes.count, bytes[index + 1] == .lf {
                    index += 2
                } else if octet == .cr || octet == .lf {
                    var made = result ?? ByteBuffer()
                    result = nil  // one owner, or each write would copy
                    if made.capacity == 0 { made.reserveCapacity(bytes.count + bytes.count / 16 + 2) }
                    made.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[kept..<index]))
                    made.writeStaticString("\r\n")
                    result = made
                    index += 1
                    kept = index
                } else {
                    index += 1
                }
            }
            if kept > 0 { result?.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[kept...])) }
        }
        return result ?? content
    }
}
