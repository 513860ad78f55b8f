import NIOCore

/// What each command does for a member, and what it gets from a stranger.
extension RelayDialogue {
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
            return perform(command, octets, stage, into: &output)
        }
        return nil
    }

    private mutating func perform(
        _ command: CommandLine, _ line: [UInt8], _ stage: Stage, into output: inout ByteBuffer
    ) -> Action? {
        let argument = command.argument
        switch command.verb {
        case .ehlo: hello(argument, .ehlo, stage, into: &output)
        case .helo: hello(argument, .helo, stage, into: &output)
        case .lhlo: hello(argument, .lhlo, stage, into: &output)
        case .startTLS: return startTLS(argument, stage, into: &output)
        case .auth: authenticate(argument, stage, into: &output)
        case .mail: return mail(argument, line, stage, into: &output)
        case .rcpt: return recipient(argument, line, stage, into: &output)
        case .data: data(argument, stage, into: &output)
        case .rset: reset(argument, stage, into: &output)
        case .noop: idle(.ok, into: &output)
        case .help: idle(.help, into: &output)
        case .vrfy: idle(.cannotVerify, into: &output)
        case .absent: reject(.notImplemented, into: &output)
        case .bdat: end(with: .notImplemented, into: &output)  // octets follow: framing is lost
        case .quit: end(with: .goodbye, into: &output)
        case .web: end(with: .notHTTP, into: &output)
        case .unknown: reject(.unknownCommand, into: &output)
        }
        return nil
    }

    /// Every trick of every stranger ends here, whatever its syntax: one reply, one line in the log.
    private mutating func deny(_ line: [UInt8], into output: inout ByteBuffer) -> Action {
        reject(.relayingDenied, into: &output)
        return .denied(command: line.escaped(limit: 200))
    }

    private mutating func idle(_ reply: Reply, into output: inout ByteBuffer) {
        guard !conduct.noteIdleCommand() else { return end(with: .tooManyIdleCommands, into: &output) }
        reply.write(into: &output)
    }

    private mutating func hello(
        _ argument: ArraySlice<UInt8>, _ greeting: Greeting, _ stage: Stage, into output: inout ByteBuffer
    ) {
        guard let name = helloName(argument) else { return reject(.badHello, into: &output) }
        guard !conduct.noteIdleCommand() else { return end(with: .tooManyIdleCommands, into: &output) }
        var lines = [configuration.hostname]
        if greeting != .helo {
            lines += ["PIPELINING", "SIZE \(configuration.maxMessageSize)", "8BITMIME", "ENHANCEDSTATUSCODES"]
            if greeting == .ehlo { lines.append("LIMITS RCPTMAX=1") }
        }
        switch stage {
        case .plaintext:
            if greeting != .helo { lines.append("STARTTLS") }
        case .stranger:
            break
        case .arrived, .member, .transaction:
            if greeting != .helo { lines.append("AUTH EXTERNAL") }
            state = .reading(.member(Hello(name: name, greeting: greeting)))
        }
        Reply(250, nil, lines: lines).write(into: &output)
    }

    private mutating func reset(_ argument: ArraySlice<UInt8>, _ stage: Stage, into output: inout ByteBuffer) {
        guard argument.isEmpty else { return reject(.noArgument, into: &output) }
        idle(.ok, into: &output)
        guard case .reading = state else { return }
        if case .transaction(let hello, _) = stage { state = .reading(.member(hello)) }
    }

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
                end(with: .inputAfterStartTLS, into: &output)
                return nil
            }
            Reply.readyForTLS.write(into: &output)
            state = .handshaking
            return .startTLS
        case .stranger, .arrived, .member, .transaction:
            reject(.alreadySecured, into: &output)
        }
        return nil
    }

    // MARK: AUTH EXTERNAL: what the certificate proved, said once more

    private mutating func authenticate(_ argument: ArraySlice<UInt8>, _ stage: Stage, into output: inout ByteBuffer) {
        let words = argument.split(separator: .space)
        switch stage {
        case .plaintext: reject(.encryptionRequired, into: &output)
        case .stranger: reject(.unknownMechanism, into: &output)
        case .arrived: reject(.helloFirst, into: &output)
        case .transaction: reject(.badSequence, into: &output)
        case .member(let hello):
            guard let name = words.first, words.count <= 2 else { return reject(.authSyntax, into: &output) }
            guard name.equalsIgnoringCase("EXTERNAL") else { return reject(.unknownMechanism, into: &output) }
            if words.count == 2 {
                finish(response: words[1], into: &output)
            } else {
                output.writeStaticString("334 \r\n")
                state = .responding(hello)
            }
        }
    }

    mutating func respond(_ line: CommandReader.Line, _ hello: Hello, into output: inout ByteBuffer) {
        state = .reading(.member(hello))
        switch line {
        case .flood: end(with: .lineFlood, into: &output)
        case .tooLong: reject(.responseTooLong, into: &output)
        case .line(let octets):
            if octets == [UInt8(ascii: "*")] {
                reject(.authenticationCancelled, into: &output)
            } else {
                finish(response: octets[...], into: &output)
            }
        }
    }

    /// An authorisation identity would be somebody else than the certificate's holder.
    private mutating func finish(response: ArraySlice<UInt8>, into output: inout ByteBuffer) {
        if response.isEmpty || response.elementsEqual([UInt8(ascii: "=")]) {
            idle(.authenticated, into: &output)
        } else {
            reject(Base64Text.decode(response) == nil ? .notBase64 : .credentialsInvalid, into: &output)
        }
    }

    // MARK: MAIL, RCPT, DATA

    private mutating func mail(
        _ argument: ArraySlice<UInt8>, _ line: [UInt8], _ stage: Stage, into output: inout ByteBuffer
    ) -> Action? {
        let hello: Hello
        switch stage {
        case .plaintext, .stranger:
            return deny(line, into: &output)
        case .arrived:
            reject(.helloFirst, into: &output)
            return nil
        case .transaction:
            reject(.nestedMail, into: &output)
            return nil
        case .member(let known):
            hello = known
        }
        do throws(CommandFault) {
            let mail = try MailArgument(parsing: argument, submitter: .required)
            guard let submitter = mail.submitter.flatMap(Self.tenant) else { return deny(line, into: &output) }
            guard mail.declaredSize ?? 0 <= configuration.maxMessageSize else {
                throw CommandFault(.tooLarge(limit: configuration.maxMessageSize))
            }
            Reply.senderOK.write(into: &output)
            state = .reading(.transaction(hello, Draft(submitter: submitter, mail)))
        } catch {
            reject(error.reply, into: &output)
        }
        return nil
    }

    /// `TENANT@submitter.invalid`, TENANT as tenants are named: `[a-z0-9][a-z0-9-]{0,39}`.
    private static func tenant(_ submitter: String) -> String? {
        let parts = submitter.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1] == "submitter.invalid", (1...40).contains(parts[0].utf8.count),
            parts[0].utf8.first != UInt8(ascii: "-"),
            parts[0].utf8.allSatisfy({ $0.isDigit || (0x61...0x7A).contains($0) || $0 == UInt8(ascii: "-") })
        else { return nil }
        return String(parts[0])
    }

    private mutating func recipient(
        _ argument: ArraySlice<UInt8>, _ line: [UInt8], _ stage: Stage, into output: inout ByteBuffer
    ) -> Action? {
        let hello: Hello
        let draft: Draft
        switch stage {
        case .plaintext, .stranger:
            return deny(line, into: &output)
        case .arrived, .member:
            reject(.senderFirst, into: &output)
            return nil
        case .transaction(let known, let open):
            hello = known
            draft = open
        }
        do throws(CommandFault) {
            let recipient = try RecipientArgument(
                parsing: argument, isInternationalized: draft.mail.parameters.isInternationalized
            ).recipient
            guard draft.recipients.count < (hello.greeting == .lhlo ? configuration.maxRecipients : 1) else {
                Reply.tooManyRecipients.write(into: &output)
                return nil
            }
            draft.recipients.add(recipient)
            Reply.recipientOK.write(into: &output)
        } catch {
            reject(error.reply, into: &output)
        }
        return nil
    }

    private mutating func data(_ argument: ArraySlice<UInt8>, _ stage: Stage, into output: inout ByteBuffer) {
        switch stage {
        case .plaintext, .stranger, .arrived:
            reject(.senderFirst, into: &output)
        case .member:
            conduct.noteDataRefused()
            reject(.senderFirst, into: &output)
        case .transaction(let hello, let draft):
            if argument.isEmpty, !draft.recipients.isEmpty {
                Reply.startContent.write(into: &output)
                scanner = ContentScanner(limit: configuration.maxMessageSize, declaredSize: draft.mail.declaredSize)
                state = .content(hello, draft.envelope(hello))
            } else {
                conduct.noteDataRefused()
                reject(argument.isEmpty ? .recipientFirst : .noArgument, into: &output)
            }
        }
    }

    // MARK: Content

    /// Nil while the content has not ended, or when it was refused here (the state tells which).
    mutating func readContent(_ hello: Hello, _ envelope: Envelope, into output: inout ByteBuffer) -> Action? {
        guard reader.readContent(into: &scanner), let finished = scanner else { return nil }
        scanner = nil
        let refusal: Reply
        if finished.isTooLarge {
            refusal = .tooLarge(limit: configuration.maxMessageSize)
        } else if let defect = finished.defect {
            refusal = .unfit(defect)
        } else {
            state = .deciding(hello, envelope)
            return .message(envelope, content: finished.content)
        }
        for _ in 0..<(envelope.isLMTP ? envelope.recipients.count : 1) { refusal.write(into: &output) }
        state = .reading(.member(hello))
        return nil
    }
}
