package import NIOCore

/// Makes a message fit for a next hop that lacks 8BITMIME or BINARYMIME (RFC 6152 §3, RFC 3030 §4): the MIME structure
/// is walked, and what holds octets that may not pass gets a transfer encoding; every other octet stays.
///
/// Text becomes quoted-printable, anything else Base64; multipart and message/rfc822 are converted inside, for they
/// may have no encoding of their own (RFC 2045 §6.4). Text without MIME becomes text/plain with charset unknown-8bit
/// (RFC 1428 §3). A DKIM signature does not outlive it, which RFC 6376 §5.3 leaves to the signer; a multipart/signed
/// that would have to be touched is a fault, for its signature is part of what the reader is to see (RFC 1847 §2.1).
package enum BodyConversion {
    package enum Target: Hashable, Sendable {
        /// Nothing but 7-bit lines.
        case sevenBit
        /// Octets above 127 may stay; NUL, bare CR and LF, and lines over 998 octets may not.
        case eightBit
    }

    /// Why a message stays what it is.
    package enum Fault: Error, Hashable, Sendable, CustomStringConvertible {
        case eightBitHeader, nestedTooDeep, signed, brokenStructure, unknownEncoding
        /// `message/…` that may have no encoding (RFC 2046 §5.2).
        case message(String)

        package var description: String {
            switch self {
            case .eightBitHeader: "its header holds more than ASCII"
            case .nestedTooDeep: "its parts are nested more than \(BodyConversion.maxDepth) deep"
            case .signed: "it is signed (multipart/signed), and the signature would break"
            case .brokenStructure: "its MIME structure is broken"
            case .unknownEncoding: "a part has an encoding of its own that does not fit its content"
            case .message(let subtype): "a part of type message/\(subtype) may not be encoded"
            }
        }
    }

    package static let maxDepth = 20

    /// The same message for `target`. Linear in its length for each level of nesting.
    ///
    /// - Parameter depth: of what it is a part in.
    package static func convert(
        _ content: ByteBuffer, to target: Target, depth: Int = 0
    ) throws(Fault) -> ByteBuffer {
        var output = ByteBuffer()
        output.reserveCapacity(content.readableBytes + content.readableBytes / 8)
        // withUnsafeReadableBytes rethrows untyped.
        let result = content.withUnsafeReadableBytes { octets in
            Result<Void, Fault> { () throws(Fault) in
                try Converter(octets: octets, target: target).message(0..<octets.count, depth: depth, into: &output)
            }
        }
        try result.get()
        // Delimiters, and headers of parts, stay as they are: a bare CR or LF among them is beyond repair, and what DATA
        // then carries could end before its end for somebody (SMTP smuggling).
        let isFit = output.withUnsafeReadableBytes { octets in
            !Converter(octets: octets, target: target).isUnfit(0..<octets.count)
        }
        guard isFit else { throw .brokenStructure }
        return output
    }
}

private struct Converter {
    let octets: UnsafeRawBufferPointer
    let target: BodyConversion.Target

    private enum Encoding { case identity, quotedPrintable, base64, other }

    /// A message: what makes it MIME is written where it is missing.
    func message(_ range: Range<Int>, depth: Int, into output: inout ByteBuffer) throws(BodyConversion.Fault) {
        try entity(range, isMessage: true, depth: depth, into: &output)
    }

