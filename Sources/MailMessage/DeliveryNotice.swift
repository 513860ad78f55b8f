package import NIOCore
package import SMTP

/// A delivery status notification: what became of a message's recipients, for its sender (RFC 3464; what it holds is
/// RFC 3461's). For people first, then for programs, then what was sent. Always from the null sender.
///
/// Nothing in it is trusted: a remote's text was made printable ASCII when it was read, and long lines are folded.
package struct DeliveryNotice: Sendable {
    package enum Action: String, Sendable, Comparable {
        case failed, delayed, relayed, delivered

        private var rank: Int {
            switch self {
            case .failed: 0
            case .delayed: 1
            case .relayed: 2
            case .delivered: 3
            }
        }
        package static func < (one: Action, other: Action) -> Bool { one.rank < other.rank }
    }

    package struct Recipient: Sendable {
        package var envelope: EnvelopeRecipient
        package var action: Action
        package var status: EnhancedCode
        /// Who said it; nil: we did.
        package var remote: String?
        package var reply: RemoteReply
        /// Seconds since 1970: until when a delayed one is tried.
        package var retriedUntil: Int64?
        /// How long one was tried that failed for no more than that: the reply is then the last one's.
        package var givenUpAfter: Duration?

        package init(
            _ envelope: EnvelopeRecipient, _ action: Action, status: EnhancedCode, remote: String?, reply: RemoteReply,
            retriedUntil: Int64? = nil, givenUpAfter: Duration? = nil
        ) {
            self.envelope = envelope
            self.action = action
            self.status = status
            self.remote = remote
            self.reply = reply
            self.retriedUntil = retriedUntil
            self.givenUpAfter = givenUpAfter
        }
    }

    package enum Limits {
        /// What is brought back of the message, in octets: all of it if it is no longer, else its header, cut there.
        package static let returned = 64 * 1024
        /// How deep in the report what is brought back is: a part, and a message in it.
        static let depth = 2
    }

    /// Our name.
    package var hostname: String
    /// Whom it tells.
    package var sender: Mailbox
    package var recipients: [Recipient]
    /// Seconds since 1970.
    package var arrival: Int64
    package var queueID: String
    package var parameters: MailParameters
    package var original: ByteBuffer

    package init(
        hostname: String, sender: Mailbox, recipients: [Recipient], arrival: Int64, queueID: String,
        parameters: MailParameters, original: ByteBuffer
    ) {
        self.hostname = hostname
        self.sender = sender
        self.recipients = recipients
        self.arrival = arrival
        self.queueID = queueID
        self.parameters = parameters
        self.original = original
    }

    /// Its To field is not ASCII, so it needs SMTPUTF8 on its way.
    package var isInternationalized: Bool { !sender.isASCII }

    /// - Parameter unique: letters and digits that no message holds by chance: for the boundary and the Message-ID.
    package func compose(now: Int64, unique: String) -> ByteBuffer {
        let returned = returnedPart()
        let isEightBit = returned.isEightBit || isAddressedBeyondASCII
        let boundary = "=_report_\(unique)"
        var text = ByteBuffer()
        text.reserveCapacity(returned.octets.readableBytes + 2048 + recipients.count * 512)
        let date = MessageDate.string(unixSeconds: now)
        // Our mark, a word by itself: one that comes back to us is a loop, and goes no further. No id: the report gets its
        // own when the database stores it, and the message's is shared by all that tell of it.
        text.writeString("Received: by \(hostname) \(TraceField.mark)\r\n\t; \(date)\r\n")
        text.writeString("Date: \(date)\r\n")
        text.writeString("From: Mail Delivery System <MAILER-DAEMON@\(hostname)>\r\n")
        text.writeString("To: <\(sender)>\r\n")
        text.writeString("Subject: \(subject)\r\n")
        text.writeString("Message-ID: <\(unique)@\(hostname)>\r\n")
        text.writeStaticString("Auto-Submitted: auto-replied\r\n")
        text.writeStaticString("MIME-Version: 1.0\r\n")
        text.writeStaticString("Content-Type: multipart/report; report-type=delivery-status;\r\n")
        text.writeString("\tboundary=\"\(boundary)\"\r\n")
        if isEightBit { text.writeStaticString("Content-Transfer-Encoding: 8bit\r\n") }
        text.writeStaticString("\r\n")

        begin(
            boundary, isAddressedBeyondASCII ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii",
            isEightBit: isAddressedBeyondASCII, into: &text)
        writeForPeople(headerOnly: returned.reason, into: &text)
        begin(
            boundary, isAddressedBeyondASCII ? "message/global-delivery-status" : "message/delivery-status",
            isEightBit: isAddressedBeyondASCII, into: &text)
        writeForPrograms(now: now, into: &text)
        begin(boundary, returned.type, isEightBit: returned.isEightBit, into: &text)
        text.writeImmutableBuffer(returned.octets)
        if !endsLine(returned.octets) { text.writeStaticString("\r\n") }
        text.writeString("\r\n--\(boundary)--\r\n")
        return text
    }

    private func begin(_ boundary: String, _ type: String, isEightBit: Bool, into text: inout ByteBuffer) {
        text.writeString("\r\n--\(boundary)\r\nContent-Type: \(type)\r\n")
        if isEightBit { text.writeStaticString("Content-Transfer-Encoding: 8bit\r\n") }
        text.writeStaticString("\r\n")
    }

    private func endsLine(_ octets: ByteBuffer) -> Bool {
        octets.readableBytes == 0 || octets.getInteger(at: octets.writerIndex - 1, as: UInt8.self) == .lineFeed
    }

    // MARK: For people

    private var worst: Action { recipients.map(\.action).min() ?? .delivered }

    private var subject: String {
        switch worst {
        case .failed: "Your message could not be delivered"
        case .delayed: "Your message is delayed"
        case .relayed: "Your message was passed on"
        case .delivered: "Your message was delivered"
        }
    }

    private func writeForPeople(headerOnly reason: String?, into text: inout ByteBuffer) {
        text.writeString("This is the mail system at \(hostname).\r\n\r\n")
        let groups: [(Action, String)] = [
            (.failed, "Your message could not be delivered to:"),
            (.delayed, "Your message has not been delivered yet, and is still being tried, to:"),
            (.relayed, "Your message was passed on to a server that may tell nothing more of it, for:"),
            (.delivered, "Your message was delivered to:"),
        ]
        for (action, heading) in groups {
            let members = recipients.filter { $0.action == action }
            guard !members.isEmpty else { continue }
            text.writeString("\(heading)\r\n\r\n")
            for one in members {
                text.writeString("  <\(one.envelope.mailbox)>\r\n")
                write(folding: "    \(words(of: one))", indent: "    ", into: &text)
                if let until = one.retriedUntil {
                    text.writeString("    It is tried until \(MessageDate.string(unixSeconds: until)).\r\n")
                }
            }
            text.writeStaticString("\r\n")
        }
        text.writeString("The message's number here is \(queueID).\r\n")
        if let reason {
            text.writeString("Only its header is attached: the message \(reason).\r\n")
        }
    }

    /// What was answered and by whom, or what went wrong where nobody answered.
    private func words(of one: Recipient) -> String {
        let words: String
        if let (server, answer) = one.reply.passedOn {
            words = "\(server) said: \(answer)"
        } else if one.reply.isOurs {
            words = one.reply.text
        } else {
            words = (one.remote.map { "\($0) said: " } ?? "") + "\(one.reply)"
        }
        guard let time = one.givenUpAfter else { return words }
        return
            "given up after trying for \(time.inWords); the last \(one.reply.isOurs ? "attempt" : "answer"): \(words)"
    }

    // MARK: For programs

    private func writeForPrograms(now: Int64, into text: inout ByteBuffer) {
        text.writeString("Reporting-MTA: dns; \(hostname)\r\n")
        if let id = parameters.envelopeID { text.writeString("Original-Envelope-Id: \(id)\r\n") }
        text.writeString("Arrival-Date: \(MessageDate.string(unixSeconds: arrival))\r\n")
        text.writeString("X-Gatepost-Queue-Id: \(queueID)\r\n")
        for one in recipients {
            text.writeStaticString("\r\n")
            if let original = one.envelope.originalAddress(inASCII: !isAddressedBeyondASCII) {
                text.writeString("Original-Recipient: \(original)\r\n")
            }
            let type = one.envelope.mailbox.isASCII ? "rfc822" : "utf-8"
            text.writeString("Final-Recipient: \(type); \(one.envelope.mailbox)\r\n")
            text.writeString("Action: \(one.action.rawValue)\r\nStatus: \(one.status)\r\n")
            // What our own relay passed on, another server said.
            let passedOn = one.reply.passedOn
            if let remote = passedOn?.server ?? one.remote {
                text.writeString("Remote-MTA: dns; \(Self.nameOrLiteral(remote))\r\n")
            }
            // Only what a server answered is one (RFC 3464 §2.3.6).
            if !one.reply.isOurs {
                let enhanced = one.reply.enhanced.map { "\($0) " } ?? ""
                let said = passedOn?.words ?? "\(one.reply.code) \(enhanced)\(one.reply.text)"
                write(folding: "Diagnostic-Code: smtp; \(said)", indent: " ", into: &text)
            }
            text.writeString("Last-Attempt-Date: \(MessageDate.string(unixSeconds: now))\r\n")
            if let until = one.retriedUntil {
                text.writeString("Will-Retry-Until: \(MessageDate.string(unixSeconds: until))\r\n")
            }
        }
    }

    /// An address without a name stands in brackets (RFC 3464 §2.1.2, RFC 5321 §4.1.3).
    private static func nameOrLiteral(_ host: String) -> String {
        if host.contains(":") { return "[IPv6:\(host)]" }
        return host.utf8.allSatisfy { $0 == UInt8(ascii: ".") || (0x30...0x39).contains($0) } ? "[\(host)]" : host
    }

    /// Lines of about 76, broken at blanks, or anywhere where there is none for long.
    private func write(folding line: String, indent: String, into text: inout ByteBuffer) {
        var rest = Substring(line)
        var isFirst = true
        while !rest.isEmpty {
            let width = isFirst ? 76 : 76 - indent.utf8.count
            var piece = rest.prefix(width)
            if piece.endIndex < rest.endIndex, let blank = piece.dropFirst(24).lastIndex(of: " ") {
                piece = rest[..<blank]
            }
            text.writeString("\(isFirst ? "" : indent)\(piece)\r\n")
            rest = rest[piece.endIndex...].drop { $0 == " " }
            isFirst = false
        }
    }

    // MARK: What was sent

    private var isAddressedBeyondASCII: Bool { !sender.isASCII || recipients.contains { !$0.envelope.mailbox.isASCII } }

    /// RET is for failures; of what was delivered or is delayed, the header will do (RFC 3461 §4.3).
    private var mayReturnAll: Bool { worst == .failed && parameters.returnContent != .headers }

    /// Why not all of it is returned, where it might be.
    private func reasonForHeaderOnly(isEightBit: Bool, isBeyondASCII: Bool) -> String? {
        if parameters.body == .binaryMIME { return "is binary" }
        if original.readableBytes > Limits.returned { return "is larger than \(Limits.returned / 1024) KiB" }
        // Who takes so little would not take the report with all of it either.
        if recipients.contains(where: { $0.action == .failed && $0.status == EnhancedCode(5, 3, 4) }) {
            return "is larger than the next server takes"
        }
        // (As message/global it would be encoded whole.)
        guard isEightBit, !isBeyondASCII else { return nil }
        do throws(BodyConversion.Fault) {
            _ = try BodyConversion.convert(original, to: .sevenBit, depth: Limits.depth)
            return nil
        } catch {
            // A relay without 8BITMIME, as the one may be that this tells of, could not take the report either.
            return "is 8-bit, and cannot be converted (\(error))"
        }
    }

    /// - Returns: `reason`: why it is the header only, where it might be more.
    private func returnedPart() -> (type: String, octets: ByteBuffer, isEightBit: Bool, reason: String?) {
        let headerLength = HeaderOctets.length(of: original)
        let isBeyondASCII = HeaderOctets.hasEightBit(original)
        var reason: String?
        if mayReturnAll {
            // No message of many megabytes is looked through here, on the forwarder's loop.
            let isEightBit =
                original.readableBytes <= Limits.returned && original.readableBytesView.contains { $0 >= 0x80 }
            reason = reasonForHeaderOnly(isEightBit: isEightBit, isBeyondASCII: isBeyondASCII)
            if reason == nil {
                return (isBeyondASCII ? "message/global" : "message/rfc822", original, isEightBit, nil)
            }
        }
        var header = original.getSlice(at: original.readerIndex, length: headerLength) ?? ByteBuffer()
        if header.readableBytes > Limits.returned {
            let kept = header.readableBytesView.prefix(Limits.returned).lastIndex(of: .lineFeed).map { $0 + 1 }
            header =
                header.getSlice(
                    at: header.readerIndex, length: (kept ?? header.readerIndex) - header.readerIndex) ?? ByteBuffer()
        }
        return (isBeyondASCII ? "message/global-headers" : "text/rfc822-headers", header, isBeyondASCII, reason)
    }
}

extension Duration {
    /// `5 days`, `90 minutes`: in the largest unit that leaves nothing over.
    fileprivate var inWords: String {
        let seconds = components.seconds
        let units: [(length: Int64, name: String)] = [(86_400, "day"), (3600, "hour"), (60, "minute")]
        let unit = units.first { seconds > 0 && seconds % $0.length == 0 } ?? (1, "second")
        let number = seconds / unit.length
        return "\(number) \(unit.name)\(number == 1 ? "" : "s")"
    }
}

extension Mailbox {
    /// Its local part; a domain is kept as A-labels.
    fileprivate var isASCII: Bool { localPart.utf8.allSatisfy { $0 < 0x80 } }
}
