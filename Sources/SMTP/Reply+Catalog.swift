/// Every reply the dialogues give by themselves. What the roles decide, they word themselves.
extension Reply {
    // MARK: Positive

    static let ok = Reply(250, EnhancedCode(2, 0, 0), "Ok")
    static let senderOK = Reply(250, EnhancedCode(2, 1, 0), "Sender ok")
    static let recipientOK = Reply(250, EnhancedCode(2, 1, 5), "Recipient ok")
    static let readyForTLS = Reply(220, EnhancedCode(2, 0, 0), "Ready to start TLS")
    static let authenticated = Reply(235, EnhancedCode(2, 7, 0), "Authentication succeeded")
    static let goodbye = Reply(221, EnhancedCode(2, 0, 0), "Bye")
    static let startContent = Reply(354, nil, "End data with <CR><LF>.<CR><LF>")
    static func chunkReceived(_ octets: Int) -> Reply {
        Reply(250, EnhancedCode(2, 0, 0), "\(octets) octets received")
    }

    static let help = Reply(214, EnhancedCode(2, 0, 0), "See RFC 5321 and RFC 6409")
    static let cannotVerify = Reply(252, EnhancedCode(2, 0, 0), "Send some mail and it will be tried")

    static func greeting(_ hostname: String, _ name: String) -> Reply {
        Reply(220, nil, "\(hostname) \(name) Gatepost")
    }

    // MARK: Syntax and order

    static let syntaxError = Reply(500, EnhancedCode(5, 5, 2), "Control characters or a broken line end")
    static let unknownCommand = Reply(500, EnhancedCode(5, 5, 2), "Command not recognised")
    static let lineTooLong = Reply(500, EnhancedCode(5, 5, 2), "Line too long")
    static let eightBitCommand = Reply(501, EnhancedCode(5, 5, 2), "Octets over 127 in a command")
    static let responseTooLong = Reply(500, EnhancedCode(5, 5, 6), "Authentication line too long")
    static let notImplemented = Reply(502, EnhancedCode(5, 5, 1), "Command not implemented")
    static let badSequence = Reply(503, EnhancedCode(5, 5, 1), "Bad sequence of commands")
    static let helloFirst = Reply(503, EnhancedCode(5, 5, 1), "Send EHLO first")
    static let senderFirst = Reply(503, EnhancedCode(5, 5, 1), "Send MAIL first")
    static let recipientFirst = Reply(503, EnhancedCode(5, 5, 1), "Send RCPT first")
    static let messageAsCommands = Reply(
        503, EnhancedCode(5, 5, 1), "DATA was refused and message text followed; close and start again")
    static let nestedMail = Reply(503, EnhancedCode(5, 5, 1), "A mail transaction is already open")
    static let alreadySecured = Reply(503, EnhancedCode(5, 5, 1), "TLS is already in use")
    static let alreadyAuthenticated = Reply(503, EnhancedCode(5, 5, 1), "Already authenticated")
    static let noValidRecipients = Reply(554, EnhancedCode(5, 5, 1), "No valid recipients")
    static let recipientsDeferred = Reply(
        450, EnhancedCode(4, 5, 1), "No recipient was taken for now; please try again later")
    static let contentBegun = Reply(503, EnhancedCode(5, 5, 1), "Content has begun; send BDAT or RSET")
    static let chunkRefused = Reply(503, EnhancedCode(5, 5, 1), "A chunk of this message was refused; send RSET")
    static let chunksOnly = Reply(503, EnhancedCode(5, 5, 1), "BINARYMIME content comes by BDAT")
    static let malformedChunk = Reply(501, EnhancedCode(5, 5, 4), "Syntax: BDAT octets [LAST]; closing")
    static let noArgument = Reply(501, EnhancedCode(5, 5, 4), "This command takes no argument")
    static let badHello = Reply(501, EnhancedCode(5, 5, 4), "Give a host name or an address literal")
    static let mailSyntax = Reply(501, EnhancedCode(5, 5, 4), "Syntax: MAIL FROM:<address> [parameters]")
    static let recipientSyntax = Reply(501, EnhancedCode(5, 5, 4), "Syntax: RCPT TO:<address>")
    static let malformedParameter = Reply(501, EnhancedCode(5, 5, 4), "Malformed or repeated parameter")
    static let verifySyntax = Reply(501, EnhancedCode(5, 5, 4), "Syntax: VRFY address")
    static let unknownParameter = Reply(555, EnhancedCode(5, 5, 4), "Parameter not recognised or not offered")
    static let inputAfterStartTLS = Reply(
        554, EnhancedCode(5, 5, 0), "Nothing may follow STARTTLS before TLS; closing")
    static let inputBeforeGreeting = Reply(
        554, EnhancedCode(5, 5, 0), "The server speaks first; closing")