    private func entity(
        _ range: Range<Int>, isMessage: Bool, depth: Int, into output: inout ByteBuffer
    ) throws(BodyConversion.Fault) {
        guard isUnfit(range) else { return copy(range, into: &output) }
        guard depth <= BodyConversion.maxDepth else { throw .nestedTooDeep }
        let header = MIMEHeader(octets, range)
        if target == .sevenBit, MIMEHeader.hasEightBit(octets, range.lowerBound..<header.body) { throw .eightBitHeader }
        guard header.body < range.upperBound else { throw .brokenStructure }
        let (type, hasType) = try contentType(header)
        let encoding = try self.encoding(header)
        let body = header.body..<range.upperBound

        switch (type.type, type.subtype) {
        case ("multipart", "signed"):
            throw .signed
        case ("multipart", _):
            guard encoding == .identity, let boundary = type.boundary else { throw .brokenStructure }
            writeHeader(header, range, encoding: target == .sevenBit ? nil : "8bit", isMessage, hasType, into: &output)
            try multipart(body, boundary, depth: depth, into: &output)
        case ("message", "rfc822"):
            guard encoding == .identity else { throw .brokenStructure }
            writeHeader(header, range, encoding: target == .sevenBit ? nil : "8bit", isMessage, hasType, into: &output)
            try message(body, depth: depth + 1, into: &output)
        case ("message", "global"), ("message", "global-headers"), ("message", "global-delivery-status"),
            ("message", "global-disposition-notification"):
            // RFC 6532 §3.7, RFC 6533 §4: these may be encoded, unlike every other message.
            try leaf(header, range, body, encoding, isText: true, isMessage, hasType, into: &output)
        case ("message", let subtype):
            throw .message(subtype.utf8.count <= 40 ? subtype : "…")
        case (let kind, _):
            try leaf(header, range, body, encoding, isText: kind == "text", isMessage, hasType, into: &output)
        }
    }

    private func leaf(
        _ header: MIMEHeader, _ range: Range<Int>, _ body: Range<Int>, _ encoding: Encoding, isText: Bool,
        _ isMessage: Bool, _ hasType: Bool, into output: inout ByteBuffer
    ) throws(BodyConversion.Fault) {
        switch encoding {
        // What claims to be encoded and is not is not ours to guess at.
        case .quotedPrintable, .base64, .other: throw .unknownEncoding
        case .identity: break
        }
        writeHeader(
            header, range, encoding: isText ? "quoted-printable" : "base64", isMessage, hasType, into: &output)
        if isText {
            TransferEncoding.quotedPrintable(octets[body], into: &output)
        } else {
            TransferEncoding.base64(octets[body], into: &output)
            if isMessage { output.writeStaticString("\r\n") }
        }
    }

    // MARK: Multipart

    /// `--boundary`, then blanks, then a line's end; `--boundary--` the last one (RFC 2046 §5.1.1). The line end before
    /// a delimiter is the delimiter's.
    private func multipart(
        _ range: Range<Int>, _ boundary: String, depth: Int, into output: inout ByteBuffer
    ) throws(BodyConversion.Fault) {
        let mark = Array("--\(boundary)".utf8)
        var position = range.lowerBound
        var partStart: Int?
        var hasParts = false
        var isClosed = false
        while position < range.upperBound, !isClosed {
            let next = MIMEHeader.nextLine(octets, position, range.upperBound)
            if let closes = MIMEHeader.delimiter(octets, position..<next, mark) {
                let lineEnd = startOfLineEnd(before: position, from: partStart ?? range.lowerBound)
                if let partStart {
                    try part(partStart..<max(partStart, lineEnd), depth: depth, into: &output)
                    copy(max(partStart, lineEnd)..<next, into: &output)
                } else {
                    // Nobody reads a preamble (§5.1.1); it must be fit to travel all the same.
                    copyMasked(range.lowerBound..<position, into: &output)
                    copy(position..<next, into: &output)
                }
                hasParts = true
                partStart = next
                isClosed = closes
            }
            position = next
        }
        guard hasParts else { throw .brokenStructure }
        if isClosed {
            copyMasked(position..<range.upperBound, into: &output)
        } else if let partStart {
            try part(partStart..<range.upperBound, depth: depth, into: &output)
        }
    }

    private func part(_ range: Range<Int>, depth: Int, into output: inout ByteBuffer) throws(BodyConversion.Fault) {
        try entity(range, isMessage: false, depth: depth + 1, into: &output)
    }

    private func startOfLineEnd(before position: Int, from start: Int) -> Int {
        guard position > start, octets[position - 1] == .lineFeed else { return position }
        return position - 1 > start && octets[position - 2] == .carriageReturn ? position - 2 : position - 1
    }

    // MARK: Headers

