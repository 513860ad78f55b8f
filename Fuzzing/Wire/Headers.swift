import FuzzSupport
import NIOCore

@testable import MailMessage
@testable import SMTP

extension FuzzTarget {
    /// One field of addresses.
    static let author = FuzzTarget(name: "author", longest: 112) { octets throws(Violation) in
        var choices = Choices(octets)
        let setting = choices.octet()
        let isInternationalized = setting & 1 != 0
        func read(_ octets: [UInt8]) -> AddressList? {
            try? AddressList(parsing: octets, maxMailboxes: 4, isInternationalized: isInternationalized)
        }
        guard let list = read(Array(choices.rest)) else { return }
        try demand(list.mailboxCount >= 1 && !list.domains.isEmpty, "a list without an address")
        guard list.mailboxCount <= 4 else { return }
        try demand(list.addresses.count == list.mailboxCount, "addresses and mailboxes differ in number")
        try demand(list.domains.count >= list.mailboxCount, "a mailbox without a domain")
        for address in list.addresses {
            try demand(address.utf8.allSatisfy { !$0.isControl }, "an address holds controls")
            try demand(isInternationalized || address.utf8.allSatisfy { !$0.isEightBit }, "an address is not ASCII")
            guard let mailbox = try? Mailbox(parsing: address) else { continue }
            try demand("\(mailbox)" == address, "an address is not in its one form")
            try demand(list.domains.contains(mailbox.domain), "an address's domain is not in the list")
        }
        guard list.addresses.allSatisfy({ (try? Mailbox(parsing: $0)) != nil }) else { return }
        let again = read(Array(list.addresses.joined(separator: ", ").utf8))
        try demand(again?.addresses == list.addresses, "the addresses are not read as they are written")
    }

    /// A message's header, and what a submission server makes of it.
    static let header = FuzzTarget(name: "header", longest: 288) { octets throws(Violation) in
        var choices = Choices(octets)
        let setting = choices.octet()
        let content = ByteBuffer(bytes: choices.rest)
        let octets = Array(choices.rest)
        if let scan = try? HeaderScan(content) { try check(scan, octets) }
        let options = Fixups.Options(isInternationalized: setting & 1 != 0, keepsBlindCopies: setting & 2 != 0)
        func prepare(_ content: ByteBuffer) -> PreparedMessage? {
            try? Fixups.prepare(
                content: content, now: 1_790_000_000, messageIDDomain: "mx.example", options: options,
                makeMessageID: { "made" })
        }
        guard let prepared = prepare(content) else { return }
        try demand(!prepared.authors.isEmpty && !prepared.authorAddresses.isEmpty, "a message without an author")
        try demand(
            (1...255).contains(prepared.messageID.utf8.count)
                && prepared.messageID.utf8.allSatisfy { $0.isVisible || $0 == .space }, "a Message-ID is not printable")
        try demand(prepared.isEightBit == octets.contains(where: \.isEightBit), "8-bit is missed")
        guard let scan = try? HeaderScan(prepared.content) else {
            throw Violation("what was made cannot be read")
        }
        try check(scan, Array(prepared.content.readableBytesView))
        try demand(
            scan.first(.from) != nil && scan.first(.date) != nil && scan.first(.messageID) != nil, "a field is missing")
        for name in [FieldName.returnPath, .ownTrace] + (options.keepsBlindCopies ? [] : [.bcc, .resentBcc]) {
            try demand(scan.first(name) == nil, "\(name) is left in it")
        }
        if let before = try? HeaderScan(content) {
            try demand(
                octets[before.end...].elementsEqual(prepared.content.readableBytesView.dropFirst(scan.end)),
                "the body is touched")
        }
        guard let again = prepare(prepared.content) else { throw Violation("made ready twice it is refused") }
        try demand(again.content == prepared.content && again.hadMessageID, "made ready twice it changes")
        try demand(
            again.messageID == prepared.messageID && again.authors == prepared.authors, "made ready twice it differs")
        guard !octets.hasBareLineEnd else { return }
        try demand(!prepared.content.readableBytesView.hasBareLineEnd, "a bare CR or LF is made")
    }

