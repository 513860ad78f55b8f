import Ledger
import MailMessage
import NIOCore
import Postgres
import SMTP
import Testing

@testable import Forwarding

/// Who is told of what.
@Suite struct SenderReportTests {
    private let accepted = Instant(microseconds: 1_790_000_000_000_000)

    private func message(
        sender: String = "a@own.example", kind: QueuedMessage.Kind = .mail, notify: NotifyConditions? = nil,
        _ parameters: MailParameters = .init(), content: String = "Subject: x\r\n\r\nbody\r\n"
    ) throws -> QueuedMessage {
        let recipient = EnvelopeRecipient(
            try Mailbox(parsing: "b@d.example"), notify: notify, originalRecipient: "rfc822;b+2Bc@d.example")
        return QueuedMessage(
            id: MessageID(high: 1, low: 0), owner: MessageID(high: 1, low: 9), tenantID: 1, tenantSlug: "acme",
            credentialName: "acme.x", poolID: 1, sender: try ReversePath(parsing: sender),
            recipients: [.init(number: 1, envelope: recipient, attempts: 0, lease: 0)], parameters: parameters,
            content: ByteBuffer(string: content), isEightBit: false, acceptedAt: accepted, kind: kind)
    }

    private let report = SenderReport(hostname: "gate.example", delayWarning: .seconds(4 * 3600))

    private func action(
        _ message: QueuedMessage, _ outcome: Settlement.Outcome, code: Int = 550, tellsSenders: Bool = false,
        isFinal: Bool = false
    ) -> DeliveryNotice.Action? {
        report.notice(
            of: message.recipients[0], in: message, outcome,
            RemoteReply(code: code, enhanced: nil, text: "said", command: "RCPT TO"), relay: "mx.example:25",
            isFinal: isFinal, tellsSenders: tellsSenders,
            expiresAt: accepted.advanced(by: .seconds(5 * 86_400)))?.action
    }

    @Test func `failures are told unless the sender wants none`() throws {
        #expect(action(try message(), .bounced) == .failed)
        #expect(action(try message(notify: .failure), .bounced) == .failed)
        #expect(action(try message(notify: .never), .bounced) == nil)
        #expect(action(try message(notify: .success), .bounced) == nil)
    }

    @Test func `nobody is told by the null sender's mail, nor of a report`() throws {
        #expect(action(try message(sender: ""), .bounced) == nil)
        #expect(action(try message(kind: .report), .bounced) == nil)
        #expect(action(try message(kind: .report, notify: [.success, .failure, .delay]), .delivered) == nil)
    }

    @Test func `success is told where it was asked for, unless the next hop tells it`() throws {
        let asked = try message(notify: [.success, .failure])
        #expect(action(asked, .delivered, code: 250) == .relayed)
        #expect(action(asked, .delivered, code: 250, isFinal: true) == .delivered)
        #expect(action(asked, .delivered, code: 250, tellsSenders: true) == nil)
        #expect(action(try message(), .delivered, code: 250) == nil)
    }

    @Test
    func
        `a delay is told once, before the attempt that would come after the warning's time, or at the first word behind it`()
        throws
    {
        var asked = try message(notify: .delay)
        func deferred(_ hours: Int) -> DeliveryNotice.Action? {
            action(asked, .deferred(until: accepted.advanced(by: .seconds(hours * 3600))), code: 450)
        }
        #expect(deferred(4) == nil)
        #expect(deferred(5) == .delayed)
        // Of an attempt that took from before the warning's time until long behind it.
        #expect(deferred(90) == .delayed)
        #expect(action(asked, .released(until: accepted.advanced(by: .seconds(5 * 3600)))) == .delayed)
        #expect(action(asked, .deferred(until: nil)) == nil)
        asked.recipients[0].isDelayTold = true
        #expect(deferred(90) == nil)
        #expect(action(try message(), .deferred(until: accepted.advanced(by: .seconds(90_000))), code: 450) == nil)
    }

    @Test func `a report holds what RFC 3464 asks for, and of the message what RET allows`() throws {
        let whole = try message(.init(returnContent: .full, envelopeID: "QQ314"), content: "Subject: x\r\n\r\nbody\r\n")
        let notice = try #require(
            report.notice(
                of: whole.recipients[0], in: whole, .bounced,
                RemoteReply(
                    code: 550, enhanced: EnhancedCode(5, 1, 1), text: String(repeating: "no \u{1b} ", count: 60),
                    command: "RCPT TO"), relay: "mx.example:25", isFinal: false, tellsSenders: false,
                expiresAt: accepted))
        let made = try #require(report.make(of: [(number: Int32(1), recipient: notice)], in: whole, now: accepted))
        let text = String(buffer: made.content)
        for line in [
            "From: Mail Delivery System <MAILER-DAEMON@gate.example>", "To: <a@own.example>",
            "Auto-Submitted: auto-replied",
            "Reporting-MTA: dns; gate.example", "Original-Envelope-Id: QQ314", "Final-Recipient: rfc822; b@d.example",
            "Original-Recipient: rfc822; b+c@d.example", "Action: failed", "Status: 5.1.1",
            "Remote-MTA: dns; mx.example", "Content-Type: message/rfc822", "body",
        ] {
            #expect(text.contains("\r\n\(line)\r\n"), "\(line)")
        }
        #expect(text.utf8.allSatisfy { $0 == 13 || $0 == 10 || $0 == 9 || (0x20...0x7E).contains($0) })
        #expect(!text.split(separator: "\r\n").contains { $0.utf8.count > 120 })
        #expect(!made.isInternationalized)

        func returned(_ parameters: MailParameters, _ content: String) throws -> String {
            let one = try message(parameters, content: content)
            return String(
                buffer: try #require(report.make(of: [(number: Int32(1), recipient: notice)], in: one, now: accepted))
                    .content)
        }
        let headers = try returned(.init(returnContent: .headers), "Subject: x\r\n\r\nsecret\r\n")
        #expect(headers.contains("text/rfc822-headers") && !headers.contains("secret"))
        let large = try returned(.init(), "Subject: x\r\n\r\n" + String(repeating: "secret\r\n", count: 10_000))
        #expect(large.contains("text/rfc822-headers") && !large.contains("secret"))
        let international = try returned(.init(isInternationalized: true), "Subject: \u{e9}\r\n\r\nx\r\n")
        #expect(international.contains("Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n"))
    }

    @Test func `one pool's backlog leaves room for the others`() throws {
        func message(_ number: UInt64, pool: Int64) throws -> QueuedMessage {
            var one = try self.message()
            one.id = MessageID(high: number, low: 1)
            one.poolID = pool
            return one
        }
        var held = HeldMessages(maxMessages: 10, maxOctets: 1 << 20)
        var taken: [UInt64] = []
        for number in 1...20 as ClosedRange<UInt64> where held.add(try message(number, pool: 1)) {
            taken.append(number)
        }
        #expect(taken.count == 6)
        #expect(!held.hasRoom(for: 1) && held.hasRoom(for: 2))
        for number in 21...30 as ClosedRange<UInt64> { _ = held.add(try message(number, pool: 2)) }
        #expect(held.hasRoom(for: 3))
        for number in taken { held.finish(try message(number, pool: 1)) }
        #expect(held.hasRoom(for: 1))
    }
}