    private func contentType(_ header: MIMEHeader) throws(BodyConversion.Fault) -> (ContentType, isGiven: Bool) {
        let fields = header.all("content-type")
        guard let field = fields.first else { return (ContentType(), false) }
        guard fields.count == 1, let type = ContentType(MIMEHeader.text(octets, field.value)) else {
            throw .brokenStructure
        }
        return (type, true)
    }

    private func encoding(_ header: MIMEHeader) throws(BodyConversion.Fault) -> Encoding {
        let fields = header.all("content-transfer-encoding")
        guard let field = fields.first else { return .identity }
        guard fields.count == 1 else { throw .brokenStructure }
        let value = MIMEHeader.text(octets, field.value).lowercased()
        switch value.split(whereSeparator: { " \t\r\n;(".contains($0) || $0 == "\r\n" }).first {
        case "7bit", "8bit", "binary", nil: return .identity
        case "quoted-printable": return .quotedPrintable
        case "base64": return .base64
        default: return .other
        }
    }

    /// The fields as they are, but for the encoding; nil: 7bit, which goes without saying.
    private func writeHeader(
        _ header: MIMEHeader, _ range: Range<Int>, encoding: String?, _ isMessage: Bool, _ hasType: Bool,
        into output: inout ByteBuffer
    ) {
        var position = range.lowerBound
        for field in header.all("content-transfer-encoding") {
            copy(position..<field.octets.lowerBound, into: &output)
            position = field.octets.upperBound
        }
        copy(position..<header.fieldsEnd, into: &output)
        if isMessage, header.all("mime-version").isEmpty { output.writeStaticString("MIME-Version: 1.0\r\n") }
        if !hasType, target == .sevenBit {
            output.writeStaticString("Content-Type: text/plain; charset=unknown-8bit\r\n")
        }
        if let encoding { output.writeString("Content-Transfer-Encoding: \(encoding)\r\n") }
        copy(header.fieldsEnd..<header.body, into: &output)
    }

    // MARK: Octets

    /// Whether there is anything in it that may not pass.
    func isUnfit(_ range: Range<Int>) -> Bool {
        switch target {
        case .sevenBit: MIMEHeader.hasEightBit(octets, range) || isBinary(range)
        case .eightBit: isBinary(range)
        }
    }

    /// NUL, a CR or LF without the other, or a line over 998 octets (RFC 2045 §2.9).
    private func isBinary(_ range: Range<Int>) -> Bool {
        if MIMEHeader.find(0, octets, range) != nil { return true }
        var position = range.lowerBound
        while position < range.upperBound {
            let feed = MIMEHeader.find(.lineFeed, octets, position..<range.upperBound)
            let end = feed ?? range.upperBound
            let lineEnd = feed == nil ? end : end - 1
            if feed != nil, lineEnd < position || octets[lineEnd] != .carriageReturn { return true }
            if lineEnd - position > HeaderScan.Limits.line { return true }
            if MIMEHeader.find(.carriageReturn, octets, position..<max(position, lineEnd)) != nil { return true }
            position = end + 1
        }
        return false
    }

    private func copy(_ range: Range<Int>, into output: inout ByteBuffer) {
        output.writeBytes(UnsafeRawBufferPointer(rebasing: octets[range]))
    }

    private func copyMasked(_ range: Range<Int>, into output: inout ByteBuffer) {
        guard isUnfit(range) else { return copy(range, into: &output) }
        let mask = UInt8(ascii: "?")
        var masked: [UInt8] = []
        masked.reserveCapacity(range.count)
        for index in range {
            let octet = octets[index]
            switch octet {
            case 0: masked.append(mask)
            case .carriageReturn:
                let isPaired = index + 1 < range.upperBound && octets[index + 1] == .lineFeed
                masked.append(isPaired ? octet : mask)
            case .lineFeed:
                masked.append(masked.last == .carriageReturn ? octet : mask)
            default: masked.append(target == .sevenBit && octet >= 0x80 ? mask : octet)
            }
        }
        output.writeBytes(masked)
    }
}
