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
        // The report's own id is not known yet, and the message's is not its.
        #expect(text.hasPrefix("Received: by gate.example (Gatepost)\r\n\t; "), "\(text)")
        let headerEnd = try #require(text.firstRange(of: "\r\n\r\n")).lowerBound
        let header = text[..<headerEnd]
        #expect(!header.contains("\(whole.id)") && text.contains("X-Gatepost-Queue-Id: \(whole.id)\r\n"))

        func returned(_ parameters: MailParameters, _ content: String) throws -> String {
            let one = try message(parameters, content: content)
            return String(
                buffer: try #require(report.make(of: [(number: Int32(1), recipient: notice)], in: one, now: accepted))
                    .content)
        }
        let headers = try returned(.init(returnContent: .headers), "Subject: x\r\n\r\nsecret\r\n")
        #expect(headers.contains("text/rfc822-headers") && !headers.contains("secret"))
        let onlyHeader = "Only its header is attached: the message "
        #expect(!text.contains(onlyHeader) && !headers.contains(onlyHeader), "nothing is missing")
        let long = "Subject: x\r\n\r\n" + String(repeating: "secret\r\n", count: 10_000)
        for parameters in [MailParameters(), MailParameters(returnContent: .full)] {
            let large = try returned(parameters, long)
            #expect(large.contains("text/rfc822-headers") && !large.contains("secret"))
            #expect(large.contains("\r\n\(onlyHeader)is larger than 64 KiB.\r\n"), "\(large)")
        }
        #expect(try !returned(.init(returnContent: .headers), long).contains(onlyHeader), "as was asked for")
        let small = RemoteReply(
            code: 552, enhanced: EnhancedCode(5, 3, 4), text: "too much", command: "MAIL FROM", isOurs: true)
        let tooLarge = try composed(try message(content: "Subject: x\r\n\r\nsecret\r\n"), .bounced, small)
        #expect(tooLarge.contains("\(onlyHeader)is larger than the next server takes"), "\(tooLarge)")
        #expect(!tooLarge.contains("secret") && tooLarge.contains("text/rfc822-headers"))
        let binary = try returned(.init(body: .binaryMIME, returnContent: .full), "Subject: x\r\n\r\nsecret\r\n")
        #expect(binary.contains("\r\n\(onlyHeader)is binary.\r\n") && !binary.contains("secret"), "\(binary)")
        let latin = "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: "
        let unfit = try returned(.init(), latin + "text/plain; name=\"\u{fc}\"\r\n\r\nsecret\r\n--b--\r\n")
        #expect(unfit.contains("\r\n\(onlyHeader)is 8-bit, and cannot be converted"), "\(unfit)")
        #expect(
            !unfit.contains("secret") && unfit.contains("text/rfc822-headers") && unfit.utf8.allSatisfy { $0 < 128 })
        let fit = try returned(.init(), latin + "text/plain\r\n\r\n\u{fc} secret\r\n--b--\r\n")
        #expect(fit.contains("secret") && !fit.contains(onlyHeader), "\(fit)")
        let international = try returned(.init(isInternationalized: true), "Subject: \u{e9}\r\n\r\nx\r\n")
        #expect(international.contains("Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n"))
    }

    // MARK: In whose words

    /// The report of it, each paragraph in one line.
    private func composed(
        _ message: QueuedMessage, _ outcome: Settlement.Outcome, _ reply: RemoteReply, relay: String? = "127.0.0.1:25",
        givenUpAfter: Duration? = nil
    ) throws -> String {
        let notice = try #require(
            report.notice(
                of: message.recipients[0], in: message, outcome, reply, relay: relay, isFinal: reply.saysFiled,
                tellsSenders: false, givenUpAfter: givenUpAfter,
                expiresAt: accepted.advanced(by: .seconds(5 * 86_400))))
        let made = try #require(
            report.make(of: [(number: Int32(1), recipient: notice)], in: message, now: accepted))
        return String(buffer: made.content).replacing("\r\n    ", with: " ")
    }

    private static let grey = RemoteReply(
        code: 450, enhanced: EnhancedCode(4, 2, 1), text: "grey", command: "RCPT TO")

    @Test func `what no server said is told as a sentence of ours, and is no Diagnostic-Code`() throws {
        let lost = RemoteReply(
            code: 421, enhanced: EnhancedCode(4, 4, 2), text: "the connection to 127.0.0.1 was lost",
            command: "RCPT TO", isOurs: true)
        let text = try composed(try message(), .bounced, lost)
        #expect(text.contains(" the connection to 127.0.0.1 was lost\r\n"), "\(text)")
        for word in ["said:", "Remote-MTA", "Diagnostic-Code", "in reply to", "421 4.4.2"] {
            #expect(!text.contains(word), "\(word) in \(text)")
        }
    }

    @Test func `behind our own relay, the server that refused is the one that said it`() throws {
        func text(isFromOurRelay: Bool) throws -> String {
            let reply = RemoteReply(
                code: 550, enhanced: EnhancedCode(5, 1, 1), text: "mx.example said: 550 no such",
                command: "end of data", isFromOurRelay: isFromOurRelay)
            return try composed(try message(), .bounced, reply)
        }
        let relayed = try text(isFromOurRelay: true)
        #expect(relayed.contains(" mx.example said: 550 no such\r\n"), "\(relayed)")
        #expect(!relayed.contains("127.0.0.1 said:") && relayed.contains("Remote-MTA: dns; mx.example\r\n"))
        #expect(relayed.contains("Diagnostic-Code: smtp; 550 no such\r\n"))
        #expect(try text(isFromOurRelay: false).contains("Remote-MTA: dns; [127.0.0.1]\r\n"))
        #expect(
            try text(isFromOurRelay: false).contains(
                " 127.0.0.1 said: 550 5.1.1 mx.example said: 550 no such (in reply to end of data)\r\n"))
    }

    @Test func `what was passed on is not said to be delivered`() throws {
        let asked = try message(notify: .success)
        let taken = RemoteReply(
            code: 250, enhanced: EnhancedCode(2, 0, 0), text: "mx.example said: 250 queued", command: "end of data",
            isFromOurRelay: true)
        let relayed = try composed(asked, .delivered, taken)
        for words in [
            "Subject: Your message was passed on\r\n", "a server that may tell nothing more", "Action: relayed",
        ] {
            #expect(relayed.contains(words), "\(words) in \(relayed)")
        }
        #expect(!relayed.contains("delivered to:"))
        let filed = try composed(
            asked, .delivered,
            RemoteReply(
                code: 250, enhanced: nil, text: "Ok: filed as 1.eml", command: "end of data", isFromOurRelay: true)
        )
        for words in ["Subject: Your message was delivered\r\n", "Action: delivered"] {
            #expect(filed.contains(words), "\(words) in \(filed)")
        }
        let claimed = RemoteReply(code: 250, enhanced: nil, text: "Ok: filed as 1.eml", command: "end of data")
        #expect(!claimed.saysFiled, "another's word is not our relay's")
    }

    @Test func `who is given up because time ran out hears that, and the last answer`() throws {
        let rules = AttemptRules(schedule: .standard)
        func verdict(afterDays days: Int) throws -> AttemptRules.Verdict {
            let result = DeliveryResult.answered(
                [.deferred(Self.grey)], relay: "127.0.0.1:25", tlsVersion: nil)
            return try #require(
                rules.verdicts(
                    on: try message(), result, now: accepted.advanced(by: .seconds(days * 86_400)), jitter: 0.5
                ).first)
        }
        #expect(try verdict(afterDays: 4).givenUpAfter == nil)
        let last = try verdict(afterDays: 5)
        #expect(last.outcome == .bounced && last.reply == Self.grey, "what is stored is what was answered")
        let text = try composed(try message(), last.outcome, last.replyForSender, givenUpAfter: last.givenUpAfter)
        #expect(
            text.contains(
                " given up after trying for 5 days; the last answer: 127.0.0.1 said: 450 4.2.1 grey "
                    + "(in reply to RCPT TO)\r\n"), "\(text)")
        #expect(text.contains("Diagnostic-Code: smtp; 450 4.2.1 grey\r\n") && text.contains("Status: 5.4.7\r\n"))
    }

    @Test(arguments: [
        (0, "1 day"), (86_400, "2 days"), (-82_800, "1 hour"), (-84_600, "30 minutes"), (-86_399, "1 second"),
    ])
    func `the time is told in units that people use`(_ more: Int, _ words: String) throws {
        let text = try composed(try message(), .bounced, Self.grey, givenUpAfter: .seconds(86_400 + more))
        #expect(text.contains(" given up after trying for \(words); the last answer: "), "\(text)")
    }

    @Test func `pools and commands are for the operator; the sender hears that no server was there`() throws {
        let rules = AttemptRules(schedule: .standard)
        let result = DeliveryResult.noRelay(
            reason: PoolState(id: 1, name: "empty").reasonForNobody, wait: .seconds(1), isOutage: true)
        func told(_ message: QueuedMessage, afterDays days: Int) throws -> String {
            let verdict = try #require(
                rules.verdicts(
                    on: message, result, now: accepted.advanced(by: .seconds(days * 86_400)), jitter: 0.5
                ).first)
            #expect(verdict.reply.text.contains("gatepost relay add empty"), "the operator's is as it was")
            return try composed(
                message, verdict.outcome, verdict.replyForSender, relay: nil, givenUpAfter: verdict.givenUpAfter)
        }
        let expired = try told(try message(), afterDays: 5)
        #expect(
            expired.contains(
                " given up after trying for 5 days; the last attempt: no server was available to pass it on\r\n"),
            "\(expired)")
        let delayed = try told(try message(notify: .delay), afterDays: 1)
        #expect(delayed.contains(" no server was available to pass it on"), "\(delayed)")
        for text in [expired, delayed] {
            for word in ["gatepost relay", "pool empty", "Diagnostic-Code", "in reply to"] {
                #expect(!text.contains(word), "\(word) in \(text)")
            }
        }
    }

    @Test func `what was not begun is nobody's attempt, however old the message is`() throws {
        let rules = AttemptRules(schedule: .standard)
        let late = accepted.advanced(by: .seconds(30 * 86_400))
        for result in [
            DeliveryResult.notTried(reason: ForwarderCore.heldReason, wait: .seconds(1)),
            .noRelay(reason: "no relay", wait: .seconds(1), isOutage: true),
        ] {
            let verdict = try #require(rules.verdicts(on: try message(), result, now: late, jitter: 0.5).first)
            switch (result, verdict.outcome) {
            case (.notTried, .released(until: late.advanced(by: .seconds(1)))): #expect(verdict.givenUpAfter == nil)
            case (.noRelay, .bounced): break
            default: Issue.record("\(result): \(verdict.outcome)")
            }
        }
    }

    @Test func `what stands behind our relay is the operator's, as what stands behind a pool is`() throws {
        let rules = AttemptRules(schedule: .standard)
        let reply = RemoteReply(
            code: 451, enhanced: RemoteReply.notReachedCode, text: "delivery to smarthost.example: AUTH: 535 bad creds",
            command: "end of data", isFromOurRelay: true)
        let verdict = try #require(
            rules.verdicts(
                on: try message(), .answered([.deferred(reply)], relay: "relay.example:2525", tlsVersion: nil),
                now: accepted.advanced(by: .seconds(5 * 86_400)), jitter: 0.5
            ).first)
        #expect(verdict.reply == reply, "the operator's is as it was")
        let text = try composed(
            try message(), verdict.outcome, verdict.replyForSender, relay: "relay.example:2525",
            givenUpAfter: verdict.givenUpAfter)
        #expect(text.contains("no server was available to pass it on") && !text.contains("bad creds"), "\(text)")
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
