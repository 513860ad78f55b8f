/// A reply with what an operator or a developer asks about it: why, and what helps.
///
/// The text is the reply's own, from the code that sends it; figures and names in it are examples.
package struct ReplyGuide: Sendable {
    package let reply: Reply
    package let cause, fix: String

    package init(_ reply: Reply, _ cause: String, _ fix: String = "") {
        self.reply = reply
        self.cause = cause
        self.fix = fix
    }

    /// What the dialogues say by themselves.
    package static var dialogues: [ReplyGuide] { positive + order + security + envelope + endings }

    private static let positive: [ReplyGuide] = [
        ReplyGuide(.greeting("smtp.example.com", "ESMTP"), "the connection is open"),
        ReplyGuide(Reply(250, nil, "smtp.example.com"), "EHLO, HELO, LHLO: what follows is what is offered"),
        ReplyGuide(.ok, "done"), ReplyGuide(.senderOK, "MAIL is taken"), ReplyGuide(.recipientOK, "RCPT is taken"),
        ReplyGuide(.readyForTLS, "STARTTLS: the handshake comes next"),
        ReplyGuide(.authenticated, "AUTH: the login is right"), ReplyGuide(.goodbye, "QUIT"),
        ReplyGuide(.startContent, "DATA: the message comes next"),
        ReplyGuide(.chunkReceived(1000), "BDAT: a chunk has come whole; nothing is accepted before the last one"),
        ReplyGuide(.help, "HELP"), ReplyGuide(.cannotVerify, "VRFY: addresses are not told"),
    ]

    private static let order: [ReplyGuide] = [
        ReplyGuide(.syntaxError, "a control character, or a line that does not end in CR LF", "the client's line ends"),
        ReplyGuide(.unknownCommand, "no command of SMTP's", "the client; or message text where commands are expected"),
        ReplyGuide(.lineTooLong, "a command line longer than 512 octets and its extensions", "the client"),
        ReplyGuide(.eightBitCommand, "an octet over 127 outside an address", "SMTPUTF8 for addresses; else ASCII"),
        ReplyGuide(.responseTooLong, "an AUTH line longer than 12,288 octets", "the client"),
        ReplyGuide(.notImplemented, "a command that Gatepost does not have", "the client"),
        ReplyGuide(.badSequence, "a command where it does not belong", "the client"),
        ReplyGuide(.helloFirst, "no EHLO yet", "the client"), ReplyGuide(.senderFirst, "no MAIL yet", "the client"),
        ReplyGuide(.recipientFirst, "no RCPT was taken", "the replies to RCPT say why"),
        ReplyGuide(
            .messageAsCommands, "DATA was refused and its text came all the same", "the client must wait for 354"),
        ReplyGuide(.nestedMail, "a second MAIL without end of the first", "RSET, or finish the first"),
        ReplyGuide(.alreadySecured, "STARTTLS inside TLS", "the client's TLS settings"),
        ReplyGuide(.alreadyAuthenticated, "AUTH after AUTH", "the client"),
        ReplyGuide(.noValidRecipients, "every RCPT was refused", "the replies to RCPT say why"),
        ReplyGuide(
            .recipientsDeferred, "every RCPT was refused, some for now only",
            "the replies to RCPT say why, and until when"),
        ReplyGuide(.contentBegun, "a command in the middle of BDAT's chunks", "BDAT, or RSET"),
        ReplyGuide(.chunkRefused, "a chunk behind one that was refused", "RSET, and the message again"),
        ReplyGuide(.chunksOnly, "DATA after BODY=BINARYMIME", "BDAT"),
        ReplyGuide(.malformedChunk, "BDAT without its length: where the message ends cannot be known", "the client"),
        ReplyGuide(.noArgument, "an argument where none belongs", "the client"),
        ReplyGuide(.badHello, "EHLO without a name", "the client's host name"),
        ReplyGuide(.mailSyntax, "MAIL cannot be read", "the client"),
        ReplyGuide(.recipientSyntax, "RCPT cannot be read", "the client"),
        ReplyGuide(.senderWithoutBrackets, "MAIL without <>, or with a blank in front of it", "the client"),
        ReplyGuide(.recipientWithoutBrackets, "RCPT without <>, or with a blank in front of it", "the client"),
        ReplyGuide(.verifySyntax, "VRFY without an address", "the client"),
        ReplyGuide(.malformedParameter, "a parameter of MAIL or RCPT is malformed or given twice", "the client"),
        ReplyGuide(.unknownParameter, "a parameter that EHLO did not offer", "the client"),
        ReplyGuide(.inputAfterStartTLS, "clear text behind STARTTLS (CVE-2011-0411)", "the client must wait for 220"),
        ReplyGuide(.inputBeforeGreeting, "the client spoke first", "the client must wait for 220"),
    ]

    private static let security: [ReplyGuide] = [
        ReplyGuide(.startTLSFirst, "no TLS yet", "STARTTLS in the client's settings, or port 465"),
        ReplyGuide(.authenticateFirst, "no AUTH yet", "user name and secret in the client's settings"),
        ReplyGuide(.encryptionRequired, "AUTH in the clear", "STARTTLS in the client's settings"),
        ReplyGuide(.authenticationCancelled, "the client gave AUTH up with `*`"),
        ReplyGuide(.notBase64, "an AUTH line that is no base64", "the client"),
        ReplyGuide(.authSyntax, "AUTH cannot be read", "the client"),
        ReplyGuide(.unknownMechanism, "a mechanism that EHLO did not offer", "one of those in EHLO's AUTH line"),
        ReplyGuide(.credentialsInvalid, "unknown user, wrong secret, revoked, or a network not allowed", "the log"),
        ReplyGuide(
            .relayingDenied, "at a relay: no certificate of the pool, or an envelope it does not take",
            "the forwarder's certificate, relay.authorities"),
    ]

    private static var envelope: [ReplyGuide] {
        [
            ReplyGuide(.emptyMessage, "nothing came between DATA and the dot", "the client"),
            ReplyGuide(
                .tooManyRecipients(limit: 100), "more recipients than one message may have",
                "send the rest in another; `tenant set --recipients-per-message`"),
            ReplyGuide(
                .tooLarge(limit: 26_214_400), "the message, or its SIZE, is over the limit",
                "`tenant set --message-size`, `credential set --message-size`"),
            ReplyGuide(
                .unfit(ContentDefect(octet: .bareLF, line: 1, position: 23)),
                "a line does not end in CR LF, or has a NUL", "the client's line ends"),
        ] + AddressError.allCases.map { ReplyGuide(.sender($0), "the address in MAIL", "the envelope sender") }
            + AddressError.allCases.map { ReplyGuide(.recipient($0), "the address in RCPT", "the recipient's address") }
    }

    private static let endings: [ReplyGuide] = [
        ReplyGuide(.tooManyErrors, "one refused command after the other", "the replies before say why"),
        ReplyGuide(.tooManyIdleCommands, "many commands and no mail", "the client"),
        ReplyGuide(.lineFlood, "a line without end", "no SMTP client"),
        ReplyGuide(.notHTTP, "a web browser, or an attack through one", "the port"),
    ]
}
