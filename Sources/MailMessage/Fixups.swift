package import NIOCore
package import SMTP

/// A message as it is stored and sent on, without the Received field, which is written at the commit.
package struct PreparedMessage: Sendable {
    package let content: ByteBuffer
    /// The value of its Message-ID field, its own or the one added: printable ASCII, at most 255 octets, for logs and
    /// look-ups. Longer ones are cut, other octets written as `?`.
    package let messageID: String
    /// It came with a Message-ID of its own: only then may a resubmission be recognised.
    package let hadMessageID: Bool
    /// In whose name it speaks, each domain once, never empty.
    package let authors: [Domain]
    /// How many of these From names; the others stand in Sender or a Resent field alone.
    package let fromDomainCount: Int
    /// The same as whole addresses.
    package let authorAddresses: [String]
    /// The domains of addresses in display names and comments of these fields (``AuthorIdentity/shownDomains``).
    package let shownDomains: [String]
    /// Blanks stood before a colon (RFC 5322 §4.5.8).
    package let usesObsoleteSyntax: Bool
    /// An octet above 127 stands in header or body: the relay must offer 8BITMIME.
    package let isEightBit: Bool
    /// An octet above 127 stands in the header: a reader needs RFC 6532.
    package let hasEightBitHeader: Bool
}

extension PreparedMessage {
    /// `Fixups.prepare`, with 128 random bits as what stands before the `@` of a Message-ID that has to be made.
    package init(
        content: ByteBuffer, now: Int64, hostname: String, options: Fixups.Options = Fixups.Options()
    ) throws(MessageFault) {
        self = try Fixups.prepare(content: content, now: now, messageIDDomain: hostname, options: options) {
            var generator = SystemRandomNumberGenerator()
            return String(generator.next(), radix: 36) + "." + String(generator.next(), radix: 36)
        }
    }
}

