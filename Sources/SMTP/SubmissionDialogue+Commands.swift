import NIOCore

/// What each command does where it may come, and what it gets where it may not.
extension SubmissionDialogue {
    /// One command outside AUTH and content. The reply goes to `output`; an action is returned if somebody must be asked.
    mutating func perform(_ heard: Heard, _ stage: Stage, into output: inout ByteBuffer) -> Action? {
        switch heard {
        case .command(let command, _): perform(command, stage, into: &output)
        case .chunk(let chunk): begin(chunk, stage, into: &output)
        case .answered: nil
        }
    }

    private mutating func perform(
        _ command: CommandLine, _ stage: Stage, into output: inout ByteBuffer
    ) -> Action? {
        let argument = command.argument
        switch command.verb {
        case .ehlo: hello(argument, isESMTP: true, stage, into: &output)
        case .helo: hello(argument, isESMTP: false, stage, into: &output)
        case .startTLS: return startTLS(argument, stage, into: &output)
        case .auth: return authenticate(argument, stage, into: &output)
        case .mail: return mail(argument, stage, into: &output)
        case .rcpt: return recipient(argument, stage, into: &output)
        case .data: return data(argument, stage, into: &output)
        case .rset: reset(argument, stage, into: &output)
        case .noop: idle(.ok, argument, into: &output)
        case .help: idle(.help, argument, into: &output)
        case .vrfy:
            if let reply = gate(stage) {
                reject(reply, into: &output)
            } else if argument.isEmpty {
                reject(.verifySyntax, into: &output)
            } else {
                idle(.cannotVerify, argument.withoutInternationalized, into: &output)
            }
        case .absent: reject(gate(stage) ?? .notImplemented, into: &output)
        case .quit: quit(argument, into: &output)
        case .web: end(with: .notHTTP, into: &output)
        case .lhlo, .unknown: reject(.unknownCommand, into: &output)
        case .bdat: preconditionFailure("a chunk is heard as one")
        }
        return nil
    }

    /// What a command gets that needs an identity, where there is none (RFC 6409 §4.3).
    private func gate(_ stage: Stage) -> Reply? {
        switch stage {
        case .plaintext: .startTLSFirst
        case .secured: .authenticateFirst
        case .identified, .transaction, .chunks, .refused: nil
        }
    }

    // MARK: EHLO, HELO, RSET

    private mutating func hello(
        _ argument: ArraySlice<UInt8>, isESMTP: Bool, _ stage: Stage, into output: inout ByteBuffer
    ) {
        guard let name = helloName(argument) else { return reject(.badHello, into: &output) }
        guard !core.conduct.noteIdleCommand() else { return end(with: .tooManyIdleCommands, into: &output) }
        let hello = Hello(name: name, isESMTP: isESMTP)
        let next: Stage
        switch stage {
        case .plaintext: next = .plaintext(hello)
        case .secured: next = .secured(hello)
        case .identified, .transaction, .chunks, .refused: next = .identified(Identity(hello: hello))
        }
        if isESMTP {
            var security: [String] = []
            if case .plaintext = stage {
                security = ["STARTTLS"]
            } else if !configuration.mechanisms.isEmpty {
                security = ["AUTH " + configuration.mechanisms.joined(separator: " ")]
            }
            Reply.hello(
                configuration.hostname, size: limits.maxMessageSize, recipients: limits.maxRecipients, security
            ).write(into: &output)
        } else {
            Reply(250, nil, configuration.hostname).write(into: &output)
        }
        core.content = nil
        state = .reading(next)
    }

    private mutating func reset(_ argument: ArraySlice<UInt8>, _ stage: Stage, into output: inout ByteBuffer) {
        guard argument.isEmpty else { return reject(.noArgument, into: &output) }
        guard idle(.ok, argument, into: &output) else { return }
        core.content = nil
        switch stage {
        case .transaction(let identity, _), .chunks(let identity, _), .refused(let identity):
            state = .reading(.identified(identity))
        case .plaintext, .secured, .identified:
            break
        }
    }

    // MARK: STARTTLS and AUTH

    private mutating func startTLS(
        _ argument: ArraySlice<UInt8>, _ stage: Stage, into output: inout ByteBuffer
    ) -> Action? {
        switch stage {
        case .plaintext:
            guard mayStartTLS(argument, into: &output) else { return nil }
            state = .handshaking
            return .startTLS
        case .secured, .identified, .transaction, .chunks, .refused:
            reject(.alreadySecured, into: &output)
        }
        return nil
    }

