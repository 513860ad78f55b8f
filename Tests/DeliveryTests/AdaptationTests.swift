import MailMessage
import NIOCore
import SMTP
import Testing

@testable import Delivery

/// A message against what a next hop offers: sent as it is, converted, or refused for whom it cannot go.
@Suite struct AdaptationTests {
    private func transaction(
        _ content: String, _ recipients: [String] = ["b@d.example"], _ parameters: MailParameters = .init(),
        isEightBit: Bool = false
    ) throws -> DeliveryDialogue.Transaction {
        DeliveryDialogue.Transaction(
            sender: try ReversePath(parsing: "a@own.example"), submitter: nil,
            recipients: try recipients.map { EnvelopeRecipient(try Mailbox(parsing: $0)) }, parameters: parameters,
            content: ByteBuffer(string: content), isEightBit: isEightBit)
    }

    private func capabilities(_ change: (inout DeliveryCapabilities) -> Void) -> DeliveryCapabilities {
        var capabilities = DeliveryCapabilities()
        change(&capabilities)
        return capabilities
    }

    private func code(_ outcome: DeliveryDialogue.Outcome?) -> String? {
        guard case .bounced(let reply)? = outcome else { return nil }
        return reply.enhanced.map { "\($0)" }
    }

    @Test func `8-bit is sent as it is where it is taken, converted where not, and refused where that cannot be`()
        throws
    {
        let message = try transaction("From: a@b\r\n\r\n\u{e9}\r\n", isEightBit: true)
        let taken = Adaptation(message, to: capabilities { $0.eightBitMIME = true })
        #expect(taken.transaction.content == message.content && taken.transaction.isEightBit)
        let converted = Adaptation(message, to: DeliveryCapabilities())
        #expect(converted.refusals == [nil] && !converted.transaction.isEightBit)
        #expect(converted.transaction.parameters.body == .sevenBit)
        #expect(!converted.transaction.content.readableBytesView.contains { $0 > 127 })
        let signed = try transaction(
            "Content-Type: multipart/signed; boundary=x\r\n\r\n--x\r\n\r\n\u{e9}\r\n--x--\r\n", isEightBit: true)
        #expect(code(Adaptation(signed, to: DeliveryCapabilities()).refusals[0]) == "5.6.3")
    }

    @Test func `binary is converted for who takes no binary, to 8-bit where that will do`() throws {
        let message = try transaction(
            "MIME-Version: 1.0\r\nContent-Type: application/x\r\n\r\na\nb", ["b@d.example"], .init(body: .binaryMIME))
        let binary = Adaptation(message, to: capabilities { ($0.chunking, $0.binaryMIME) = (true, true) })
        #expect(binary.transaction.isBinary && binary.transaction.content == message.content)
        let eight = Adaptation(message, to: capabilities { $0.eightBitMIME = true })
        #expect(eight.transaction.parameters.body == .eightBitMIME && eight.refusals == [nil])
        #expect(String(buffer: eight.transaction.content).contains("base64"))
        let seven = Adaptation(message, to: DeliveryCapabilities())
        #expect(seven.transaction.parameters.body == .sevenBit)
    }

    @Test func `UTF-8 headers are refused for everyone where there is no SMTPUTF8, and only they`() throws {
        let parameters = MailParameters(isInternationalized: true)
        let header = try transaction("Subject: \u{e9}\r\n\r\nx\r\n", ["b@d.example"], parameters, isEightBit: true)
        let offered = capabilities { $0.eightBitMIME = true }
        #expect(code(Adaptation(header, to: offered).refusals[0]) == "5.6.9")
        let part = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: \u{e9}\r\n\r\nx\r\n--b--\r\n"
        let inPart = try transaction(part, ["b@d.example"], parameters, isEightBit: true)
        #expect(code(Adaptation(inPart, to: offered).refusals[0]) == "5.6.9")
        let plain = try transaction("Subject: x\r\n\r\nx\r\n", ["b@d.example"], parameters)
        let adapted = Adaptation(plain, to: offered)
        #expect(adapted.refusals == [nil] && !adapted.transaction.parameters.isInternationalized)
        let whole = Adaptation(header, to: capabilities { ($0.smtpUTF8, $0.eightBitMIME) = (true, true) })
        #expect(whole.refusals == [nil] && whole.transaction.parameters.isInternationalized)
    }

    @Test func `what is larger than the next hop takes is refused before it is sent`() throws {
        let message = try transaction("From: a@b\r\n\r\n" + String(repeating: "x", count: 1000))
        #expect(code(Adaptation(message, to: capabilities { $0.sizeLimit = 1000 }).refusals[0]) == "5.3.4")
        #expect(Adaptation(message, to: capabilities { $0.sizeLimit = 1013 }).refusals == [nil])
    }

    @Test func `recipients are split by number and by domains`() throws {
        let recipients = try ["1@a.example", "2@a.example", "3@b.example", "4@c.example", "5@c.example"].map {
            EnvelopeRecipient(try Mailbox(parsing: $0))
        }
        let all = Array(recipients.indices)
        func split(_ limit: Int, _ domains: Int) -> [[Int]] {
            DeliveryBatch.split(all, recipients: recipients, limit: limit, domainLimit: domains)
        }
        #expect(split(.max, .max) == [[0, 1, 2, 3, 4]])
        #expect(split(2, .max) == [[0, 1], [2, 3], [4]])
        #expect(split(.max, 1) == [[0, 1], [2], [3, 4]])
        #expect(split(1, 1) == [[0], [1], [2], [3], [4]])
    }

    @Test func `a batch keeps each recipient's outcome in its place`() throws {
        let message = try transaction("x\r\n", ["1@a.example", "2@a.example", "3@a.example"])
        var batch = DeliveryBatch(message, capabilities { $0.recipientLimit = 2 }, .smtp)
        let yes = DeliveryDialogue.Outcome.delivered(RemoteReply(code: 250, enhanced: nil, text: "", command: ""))
        let no = DeliveryDialogue.Outcome.bounced(RemoteReply(code: 550, enhanced: nil, text: "", command: ""))
        #expect(batch.next()?.recipients.count == 2)
        batch.take([yes, no])
        #expect(batch.outcomes == [yes, no, nil])
        #expect(batch.next()?.recipients.map(\.mailbox.localPart) == ["3"])
        batch.take([no])
        #expect(batch.next() == nil)
        #expect(batch.outcomes == [yes, no, no])
    }
}