/// What a submission server may change in a message (RFC 6409 §8), and no more: a missing Date and Message-ID are added
/// at the end of the header; Bcc, Resent-Bcc, Return-Path and our own trace fields (`X-Gatepost-…`) are removed.
/// Every other octet stays as it came, a malformed Date too: the tenant may have signed it.
package enum Fixups {
    package struct Options: Hashable, Sendable {
        /// SMTPUTF8 was declared: the author's address may be UTF-8. Other header text may be in any case, for a great
        /// many programs write it so; it needs 8BITMIME then, and SMTPUTF8 only where it was declared.
        package var isInternationalized: Bool
        /// Leave Bcc and Resent-Bcc in the message.
        package var keepsBlindCopies: Bool

        package init(isInternationalized: Bool = false, keepsBlindCopies: Bool = false) {
            self.isInternationalized = isInternationalized
            self.keepsBlindCopies = keepsBlindCopies
        }
    }

    /// Checks a message and makes it fit to be stored. `content` ends its lines with CRLF and is dot-unstuffed;
    /// `now` is in seconds since 1970; `messageIDDomain` is our host name, valid as a domain; `makeMessageID` gives what
    /// stands before the `@` and is asked only where a Message-ID is missing.
    ///
    /// One pass over the header, one over the body for octets above 127, and one copy where something changes.
    package static func prepare(
        content: ByteBuffer, now: Int64, messageIDDomain: String, options: Options = Options(),
        makeMessageID: () -> String
    ) throws(MessageFault) -> PreparedMessage {
        let scan = try HeaderScan(content)
        let authors = try AuthorIdentity(scan, in: content, isInternationalized: options.isInternationalized)
        try refuseLoops(scan, in: content, hostname: messageIDDomain)

        var removed: [Range<Int>] = []
        var messageID: String?
        var hasDate = false
        for field in scan.fields {
            switch field.name {
            case .bcc, .resentBcc:
                if !options.keepsBlindCopies { removed.append(field.octets) }
            case .returnPath, .ownTrace:
                removed.append(field.octets)
            case .messageID:
                // An empty one is none: it is replaced, for it identifies nothing.
                if let value = printableValue(of: field, in: content) {
                    messageID = value
                } else {
                    removed.append(field.octets)
                }
            case .date:
                if printableValue(of: field, in: content) != nil {
                    hasDate = true
                } else {
                    removed.append(field.octets)
                }
            default: break
            }
        }

        var added = ""
        let ownMessageID = messageID
        if !hasDate { added += "Date: \(MessageDate.string(unixSeconds: now))\r\n" }
        if messageID == nil {
            let made = "<\(makeMessageID())@\(messageIDDomain)>"
            added += "Message-ID: \(made)\r\n"
            messageID = made
        }

        return PreparedMessage(
            content: rebuilt(content, headerEnd: scan.end, without: removed, adding: added),
            messageID: messageID ?? "", hadMessageID: ownMessageID != nil, authors: authors.domains,
            fromDomainCount: authors.fromDomainCount,
            authorAddresses: authors.addresses, shownDomains: authors.shownDomains,
            usesObsoleteSyntax: scan.usesObsoleteBlanks,
            isEightBit: scan.isEightBit || hasEightBitOctet(content, from: scan.end),
            hasEightBitHeader: scan.isEightBit)
    }

    /// Our own mark: `by <host name> (Gatepost)` in a Received field.
    private static func refuseLoops(_ scan: HeaderScan, in content: ByteBuffer, hostname: String) throws(MessageFault) {
        let mark = Array(TraceField.mark.utf8)
        let host = Array(hostname.utf8)
        for field in scan.all(.received) {
            let start = content.readerIndex + field.value.lowerBound
            guard let octets = content.getBytes(at: start, length: field.value.count) else { continue }
            // Words, as blanks and folds part them: "by", then our name, then the mark.
            let words = octets.split(maxSplits: 256, whereSeparator: { $0 <= 0x20 })
            for index in words.indices.dropLast(2)
            where words[index].elementsEqual("by".utf8) && words[index + 1].elementsEqual(host)
                && words[index + 2].elementsEqual(mark)
            {
                throw .loop(.ownMark)
            }
        }
    }

    /// The field's value without folds and outer blanks; nil if nothing is left.
    private static func printableValue(of field: HeaderScan.Field, in content: ByteBuffer) -> String? {
        let octets = content.readableBytesUInt8Span
        var range = field.value
        while let first = range.first, octets[first] <= 0x20 { range = first + 1..<range.upperBound }
        while let last = range.last, octets[last] <= 0x20 { range = range.lowerBound..<last }
        guard !range.isEmpty else { return nil }
        var text = ""
        text.reserveCapacity(min(range.count, 255))
        for index in range where octets[index] != .carriageReturn && octets[index] != .lineFeed {
            let octet = octets[index]
            text.unicodeScalars.append(UnicodeScalar((0x20...0x7E).contains(octet) ? octet : UInt8(ascii: "?")))
            if text.utf8.count == 255 { break }
        }
        return text
    }

    private static func rebuilt(
        _ content: ByteBuffer, headerEnd: Int, without removed: [Range<Int>], adding added: String
    ) -> ByteBuffer {
        guard !removed.isEmpty || !added.isEmpty else { return content }
        var result = ByteBuffer()
        result.reserveCapacity(content.readableBytes + added.utf8.count + 2)
        var position = 0
        func copy(_ range: Range<Int>, into result: inout ByteBuffer) {
            content.withUnsafeReadableBytes { _ = result.writeBytes(UnsafeRawBufferPointer(rebasing: $0[range])) }
        }
        for range in removed {
            copy(position..<range.lowerBound, into: &result)
            position = range.upperBound
        }
        copy(position..<headerEnd, into: &result)
        if !added.isEmpty {
            // A header without a body may come without its last CRLF.
            if headerEnd == content.readableBytes, result.readableBytes > 0, !endsWithLineFeed(result) {
                result.writeString("\r\n")
            }
            result.writeString(added)
        }
        copy(headerEnd..<content.readableBytes, into: &result)
        return result
    }

    private static func endsWithLineFeed(_ buffer: ByteBuffer) -> Bool {
        buffer.getInteger(at: buffer.writerIndex - 1, as: UInt8.self) == .lineFeed
    }

    /// Eight octets at a time: a 25 MiB body is looked at in a few milliseconds.
    private static func hasEightBitOctet(_ content: ByteBuffer, from start: Int) -> Bool {
        content.withUnsafeReadableBytes { octets in
            var position = start
            while position + 8 <= octets.count {
                if octets.loadUnaligned(fromByteOffset: position, as: UInt64.self) & 0x8080_8080_8080_8080 != 0 {
                    return true
                }
                position += 8
            }
            return octets[position...].contains { $0 >= 0x80 }
        }
    }
}