    private mutating func authenticate(
        _ argument: ArraySlice<UInt8>, _ stage: Stage, into output: inout ByteBuffer
    ) -> Action? {
        let hello: Hello
        switch stage {
        case .plaintext:
            reject(.encryptionRequired, into: &output)
            return nil
        case .secured(nil):
            reject(.helloFirst, into: &output)
            return nil
        case .secured(let known?):
            hello = known
        case .identified, .transaction, .chunks, .refused:
            reject(.alreadyAuthenticated, into: &output)
            return nil
        }
        let words = argument.split(separator: .space, omittingEmptySubsequences: false)
        guard let name = words.first, !name.isEmpty else {
            reject(.authSyntax, into: &output)
            return nil
        }
        let mechanism = String(decoding: name.map(\.uppercased), as: UTF8.self)
        guard configuration.mechanisms.contains(mechanism) else {
            reject(.unknownMechanism, into: &output)
            return nil
        }
        var initialResponse: [UInt8]?
        if words.count > 1 {
            // A single "=" is the empty response (RFC 4954 §4); nothing, or blanks, is none.
            let isEmpty = words[1].elementsEqual([UInt8(ascii: "=")])
            guard words.count == 2, !words[1].isEmpty, let response = isEmpty ? [] : Base64Text.decode(words[1]) else {
                reject(.notBase64, into: &output)
                return nil
            }
            initialResponse = response
        }
        state = .deciding(.authentication(hello))
        return .authenticate(mechanism: mechanism, initialResponse: initialResponse)
    }

    /// A line inside AUTH.
    mutating func respond(_ line: CommandReader.Line, _ hello: Hello, into output: inout ByteBuffer) -> Action? {
        let fault: Reply
        switch line {
        case .flood:
            end(with: .lineFlood, into: &output)
            return .authenticationCancelled
        case .tooLong:
            fault = .responseTooLong
        case .line(let octets):
            if octets == [UInt8(ascii: "*")] {
                fault = .authenticationCancelled
            } else if let response = Base64Text.decode(octets) {
                state = .deciding(.authentication(hello))
                return .authenticationResponse(response)
            } else {
                fault = .notBase64
            }
        }
        state = .reading(.secured(hello))
        reject(fault, into: &output)
        return .authenticationCancelled
    }

    // MARK: MAIL, RCPT, DATA

    private mutating func mail(
        _ argument: ArraySlice<UInt8>, _ stage: Stage, into output: inout ByteBuffer
    ) -> Action? {
        switch stage {
        case .plaintext, .secured:
            reject(gate(stage) ?? .badSequence, into: &output)
        case .transaction(let identity, let draft) where draft.isRefused:
            // Clients that send no RSET behind a refused DATA (Python's smtplib) mean the next message. It can be
            // processed, so no 503 is due (RFC 5321 §4.1.4); MAIL clears every buffer (§4.1.1.2).
            state = .reading(.identified(identity))
            return mail(argument, .identified(identity), into: &output)
        case .transaction, .chunks, .refused:
            reject(outOfPlace(stage), into: &output)
        case .identified(let identity):
            do throws(CommandFault) {
                let mail = try MailArgument(parsing: argument)
                if let size = mail.declaredSize, size > limits.maxMessageSize {
                    throw CommandFault(.tooLarge(limit: limits.maxMessageSize))
                }
                core.conduct.noteSender()
                state = .deciding(.sender(identity, mail))
                return .sender(mail.sender, declaredSize: mail.declaredSize)
            } catch {
                reject(error.reply, into: &output)
            }
        }
        return nil
    }

    private mutating func recipient(
        _ argument: ArraySlice<UInt8>, _ stage: Stage, into output: inout ByteBuffer
    ) -> Action? {
        switch stage {
        case .plaintext, .secured:
            reject(gate(stage) ?? .badSequence, into: &output)
        case .identified, .chunks, .refused:
            rejectOutOfPlace(stage, into: &output)
        case .transaction(let identity, var draft):
            if draft.isRefused {
                draft.isRefused = false
                state = .reading(.transaction(identity, draft))
            }
            do throws(CommandFault) {
                let recipient = try RecipientArgument(
                    parsing: argument, isInternationalized: draft.mail.parameters.isInternationalized
                ).recipient
                if let failure = draft.failure {
                    core.say(failure, into: &output)  // known already: the message goes to nobody
                } else if draft.recipients.contains(recipient.mailbox) {
                    Reply.recipientOK.write(into: &output)
                } else if draft.recipients.count >= limits.maxRecipients {
                    draft.refusals += 1
                    state = .reading(.transaction(identity, draft))
                    core.say(.tooManyRecipients(limit: limits.maxRecipients), into: &output)
                } else {
                    let count = draft.recipients.count + 1
                    state = .deciding(.recipient(identity, draft, recipient))
                    return .recipient(recipient.mailbox, count: count)
                }
            } catch {
                draft.refusals += 1
                state = .reading(.transaction(identity, draft))
                // An address that is none fails nobody but itself: a list with twenty of them has good ones, too, whose
                // mail would end with the session. As many as one message may have are no error of the client's.
                if draft.refusals > limits.maxRecipients {
                    reject(error.reply, into: &output)
                } else {
                    core.say(error.reply, into: &output)
                }
            }
        }
        return nil
    }