    // MARK: Security

    static let startTLSFirst = Reply(530, EnhancedCode(5, 7, 0), "Must issue a STARTTLS command first")
    static let authenticateFirst = Reply(530, EnhancedCode(5, 7, 0), "Authentication required")
    static let encryptionRequired = Reply(
        538, EnhancedCode(5, 7, 11), "Encryption required for authentication; use STARTTLS")
    static let authenticationCancelled = Reply(501, EnhancedCode(5, 7, 0), "Authentication cancelled")
    static let notBase64 = Reply(501, EnhancedCode(5, 5, 2), "Not valid base64")
    static let authSyntax = Reply(501, EnhancedCode(5, 5, 4), "Syntax: AUTH mechanism [initial-response]")
    static let unknownMechanism = Reply(504, EnhancedCode(5, 5, 4), "Authentication mechanism not supported")
    static let credentialsInvalid = Reply(535, EnhancedCode(5, 7, 8), "Authentication credentials invalid")
    static let relayingDenied = Reply(550, EnhancedCode(5, 7, 1), "Relaying denied")

    // MARK: Envelope and content

    static let emptyMessage = Reply(554, EnhancedCode(5, 6, 0), "The message is empty")
    package static func tooManyRecipients(limit: Int) -> Reply {
        Reply(452, EnhancedCode(4, 5, 3), "Too many recipients: a message may have \(limit); send the rest in another")
    }

    package static func tooLarge(limit: Int) -> Reply {
        Reply(552, EnhancedCode(5, 3, 4), "Message size exceeds the limit of \(limit) octets")
    }

    static func unfit(_ defect: ContentDefect) -> Reply {
        Reply(
            550, EnhancedCode(5, 6, 0),
            "\(defect.octet.rawValue) in line \(defect.line), octet \(defect.position); "
                + (defect.octet == .nul ? "no message holds one" : "lines must end in CRLF"))
    }

    static let senderWithoutBrackets = Reply(
        501, EnhancedCode(5, 1, 7), "Sender address must stand in < and >, right behind MAIL FROM:")
    static let recipientWithoutBrackets = Reply(
        501, EnhancedCode(5, 1, 3), "Recipient address must stand in < and >, right behind RCPT TO:")

    /// The answer to an address in MAIL.
    static func sender(_ error: AddressError) -> Reply {
        switch error {
        case .malformed, .withoutDomain: Reply(501, EnhancedCode(5, 1, 7), "Sender address is malformed")
        case .tooLong: Reply(501, EnhancedCode(5, 1, 7), "Sender address is too long")
        case .addressLiteral: Reply(550, EnhancedCode(5, 1, 8), "Sender address must have a domain name")
        case .internationalized:
            Reply(550, EnhancedCode(5, 6, 7), "Sender address is not ASCII and SMTPUTF8 was not given")
        case .sourceRoute: Reply(553, EnhancedCode(5, 1, 7), "Source routes are not taken")
        }
    }

    /// The answer to an address in RCPT.
    static func recipient(_ error: AddressError) -> Reply {
        switch error {
        case .malformed: Reply(501, EnhancedCode(5, 1, 3), "Recipient address is malformed")
        case .tooLong: Reply(501, EnhancedCode(5, 1, 3), "Recipient address is too long")
        case .addressLiteral: Reply(550, EnhancedCode(5, 1, 2), "Recipient address must have a domain name")
        case .internationalized:
            Reply(553, EnhancedCode(5, 6, 7), "Recipient address is not ASCII and MAIL had no SMTPUTF8")
        case .sourceRoute: Reply(553, EnhancedCode(5, 1, 3), "Source routes are not taken")
        case .withoutDomain: Reply(550, EnhancedCode(5, 1, 1), "No such mailbox here; give a domain")
        }
    }

    // MARK: The end of a session

    static let tooManyErrors = Reply(421, EnhancedCode(4, 7, 0), "Too many errors; closing")
    static let tooManyIdleCommands = Reply(
        421, EnhancedCode(4, 7, 0), "Too many commands without mail; closing")
    static let lineFlood = Reply(421, EnhancedCode(4, 7, 0), "Line too long; closing")
    static let notHTTP = Reply(421, EnhancedCode(4, 7, 0), "This is an SMTP server; closing")
}
