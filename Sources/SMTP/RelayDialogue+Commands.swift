import NIOCore

/// What each command does for a member, and what it gets from a stranger.
extension RelayDialogue {
    mutating func perform(_ heard: Heard, _ stage: Stage, into output: inout ByteBuffer) -> Action? {
        switch heard {
        case .command(let command, let line):
            return perform(command, line, stage, into: &output)
        case .chunk(let chunk):
            begin(chunk, stage)
            return nil
        case .answered:
            return nil
        }
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
        case .noop: idle(.ok, argument, into: &output)
        case .help: idle(.help, argument, into: &output)
        case .vrfy: idle(.cannotVerify, argument.withoutInternationalized, into: &output)
        case .absent: reject(.notImplemented, into: &output)
        case .quit: quit(argument, into: &output)
        case .web: end(with: .notHTTP, into: &output)
        case .unknown: reject(.unknownCommand, into: &output)
        case .bdat: preconditionFailure("a chunk is heard as one")
        }
        return nil
    }

    /// Every trick of every stranger ends here, whatever its syntax: one reply, one line in the log.
    private mutating func deny(_ line: [UInt8], into output: inout ByteBuffer) -> Action {
        reject(.relayingDenied, into: &output)
        return .denied(command: line.escaped(limit: 200))
    }

    private mutating func hello(
        _ argument: ArraySlice<UInt8>, _ greeting: Greeting, _ stage: Stage, into output: inout ByteBuffer
    ) {
        guard let name = helloName(argument) else { return reject(.badHello, into: &output) }
        guard !core.conduct.noteIdleCommand() else { return end(with: .tooManyIdleCommands, into: &output) }
        core.content = nil
        var security: [String] = []
        switch stage {
        case .plaintext:
            security = ["STARTTLS"]
        case .stranger:
            break
        case .arrived, .member, .transaction, .chunks, .refused:
            security = ["AUTH EXTERNAL"]
            let isAuthenticated = stage.hello?.isAuthenticated ?? false
            state = .reading(.member(Hello(name: name, greeting: greeting, isAuthenticated: isAuthenticated)))
        }
        guard greeting != .helo else { return Reply(250, nil, configuration.hostname).write(into: &output) }
        Reply.hello(
            configuration.hostname, size: configuration.maxMessageSize, recipients: greeting == .ehlo ? 1 : nil,
            security
        ).write(into: &output)
    }

    private mutating func reset(_ argument: ArraySlice<UInt8>, _ stage: Stage, into output: inout ByteBuffer) {
        guard argument.isEmpty else { return reject(.noArgument, into: &output) }
        guard idle(.ok, argument, into: &output) else { return }
        core.content = nil
        switch stage {
        case .transaction(let hello, _), .chunks(let hello, _), .refused(let hello, _):
            state = .reading(.member(hello))
        case .plaintext, .stranger, .arrived, .member:
            break
        }
    }

    private mutating func startTLS(
        _ argument: ArraySlice<UInt8>, _ stage: Stage, into output: inout ByteBuffer
    ) -> Action? {
        switch stage {
        case .plaintext:
            guard mayStartTLS(argument, into: &output) else { return nil }
            state = .handshaking
            return .startTLS
        case .stranger, .arrived, .member, .transaction, .chunks, .refused:
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
        case .transaction, .chunks, .refused: reject(.badSequence, into: &output)
        case .member(let hello):
            guard !hello.isAuthenticated else { return reject(.alreadyAuthenticated, into: &output) }
            guard let name = words.first, words.count <= 2 else { return reject(.authSyntax, into: &output) }
            guard name.equalsIgnoringCase("EXTERNAL") else { return reject(.unknownMechanism, into: &output) }
            if words.count == 2 {
                // `=` is an initial response that is empty, and only that.
                finish(response: words[1] == [UInt8(ascii: "=")] ? [] : words[1], hello, into: &output)
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
                finish(response: octets[...], hello, into: &output)
            }
        }
    }

    /// An authorisation identity would be somebody else than the certificate's holder.
    private mutating func finish(response: ArraySlice<UInt8>, _ hello: Hello, into output: inout ByteBuffer) {
        if response.isEmpty {
            guard idle(.authenticated, [], into: &output) else { return }
            var hello = hello
            hello.isAuthenticated = true
            state = .reading(.member(hello))
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
        case .transaction, .chunks, .refused:
            reject(outOfPlace(stage), into: &output)
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
        case .arrived, .member, .chunks, .refused:
            reject(outOfPlace(stage), into: &output)
            return nil
        case .transaction(let known, let open):
            hello = known
            draft = open
        }
        do throws(CommandFault) {
            let recipient = try RecipientArgument(
                parsing: argument, isInternationalized: draft.mail.parameters.isInternationalized
            ).recipient
            let most = hello.greeting == .lhlo ? configuration.maxRecipients : 1
            guard draft.recipients.count < most else {
                Reply.tooManyRecipients(limit: most).write(into: &output)
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
        case .member, .chunks, .refused:
            core.conduct.noteDataRefused()
            reject(outOfPlace(stage), into: &output)
        case .transaction(let hello, let draft):
            let isBinary = draft.mail.parameters.body == .binaryMIME
            if argument.isEmpty, !draft.recipients.isEmpty, !isBinary {
                Reply.startContent.write(into: &output)
                receive(nil, hello, draft)
            } else {
                core.conduct.noteDataRefused()
                let reply: Reply =
                    !argument.isEmpty ? .noArgument : draft.recipients.isEmpty ? .recipientFirst : .chunksOnly
                reject(reply, into: &output)
            }
        }
    }

    /// What MAIL, RCPT and DATA get where they may not come.
    private func outOfPlace(_ stage: Stage) -> Reply {
        switch stage {
        case .plaintext, .stranger, .arrived, .member: .senderFirst
        case .transaction: .nestedMail
        case .chunks: .contentBegun
        case .refused: .chunkRefused
        }
    }

    // MARK: Content

    private mutating func receive(_ chunk: Chunk?, _ hello: Hello, _ draft: Draft) {
        core.content = ContentReception(
            chunk, limit: configuration.maxMessageSize, mail: draft.mail, lineEndings: .strict)
        state = .content(hello, draft)
    }

    /// BDAT (RFC 3030): whatever it gets, its octets are taken exactly, and none of them is a command.
    private mutating func begin(_ chunk: Chunk, _ stage: Stage) {
        switch stage {
        case .plaintext, .stranger, .arrived, .member:
            swallow(chunk, .senderFirst, times: 1, then: stage)
        case .refused(let hello, let draft):
            refuse(chunk, .chunkRefused, hello, draft)
        case .transaction(let hello, let draft):
            if draft.recipients.isEmpty {
                swallow(chunk, .recipientFirst, times: 1, then: chunk.isLast ? stage : .refused(hello, draft))
            } else if chunk.size > configuration.maxMessageSize {
                refuse(chunk, .tooLarge(limit: configuration.maxMessageSize), hello, draft)
            } else {
                receive(chunk, hello, draft)
            }
        case .chunks(let hello, let draft):
            guard core.content?.exceedsLimit(with: chunk) == false else {
                return refuse(chunk, .tooLarge(limit: configuration.maxMessageSize), hello, draft)
            }
            core.content?.begin(chunk)
            state = .content(hello, draft)
        }
    }

    /// A chunk is refused; behind one that was not the last, nothing of this message is taken any more.
    private mutating func refuse(_ chunk: Chunk, _ reply: Reply, _ hello: Hello, _ draft: Draft) {
        swallow(
            chunk, reply, times: chunk.isLast ? replies(hello, draft) : 1,
            then: chunk.isLast ? .member(hello) : .refused(hello, draft))
    }

    private mutating func swallow(_ chunk: Chunk, _ reply: Reply, times: Int, then stage: Stage) {
        core.content = nil
        core.swallowing = (chunk.size, 0)
        state = .swallowing(reply, times: times, then: stage)
    }

    /// How many replies the end of content gets: one for each accepted RCPT in LMTP (RFC 2033 §4.2, §4.3), else one.
    private func replies(_ hello: Hello, _ draft: Draft) -> Int {
        hello.greeting == .lhlo ? max(1, draft.recipients.count) : 1
    }

    /// Nil while the content has not ended, or when it was answered here (the state tells which).
    mutating func readContent(_ hello: Hello, _ draft: Draft, into output: inout ByteBuffer) -> Action? {
        let progress = core.reader.take { input in core.content?.read(&input) ?? .incomplete }
        switch progress {
        case .incomplete:
            return nil
        case .chunkEnd:
            guard let content = core.content else { return nil }
            if let refusal = content.refusal {
                core.content = nil
                state = .reading(.refused(hello, draft))
                refusal.write(into: &output)
            } else {
                state = .reading(.chunks(hello, draft))
                Reply.chunkReceived(content.chunkSize).write(into: &output)
            }
            return nil
        case .end:
            guard let (content, refusal) = core.content?.finish() else { return nil }
            core.content = nil
            if let refusal {
                for _ in 0..<replies(hello, draft) { refusal.write(into: &output) }
                state = .reading(.member(hello))
                return nil
            }
            let envelope = draft.envelope(hello)
            state = .deciding(hello, envelope)
            return .message(envelope, content: content)
        }
    }
}
