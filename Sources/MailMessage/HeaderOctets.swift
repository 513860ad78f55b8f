package import NIOCore

/// What a message's header is made of, for those who must know before they pass it on.
package enum HeaderOctets {
    /// The header's length with the blank line that ends it; all of a content without one.
    package static func length(of content: ByteBuffer) -> Int {
        content.withUnsafeReadableBytes { MIMEHeader.end(in: $0, 0..<$0.count).body }
    }

    /// Whether an octet above 127 stands in the header (RFC 6532 needs SMTPUTF8 for it).
    package static func hasEightBit(_ content: ByteBuffer) -> Bool {
        content.withUnsafeReadableBytes { octets in
            MIMEHeader.hasEightBit(octets, 0..<MIMEHeader.end(in: octets, 0..<octets.count).body)
        }
    }
}
