import MailMessage
import NIOCore
import SMTP
import Testing

@Suite struct HeaderScanTests {
    static let from = "From: a@own.example\r\n"

    private func scan(_ text: String) throws(MessageFault) -> HeaderScan { try HeaderScan(ByteBuffer(string: text)) }

    private func text(_ range: Range<Int>, of message: String) -> String {
        String(decoding: Array(message.utf8)[range], as: UTF8.self)
    }

    @Test func `fields, folds and values are where they stand`() throws {
        let message = "From: a@own.example\r\nSubject:one\r\n two\r\nX-A:\r\nTO:b\r\n\r\nFrom: body\r\n"
        let scan = try scan(message)
        #expect(scan.fields.map(\.name) == [.from, .subject, .other, .to])
        #expect(scan.fields.map { text($0.value, of: message) } == [" a@own.example", "one\r\n two", "", "b"])
        #expect(scan.fields.map { text($0.octets, of: message) }.joined() == text(0..<scan.end, of: message))
        #expect(text(scan.end..<message.utf8.count, of: message) == "\r\nFrom: body\r\n")
    }

    @Test func `offsets count from the reader index`() throws {
        var content = ByteBuffer(string: "skipped From: a@own.example\r\n\r\n")
        content.moveReaderIndex(forwardBy: 8)
        let scan = try HeaderScan(content)
        #expect(scan.fields.first?.octets == 0..<21)
    }

    @Test func `a header may end the message, with or without its last line end`() throws {
        for message in [Self.from, "From: a@own.example", Self.from + "\r\n"] {
            let scan = try scan(message)
            #expect(scan.fields.count == 1)
            #expect(scan.fields.first.map { text($0.value, of: message) } == " a@own.example")
        }
    }

    @Test(arguments: [
        ("a line without a colon", "From: a@own.example\r\ngarbage\r\n\r\n", 2),
        ("a continuation before the first field", " folded\r\nFrom: a@own.example\r\n\r\n", 1),
        ("a field without a name", ": x\r\n\r\n", 1),
        ("a blank within a name", "X A: x\r\n\r\n", 1),
        ("an octet above 127 in a name", "X\u{EB}: x\r\n\r\n", 1),
        ("a bare line feed", "From: a@own.example\n\r\n", 1),
        ("a bare carriage return", "From: a@own.example\r\r\n\r\n", 1),
        ("a NUL", "From: a@own.example\r\nX: \0\r\n\r\n", 2),
        ("a dash line as some mail lists write", "From: a@own.example\r\n---\r\n\r\n", 2),
    ]) func `what is no field is refused, naming its line`(_ what: String, _ message: String, _ line: Int) {
        #expect(fault(message) == .malformedHeader(line: line), "\(what)")
        #expect(fault(message)?.reply.code == 554)
    }

    @Test(arguments: [
        FieldName.date, .from, .sender, .replyTo, .to, .cc, .messageID, .inReplyTo, .references, .subject,
    ]) func `a once-only field is refused the second time`(_ name: FieldName) {
        let other = name == .from ? "" : Self.from
        let message = "\(other)\(name): a@own.example\r\n\(name.description.uppercased()): a@own.example\r\n\r\n"
        #expect(fault(message) == .repeatedField(name, line: name == .from ? 2 : 3))
        #expect(fault(message)?.reply.enhanced == EnhancedCode(5, 6, 0))
    }

    @Test func `other fields may repeat`() {
        #expect(fault("X-A: 1\r\nx-a: 2\r\nComments: 1\r\nComments: 2\r\n\(Self.from)\r\n") == nil)
    }

    @Test func `a header line of 998 octets passes, one of 999 does not`() {
        let longest = "X: " + String(repeating: "x", count: 995)
        #expect(fault("\(Self.from)\(longest)\r\n\r\n") == nil)
        #expect(fault("\(Self.from)\(longest)x\r\n\r\n") == .headerLineTooLong(line: 2))
        #expect(fault("\(Self.from)X: x\r\n \(longest)\r\n\r\n") == .headerLineTooLong(line: 3))
        #expect(fault("\(Self.from)\r\n\(longest)\(longest)\r\n") == nil)  // the body's lines are not ours to split
    }

    @Test func `a header of 256 KiB passes, an octet more does not`() {
        var message = Self.from
        let line = " " + String(repeating: "x", count: 900) + "\r\n"
        message += "X: y\r\n"
        while message.utf8.count + line.utf8.count < HeaderScan.Limits.octets - 100 { message += line }
        let rest = HeaderScan.Limits.octets - message.utf8.count - 3
        let fits = message + " " + String(repeating: "x", count: rest) + "\r\n"
        #expect(fits.utf8.count == HeaderScan.Limits.octets)
        #expect(fault(fits) == nil)
        let tooLarge = message + " " + String(repeating: "x", count: rest + 1) + "\r\n"
        #expect(fault(tooLarge) == .headerTooLarge)
        #expect(fault(tooLarge)?.reply.code == 552)
        #expect(fault(tooLarge)?.reply.enhanced == EnhancedCode(5, 3, 4))
    }

    @Test func `a single header line of 1 MB is refused without being read to its end`() {
        #expect(fault("X: " + String(repeating: "x", count: 1_000_000)) == .headerTooLarge)
    }

    @Test func `1,000 fields pass, 1,001 do not`() {
        let fields = String(repeating: "X: y\r\n", count: HeaderScan.Limits.fields - 1)
        #expect(fault("\(Self.from)\(fields)\r\n") == nil)
        #expect(fault("\(Self.from)X: y\r\n\(fields)\r\n") == .tooManyFields)
        #expect(fault("\(Self.from)\(String(repeating: "X: y\r\n", count: 100_000))\r\n")?.reply.code == 554)
    }

    @Test func `100 Received fields pass, the 101st is a loop`() {
        let hops = String(repeating: "Received: from a by b; x\r\n", count: HeaderScan.Limits.received)
        #expect(fault("\(hops)\(Self.from)\r\n") == nil)
        let loop = fault("Received: x\r\n\(hops)\(Self.from)\r\n")
        #expect(loop == .loop(.tooManyHops))
        #expect(loop?.reply.code == 554)
        #expect(loop?.reply.enhanced == EnhancedCode(5, 4, 6))
    }

    @Test func `every reply is a 5xx with an enhanced code and fits one line`() {
        let faults: [MessageFault] = [
            .headerTooLarge, .tooManyFields, .malformedHeader(line: 7), .headerLineTooLong(line: 7),
            .repeatedField(.messageID, line: 7), .missingFrom, .severalAuthors(.resentFrom), .severalSenders(.sender),
            .tooManyAuthors, .malformedAddress(.from, .unexpected(octet: 0x1B, at: 0)), .loop(.ownMark),
            .loop(.tooManyHops),
        ]
        for fault in faults {
            #expect((500...599).contains(fault.reply.code))
            #expect(fault.reply.enhanced != nil)
            #expect(fault.reply.lines.count == 1)
            #expect(
                fault.reply.lines.allSatisfy { $0.utf8.count < 200 && $0.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F } })
        }
    }
}