    private mutating func data(
        _ argument: ArraySlice<UInt8>, _ stage: Stage, into output: inout ByteBuffer
    ) -> Action? {
        switch stage {
        case .plaintext, .secured:
            reject(gate(stage) ?? .badSequence, into: &output)
        case .identified, .chunks, .refused:
            core.conduct.noteDataRefused()
            rejectOutOfPlace(stage, into: &output)
        case .transaction(let identity, let draft):
            if !argument.isEmpty {
                core.conduct.noteDataRefused()
                reject(.noArgument, into: &output)
            } else if let failure = draft.failure {
                core.conduct.noteDataRefused()
                state = .reading(.transaction(identity, draft.refused))
                core.say(failure, into: &output)
            } else if draft.recipients.isEmpty {
                core.conduct.noteDataRefused()
                if draft.hasRefusals { state = .reading(.transaction(identity, draft.refused)) }
                reject(draft.hasRefusals ? draft.noRecipients : .recipientFirst, into: &output)
            } else if draft.mail.parameters.body == .binaryMIME {
                // A line that ends nowhere cannot have a dot at its head (RFC 3030 §3).
                core.conduct.noteDataRefused()
                reject(.chunksOnly, into: &output)
            } else {
                state = .deciding(.data(identity, draft, nil))
                return .data(draft.envelope(identity.hello))
            }
        }
        return nil
    }

    private mutating func rejectOutOfPlace(_ stage: Stage, into output: inout ByteBuffer) {
        if case .identified = stage, core.conduct.excuses() {
            // The one refusal is MAIL's: no error of the client's, and no event for each.
            outOfPlace(stage).write(into: &output)
        } else {
            reject(outOfPlace(stage), into: &output)
        }
    }

    /// What MAIL, RCPT and DATA get where they may not come, behind AUTH.
    private func outOfPlace(_ stage: Stage) -> Reply {
        switch stage {
        case .plaintext, .secured: .badSequence
        case .identified: .senderFirst
        case .transaction: .nestedMail
        case .chunks: .contentBegun
        case .refused: .chunkRefused
        }
    }

    // MARK: Content

    /// BDAT (RFC 3030): whatever it gets, its octets are taken exactly, and none of them is a command.
    private mutating func begin(_ chunk: Chunk, _ stage: Stage, into output: inout ByteBuffer) -> Action? {
        switch stage {
        case .plaintext, .secured:
            swallow(chunk, gate(stage) ?? .badSequence, then: stage)
        case .identified:
            swallow(chunk, .senderFirst, then: stage)
        case .refused(let identity):
            refuse(chunk, .chunkRefused, then: .identified(identity), identity)
        case .transaction(let identity, let draft):
            if let failure = draft.failure {
                refuse(chunk, failure, then: .transaction(identity, draft.refused), identity)
            } else if draft.recipients.isEmpty, draft.hasRefusals {
                refuse(chunk, draft.noRecipients, then: .transaction(identity, draft.refused), identity)
            } else if draft.recipients.isEmpty {
                refuse(chunk, .recipientFirst, then: stage, identity)
            } else if chunk.size > limits.maxMessageSize {
                refuse(
                    chunk, .tooLarge(limit: limits.maxMessageSize), then: .identified(identity), identity)
            } else {
                state = .deciding(.data(identity, draft, chunk))
                return .data(draft.envelope(identity.hello))
            }
        case .chunks(let identity, let draft):
            guard core.content?.exceedsLimit(with: chunk) == false else {
                refuse(
                    chunk, .tooLarge(limit: limits.maxMessageSize), then: .identified(identity), identity)
                return nil
            }
            core.content?.begin(chunk)
            state = .content(identity, draft)
        }
        return nil
    }

    /// A chunk is refused: behind the last one stands `last`, behind any other nothing of this message is taken any more,
    /// or the rest would be accepted without its beginning.
    mutating func refuse(_ chunk: Chunk, _ reply: Reply, then last: Stage, _ identity: Identity) {
        swallow(chunk, reply, then: chunk.isLast ? last : .refused(identity))
    }

    private mutating func swallow(_ chunk: Chunk, _ reply: Reply, then stage: Stage) {
        core.content = nil
        core.swallowing = (chunk.size, 0)
        state = .swallowing(reply, then: stage)
    }

    /// Nil while the content has not ended, or when it was answered here (the state tells which).
    mutating func readContent(_ identity: Identity, _ draft: Draft, into output: inout ByteBuffer) -> Action? {
        guard core.content != nil else { preconditionFailure("content is received by its reception") }
        let progress = core.reader.take { input in core.content?.read(&input) ?? .incomplete }
        switch progress {
        case .incomplete:
            return nil
        case .chunkEnd:
            guard let content = core.content else { return nil }
            if let refusal = content.refusal {
                core.content = nil
                state = .reading(.refused(identity))
                core.say(refusal, into: &output)
            } else {
                state = .reading(.chunks(identity, draft))
                Reply.chunkReceived(content.chunkSize).write(into: &output)
            }
            return nil
        case .end:
            guard let (content, refusal) = core.content?.finish() else { return nil }
            core.content = nil
            if let refusal {
                state = .reading(.identified(identity))
                core.say(refusal, into: &output)
                return nil
            }
            state = .deciding(.message(identity))
            return .message(draft.envelope(identity.hello), content: content)
        }
    }
}
