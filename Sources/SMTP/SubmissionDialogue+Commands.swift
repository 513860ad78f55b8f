import NIOCore

/// What each command does where it may come, and what it gets where it may not.
extension SubmissionDialogue {
    /// One line outside AUTH and content. The reply goes to `output`; an action is returned if somebody must be asked.
    mutating func perform(_ line: CommandReader.Line, _ stage: Stage, into output: inout ByteBuffer) -> Action? {
        switch line {
        case .flood:
            end(with: .lineFlood, into: &output)
        case .tooLong(let head):
            reject(head.startsIgnoringCase("AUTH ") ? .responseTooLong : .lineTooLong, into: &output)
        case .line(let octets):
            let isText = conduct.isMessageText(octets)
            guard let command = CommandLine(octets) else {
                reject(.syntaxError, into: &output)
                return nil
            }
            if isText, command.verb != .quit {
                reject(command.verb == .unknown ? .unknownCommand : .messageAsCommands, into: &output)
                return nil
            }
            return perform(command, stage, into: &output)
        }
        return nil
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
            } else {
                idle(.cannotVerify, argument, into: &output)
            }
        case .absent: reject(gate(stage) ?? .notImplemented, into: &output)
        case .bdat:
            // Octets follow, and how many cannot be known: framing is lost.
            end(with: gate(stage) ?? .notImplemented, into: &output)
        case .quit:
            if argument.isEmpty { end(with: .goodbye, into: &output) } else { reject(.noArgument, into: &output) }
        case .web: end(with: .notHTTP, into: &output)
        case .lhlo, .unknown: reject(.unknownCommand, into: &output)
        }
        return nil
    }

    /// What a command gets that needs an identity, where there is none (RFC 6409 §4.3).
    private func gate(_ stage: Stage) -> Reply? {
        switch stage {
        case .plaintext: .startTLSFirst
        case .secured: .authenticateFirst
        case .identified, .transaction: nil
        }
    }

    private mutating func idle(_ reply: Reply, _ argument: ArraySlice<UInt8>, into output: inout ByteBuffer) {
        guard !argument.contains(where: \.isEightBit) else { return reject(.eightBitCommand, into: &output) }
        guard !conduct.noteIdleCommand() else { return end(with: .tooManyIdleCommands, into: &output) }
        reply.write(into: &output)
    }

    // MARK: EHLO, HELO, RSET

    private mutating func hello(
        _ argument: ArraySlice<UInt8>, isESMTP: Bool, _ stage: Stage, into output: inout ByteBuffer
    ) {
        guard let name = helloName(argument) else { return reject(.badHello, into: &output) }
        guard !conduct.noteIdleCommand() else { return end(with: .tooManyIdleCommands, into: &output) }
        let hello = Hello(name: name, isESMTP: isESMTP)
        var lines = [configuration.hostname]
        let next: Stage
        var size = configuration.maxMessageSize
        switch stage {
        case .plaintext: next = .plaintext(hello)
        case .secured: next = .secured(hello)
        case .identified(let identity), .transaction(let identity, _):
            next = .identified(Identity(hello: hello, limits: identity.limits))
            size = identity.limits.maxMessageSize
        }
        if isESMTP {
            lines += ["PIPELINING", "SIZE \(size)", "8BITMIME", "ENHANCEDSTATUSCODES"]
            if case .plaintext = stage {
                lines.append("STARTTLS")
            } else if !configuration.mechanisms.isEmpty {
                lines.append("AUTH " + configuration.mechanisms.joined(separator: " "))
            }
        }
        Reply(250, nil, lines: lines).write(into: &output)
        state = .reading(next)
    }

    private mutating func reset(_ argument: ArraySlice<UInt8>, _ stage: Stage, into output: inout ByteBuffer) {
        guard argument.isEmpty else { return reject(.noArgument, into: &output) }
        guard !conduct.noteIdleCommand() else { return end(with: .tooManyIdleCommands, into: &output) }
        Reply.ok.write(into: &output)
        if case .transaction(let identity, _) = stage { state = .reading(.identified(identity)) }
    }

    // MARK: STARTTLS and AUTH

    private mutating func startTLS(
        _ argument: ArraySlice<UInt8>, _ stage: Stage, into output: inout ByteBuffer
    ) -> Action? {
        switch stage {
        case .plaintext:
            guard argument.isEmpty else {
                reject(.noArgument, into: &output)
                return nil
            }
            guard reader.isEmpty else {
                // CVE-2011-0411: what came in the clear must not be acted on inside TLS.
                end(with: .inputAfterStartTLS, into: &output)
                return nil
            }
            Reply.readyForTLS.write(into: &output)
            state = .handshaking
            return .startTLS
        case .secured, .identified, .transaction:
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
        case .identified, .transaction:
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
        case .transaction:
            reject(.nestedMail, into: &output)
        case .identified(let identity):
            do throws(CommandFault) {
                let mail = try MailArgument(parsing: argument)
                if let size = mail.declaredSize, size > identity.limits.maxMessageSize {
                    throw CommandFault(.tooLarge(limit: identity.limits.maxMessageSize))
                }
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
        case .identified:
            reject(.senderFirst, into: &output)
        case .transaction(let identity, var draft):
            do throws(CommandFault) {
                let recipient = try RecipientArgument(
                    parsing: argument, isInternationalized: draft.mail.parameters.isInternationalized
                ).recipient
                if let failure = draft.failure {
                    failure.write(into: &output)  // known already: the message goes to nobody
                } else if draft.recipients.contains(recipient.mailbox) {
                    Reply.recipientOK.write(into: &output)
                } else if draft.recipients.count >= identity.limits.maxRecipients {
                    draft.hasRefusals = true
                    state = .reading(.transaction(identity, draft))
                    Reply.tooManyRecipients.write(into: &output)
                } else {
                    let count = draft.recipients.count + 1
                    state = .deciding(.recipient(identity, draft, recipient))
                    return .recipient(recipient.mailbox, count: count)
                }
            } catch {
                draft.hasRefusals = true
                state = .reading(.transaction(identity, draft))
                reject(error.reply, into: &output)
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
        case .identified:
            conduct.noteDataRefused()
            reject(.senderFirst, into: &output)
        case .transaction(let identity, let draft):
            if !argument.isEmpty {
                conduct.noteDataRefused()
                reject(.noArgument, into: &output)
            } else if let failure = draft.failure {
                conduct.noteDataRefused()
                failure.write(into: &output)
            } else if draft.recipients.isEmpty {
                conduct.noteDataRefused()
                reject(draft.hasRefusals ? .noValidRecipients : .recipientFirst, into: &output)
            } else {
                state = .deciding(.data(identity, draft))
                return .data(draft.envelope(identity.hello))
            }
        }
        return nil
    }

    // MARK: Content

    /// Nil while the content has not ended, or when it was refused here (the state tells which).
    mutating func readContent(
        _ identity: Identity, _ envelope: Envelope, into output: inout ByteBuffer
    ) -> Action? {
        guard scanner != nil else { preconditionFailure("content is read by its scanner") }
        guard reader.readContent(into: &scanner) else { return nil }
        guard let finished = scanner else { return nil }
        scanner = nil
        state = .reading(.identified(identity))
        if finished.isTooLarge {
            Reply.tooLarge(limit: identity.limits.maxMessageSize).write(into: &output)
        } else if let defect = finished.defect {
            Reply.unfit(defect).write(into: &output)
        } else {
            state = .deciding(.message(identity))
            return .message(envelope, content: finished.content)
        }
        return nil
    }
}
