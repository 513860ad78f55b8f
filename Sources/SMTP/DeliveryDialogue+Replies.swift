import NIOCore

/// What each reply means where it comes.
extension DeliveryDialogue {
    /// The command the next reply answers.
    var awaited: String {
        switch state {
        case .greeting: "greeting"
        case .hello(_, let isBasic): isBasic ? "HELO" : helloVerb
        case .startTLS, .handshaking, .secured: "STARTTLS"
        case .authenticating, .confirming: "AUTH"
        case .idle, .quitting, .failed: "nothing"
        case .resetting: "RSET"
        case .transfer(_, let transfer):
            switch transfer.step {
            case .mail: "MAIL FROM"
            case .recipient: "RCPT TO"
            case .data, .content: "DATA"
            case .final, .emptyFinal: RemoteReply.endOfData
            }
        }
    }

    /// - Parameter lines: the reply's, without codes, raw.
    mutating func take(_ reply: RemoteReply, _ lines: [[UInt8]], into output: inout ByteBuffer) {
        if reply.code == 421 { return fail(reply) }  // the server closes, whatever was asked (RFC 5321 §3.8)
        switch state {
        case .greeting:
            guard reply.isPositive else { return fail(reply) }
            sayHello(isSecured: isImplicit, isBasic: false, into: &output)
        case .hello(let isSecured, let isBasic):
            let offered = isBasic ? DeliveryCapabilities() : DeliveryCapabilities(lines.dropFirst())
            takeHello(reply, offered, isSecured: isSecured, isBasic: isBasic, into: &output)
        case .startTLS(let capabilities):
            guard reply.isPositive else {
                return tls == .opportunistic ? greeted(capabilities) : fail(reply)
            }
            // CVE-2021-38371: what came in the clear behind the 220 must not be taken for the server's word.
            guard input.readableBytes == 0 else { return fail(violation("bytes behind the answer to STARTTLS")) }
            state = .handshaking
            pending.append(.startTLS)
        case .authenticating(let capabilities, let held):
            takeAuthentication(reply, lines, capabilities, held: held, into: &output)
        case .idle:
            fail(violation("reply to nothing"))
        case .transfer(let capabilities, let transfer):
            take(reply, capabilities, transfer, into: &output)
        case .resetting(let capabilities):
            guard reply.isPositive else { return fail(reply) }
            becomeIdle(capabilities)
        case .handshaking, .secured, .confirming, .quitting, .failed:
            preconditionFailure("no reply is read here")
        }
    }

    private mutating func takeHello(
        _ reply: RemoteReply, _ capabilities: DeliveryCapabilities, isSecured: Bool, isBasic: Bool,
        into output: inout ByteBuffer
    ) {
        guard reply.isPositive else {
            if wire == .smtp, tls != .require, !isBasic, reply.code >= 500 {
                return sayHello(isSecured: isSecured, isBasic: true, into: &output)
            }
            return fail(reply)
        }
        guard !isSecured, tls != .none else { return greeted(capabilities) }
        if capabilities.startTLS {
            write("STARTTLS", into: &output)
            state = .startTLS(capabilities)
        } else if tls == .opportunistic {
            greeted(capabilities)
        } else {
            // Not offered, or somebody on the way took the offer out: the same, and nothing is said in the clear.
            fail(
                RemoteReply(
                    code: 454, enhanced: EnhancedCode(4, 7, 0), text: "STARTTLS is required and not offered",
                    command: awaited, isOurs: true))
        }
    }

    /// Hellos are said, TLS is up or will not be.
    private mutating func greeted(_ capabilities: DeliveryCapabilities) {
        if authenticates {
            state = .authenticating(capabilities, heldResponse: nil)
            pending.append(.authenticate)
        } else {
            becomeIdle(capabilities)
        }
    }

    private mutating func becomeIdle(_ capabilities: DeliveryCapabilities) {
        state = .idle(capabilities)
        pending.append(transactions < capabilities.transactionLimit ?? .max ? .ready : .exhausted)
    }

