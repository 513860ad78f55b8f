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

    /// Whether one stands in the header, or in that of a part or of a message inside (RFC 6532 §3 is for all of them).
    package static func hasEightBitAnywhere(_ content: ByteBuffer) -> Bool {
        content.withUnsafeReadableBytes { hasEightBit($0, 0..<$0.count, depth: 0) }
    }

    private static func hasEightBit(_ octets: UnsafeRawBufferPointer, _ entity: Range<Int>, depth: Int) -> Bool {
        guard depth <= BodyConversion.maxDepth, MIMEHeader.hasEightBit(octets, entity) else { return false }
        let header = MIMEHeader(octets, entity)
        if MIMEHeader.hasEightBit(octets, entity.lowerBound..<header.body) { return true }
        guard let field = header.all("content-type").first,
            let type = ContentType(MIMEHeader.text(octets, field.value))
        else { return false }
        let body = header.body..<entity.upperBound
        switch (type.type, type.subtype) {
        case ("multipart", _):
            guard let boundary = type.boundary else { return false }
            return hasEightBit(octets, inPartsOf: body, boundary, depth: depth + 1)
        case ("message", "rfc822"), ("message", "global"): return hasEightBit(octets, body, depth: depth + 1)
        default: return false
        }
    }

    private static func hasEightBit(
        _ octets: UnsafeRawBufferPointer, inPartsOf body: Range<Int>, _ boundary: String, depth: Int
    ) -> Bool {
        let mark = Array("--\(boundary)".utf8)
        var start: Int?
        var position = body.lowerBound
        while position < body.upperBound {
            let next = MIMEHeader.nextLine(octets, position, body.upperBound)
            if let isLast = MIMEHeader.delimiter(octets, position..<next, mark) {
                if let start, hasEightBit(octets, start..<position, depth: depth) { return true }
                guard !isLast else { return false }
                start = next
            }
            position = next
        }
        return start.map { hasEightBit(octets, $0..<body.upperBound, depth: depth) } ?? false
    }
}