    private static func check(_ scan: HeaderScan, _ octets: [UInt8]) throws(Violation) {
        var end = 0
        for field in scan.fields {
            try demand(field.octets.lowerBound == end && !field.octets.isEmpty, "a gap between fields")
            try demand(
                field.value.lowerBound > field.octets.lowerBound && field.value.upperBound <= field.octets.upperBound,
                "a value outside its field")
            end = field.octets.upperBound
        }
        try demand(end == scan.end && end <= octets.count, "the header ends elsewhere than its fields")
        // A field begins where a line does that is not folded.
        var position = 0
        var count = 0
        while position < scan.end {
            if octets[position] != 0x20, octets[position] != 0x09 { count += 1 }
            position = octets.firstCRLF(from: position).map { $0 + 2 } ?? octets.count
        }
        try demand(position >= scan.end && count == scan.fields.count, "fields and lines differ in number")
        try demand(!octets[..<scan.end].contains(0), "a NUL in a header")
    }

    /// A message on its way to a next hop that takes less.
    static let conversion = FuzzTarget(name: "conversion", longest: 288) { octets throws(Violation) in
        var choices = Choices(octets)
        let setting = choices.octet()
        let target: BodyConversion.Target = setting & 1 == 0 ? .sevenBit : .eightBit
        let octets = Array(choices.rest)
        let content = ByteBuffer(bytes: octets)
        try checkEncodings(octets)
        _ = ContentType(String(decoding: octets, as: UTF8.self))
        let header = HeaderOctets.length(of: content)
        try demand(header <= octets.count, "a header longer than its message")

        guard let converted = try? BodyConversion.convert(content, to: target) else { return }
        try demandFit(converted, target)
        try demand((try? BodyConversion.convert(converted, to: target)) == converted, "converted twice it changes")
    }

    /// What may not pass is gone: DATA could not carry it.
    static func demandFit(_ content: ByteBuffer, _ target: BodyConversion.Target) throws(Violation) {
        let view = content.readableBytesView
        try demand(target == .eightBit || !view.contains(where: \.isEightBit), "an octet above 127 is left")
        try demand(!view.contains(0), "a NUL is left")
        try demand(!view.hasBareLineEnd, "a bare CR or LF is left")
        var length = 0
        for octet in view {
            length = octet == 0x0A ? 0 : length + 1
            try demand(length <= HeaderScan.Limits.line + 1, "a line is too long")
        }
    }

    private static func checkEncodings(_ octets: [UInt8]) throws(Violation) {
        var text = ByteBuffer()
        var base64 = ByteBuffer()
        octets.withUnsafeBytes { bytes in
            TransferEncoding.quotedPrintable(bytes[...], into: &text)
            TransferEncoding.base64(bytes[...], into: &base64)
        }
        try demand(
            decodeQuotedPrintable(Array(text.readableBytesView)) == octets, "quoted-printable does not come back")
        let packed = base64.readableBytesView.filter { $0 != .cr && $0 != .lf }
        try demand(Base64Text.decode(packed) == octets, "Base64 does not come back")
        for line in text.readableBytesView.split(separator: 0x0A) + base64.readableBytesView.split(separator: 0x0A) {
            try demand(line.count <= 77, "an encoded line of \(line.count) octets")
        }
        try demand(text.readableBytesView.allSatisfy { $0 < 0x80 && $0 != 0 }, "quoted-printable is not printable")
        try demand(!text.readableBytesView.hasBareLineEnd, "quoted-printable has a bare CR or LF")
    }

    private static func decodeQuotedPrintable(_ text: [UInt8]) -> [UInt8] {
        var octets: [UInt8] = []
        var index = 0
        func digit(_ octet: UInt8) -> UInt8 { octet < 0x40 ? octet - 0x30 : octet - 0x37 }
        while index < text.count {
            if text[index] != UInt8(ascii: "=") {
                octets.append(text[index])
                index += 1
            } else if index + 2 < text.count, text[index + 1] == 0x0D {
                index += 3
            } else if index + 2 < text.count {
                octets.append(digit(text[index + 1]) << 4 | digit(text[index + 2]))
                index += 3
            } else {
                return []
            }
        }
        return octets
    }
}