    /// One reply inside a transaction.
    private mutating func take(
        _ reply: RemoteReply, _ capabilities: DeliveryCapabilities, _ transfer: Transfer, into output: inout ByteBuffer
    ) {
        let everyone = transfer.transaction.recipients.indices
        if (300..<400).contains(reply.code), !(transfer.step == .data && reply.code == 354) {
            return fail(violation("\(reply.code) where none belongs"))
        }
        switch transfer.step {
        case .mail:
            if !reply.isPositive {
                transfer.settle(everyone, refusal(reply, transfer.transaction))
                guard capabilities.pipelining else {
                    return finish(transfer, capabilities, resets: true, into: &output)
                }
            }
            expect(.recipient(0), capabilities, transfer, into: &output)
        case .recipient(let index):
            if reply.isPositive {
                // A yes to a recipient of a refused MAIL means nothing: nobody is delivered to without a sender.
                if transfer.outcomes[index] == nil { transfer.accepted.append(index) }
            } else {
                transfer.settle([index], refusal(reply, transfer.transaction))
            }
            if index + 1 < everyone.count {
                expect(.recipient(index + 1), capabilities, transfer, into: &output)
            } else if sendsByChunks(transfer.transaction, capabilities) {
                guard !transfer.accepted.isEmpty else {
                    return finish(transfer, capabilities, resets: true, into: &output)
                }
                transfer.step = .content
                pending.append(.sendContent)
            } else if transfer.accepted.isEmpty, !capabilities.pipelining {
                finish(transfer, capabilities, resets: true, into: &output)
            } else {
                expect(.data, capabilities, transfer, into: &output)
            }
        case .data:
            if reply.isPositive { return fail(violation("\(reply.code) to DATA")) }
            if reply.code != 354 {
                transfer.settle(transfer.accepted, refusal(reply, transfer.transaction))
                finish(transfer, capabilities, resets: true, into: &output)
            } else if transfer.accepted.isEmpty {
                write(".", into: &output)
                transfer.step = .emptyFinal
                // LMTP answers for each accepted recipient, so nothing would come (RFC 2033 §4.2 forbids this 354).
                if wire == .lmtp { fail(violation("354 although no recipient was accepted")) }
            } else {
                transfer.step = .content
                pending.append(.sendContent)
            }
        case .content:
            fail(reply.isPositive ? violation("\(reply.code) before the content") : reply)
        case .final(let position):
            let outcome = reply.isPositive ? Outcome.delivered(reply) : refusal(reply, transfer.transaction)
            switch wire {
            case .smtp:
                transfer.settle(transfer.accepted, outcome)
            case .lmtp:
                transfer.settle([transfer.accepted[position]], outcome)
                if position + 1 < transfer.accepted.count {
                    transfer.step = .final(position + 1)
                    return
                }
            }
            finish(transfer, capabilities, resets: false, into: &output)
        case .emptyFinal:
            finish(transfer, capabilities, resets: true, into: &output)
        }
    }

    /// Goes on to the next reply; writes its command unless all are out already.
    private mutating func expect(
        _ step: Step, _ capabilities: DeliveryCapabilities, _ transfer: Transfer, into output: inout ByteBuffer
    ) {
        transfer.step = step
        guard !capabilities.pipelining else { return }
        switch step {
        case .recipient(let index):
            write(
                recipientCommand(
                    transfer.transaction.recipients[index], isUTF8: isUTF8(transfer.transaction, capabilities),
                    capabilities), into: &output)
        case .data: write("DATA", into: &output)
        case .mail, .content, .final, .emptyFinal: preconditionFailure("not a step that is reached by a command")
        }
    }

    private mutating func finish(
        _ transfer: Transfer, _ capabilities: DeliveryCapabilities, resets: Bool, into output: inout ByteBuffer
    ) {
        let outcomes = transfer.outcomes.compactMap { $0 }
        precondition(outcomes.count == transfer.outcomes.count, "everyone's outcome is known")
        pending.append(.outcomes(outcomes))
        if resets {
            write("RSET", into: &output)
            state = .resetting(capabilities)
        } else {
            becomeIdle(capabilities)
        }
    }

    /// Whether a no is for good.
    ///
    /// Not if it is about us and the relay, not the message: 53x asks for TLS or AUTH, and "Relaying denied" from our
    /// own gate (it is told a submitter, or says so to MAIL whoever asks: a relay that was made somebody's smarthost)
    /// means a certificate to renew. Nor 552 to RCPT (RFC 5321 §4.5.3.1.10).
    private func refusal(_ reply: RemoteReply, _ transaction: Transaction) -> Outcome {
        let isOurs =
            (530..<540).contains(reply.code)
            || reply.saysRelayingDenied
                && (reply.command == "MAIL FROM"
                    || transaction.submitter != nil && reply.command != RemoteReply.endOfData)
        let isTooMany = reply.code == 552 && reply.command == "RCPT TO"
        return reply.code < 500 || isOurs || isTooMany ? .deferred(reply) : .bounced(reply)
    }

    /// What the server said without being asked: `421` is its goodbye (RFC 5321 §3.8), and its reason the one that counts.
    func unasked(_ what: String) -> RemoteReply {
        let line = input.readableBytesView.prefix(512).prefix { $0 != 0x0d && $0 != 0x0a }
        guard line.starts(with: "421 ".utf8) else { return violation(what) }
        let said = line.dropFirst(4)
        let enhanced = EnhancedCode(prefixOf: said)
        let text = enhanced == nil ? said : said.drop { $0 != 0x20 }.dropFirst()
        return RemoteReply(
            code: 421, enhanced: enhanced, lines: [Array(text)], command: awaited, isFromOurRelay: isToOurRelay)
    }

    /// The connection is over: whoever has no outcome yet is deferred.
    mutating func fail(_ reply: RemoteReply) {
        if case .transfer(_, let transfer) = state {
            pending.append(.outcomes(transfer.outcomes.map { $0 ?? .deferred(reply) }))
        }
        pending.append(.failed(reply))
        state = .failed
        discardInput()
    }

    func violation(_ what: String) -> RemoteReply {
        RemoteReply(
            code: 451, enhanced: EnhancedCode(4, 5, 0), text: "protocol error: \(what)", command: awaited, isOurs: true)
    }

    static func unsent(_ transaction: Transaction, _ reply: RemoteReply) -> [Action] {
        [.outcomes(transaction.recipients.map { _ in .deferred(reply) }), .failed(reply)]
    }
}
