/// Every reply this module gives by itself, and those its callers share.
extension Reply {
    // MARK: Positive

    package static let ok = Reply(250, EnhancedCode(2, 0, 0), "Ok")
    package static let senderOK = Reply(250, EnhancedCode(2, 1, 0), "Sender ok")
    package static let recipientOK = Reply(250, EnhancedCode(2, 1, 5), "Recipient ok")
    package static let readyForTLS = Reply(220, EnhancedCode(2, 0, 0), "Ready to start TLS")
    package static let authenticated = Reply(235, EnhancedCode(2, 7, 0), "Authentication succeeded")
    package static let goodbye = Reply(221, EnhancedCode(2, 0, 0), "Bye")
    package static let startContent = Reply(354, nil, "End data with <CR><LF>.<CR><LF>")
    package static let help = Reply(214, EnhancedCode(2, 0, 0), "See RFC 5321 and RFC 6409")
    package static let cannotVerify = Reply(252, EnhancedCode(2, 0, 0), "Send some mail and it will be tried")

    /// The answer to acceptance, with the id the message is found by.
    package static func queued(_ id: String) -> Reply { Reply(250, EnhancedCode(2, 0, 0), "Ok: queued as \(id)") }

    static func greeting(_ hostname: String, _ name: String) -> Reply {
        Reply(220, nil, "\(hostname) \(name) Gatepost")
    }

    // MARK: Syntax and order

    package static let syntaxError = Reply(500, EnhancedCode(5, 5, 2), "Control characters or a broken line end")
    package static let unknownCommand = Reply(500, EnhancedCode(5, 5, 2), "Command not recognised")
    package static let lineTooLong = Reply(500, EnhancedCode(5, 5, 2), "Line too long")
    package static let eightBitCommand = Reply(501, EnhancedCode(5, 5, 2), "Octets over 127 in a command")
    package static let responseTooLong = Reply(500, EnhancedCode(5, 5, 6), "Authentication line too long")
    package static let notImplemented = Reply(502, EnhancedCode(5, 5, 1), "Command not implemented")
    package static let badSequence = Reply(503, EnhancedCode(5, 5, 1), "Bad sequence of commands")
    package static let helloFirst = Reply(503, EnhancedCode(5, 5, 1), "Send EHLO first")
    package static let senderFirst = Reply(503, EnhancedCode(5, 5, 1), "Send MAIL first")
    package static let recipientFirst = Reply(503, EnhancedCode(5, 5, 1), "Send RCPT first")
    package static let messageAsCommands = Reply(
        503, EnhancedCode(5, 5, 1), "DATA was refused and message text followed; close and start again")
    package static let nestedMail = Reply(503, EnhancedCode(5, 5, 1), "A mail transaction is already open")
    package static let alreadySecured = Reply(503, EnhancedCode(5, 5, 1), "TLS is already in use")
    package static let alreadyAuthenticated = Reply(503, EnhancedCode(5, 5, 1), "Already authenticated")
    package static let noValidRecipients = Reply(554, EnhancedCode(5, 5, 1), "No valid recipients")
    package static let noArgument = Reply(501, EnhancedCode(5, 5, 4), "This command takes no argument")
    package static let badHello = Reply(501, EnhancedCode(5, 5, 4), "Give a host name or an address literal")
    package static let mailSyntax = Reply(501, EnhancedCode(5, 5, 4), "Syntax: MAIL FROM:<address> [parameters]")
    package static let recipientSyntax = Reply(501, EnhancedCode(5, 5, 4), "Syntax: RCPT TO:<address>")
    package static let malformedParameter = Reply(501, EnhancedCode(5, 5, 4), "Malformed or repeated parameter")
    package static let unknownParameter = Reply(555, EnhancedCode(5, 5, 4), "Parameter not recognised or not offered")
    package static let inputAfterStartTLS = Reply(
        554, EnhancedCode(5, 5, 0), "Nothing may follow STARTTLS before TLS; closing")
    package static let inputBeforeGreeting = Reply(
        554, EnhancedCode(5, 5, 0), "The server speaks first; closing")

    // MARK: Security

    package static let startTLSFirst = Reply(530, EnhancedCode(5, 7, 0), "Must issue a STARTTLS command first")
    package static let authenticateFirst = Reply(530, EnhancedCode(5, 7, 0), "Authentication required")
    package static let encryptionRequired = Reply(
        538, EnhancedCode(5, 7, 11), "Encryption required for authentication; use STARTTLS")
    package static let authenticationCancelled = Reply(501, EnhancedCode(5, 7, 0), "Authentication cancelled")
    package static let notBase64 = Reply(501, EnhancedCode(5, 5, 2), "Not valid base64")
    package static let authSyntax = Reply(501, EnhancedCode(5, 5, 4), "Syntax: AUTH mechanism [initial-response]")
    package static let unknownMechanism = Reply(504, EnhancedCode(5, 5, 4), "Authentication mechanism not supported")
    package static let credentialsInvalid = Reply(535, EnhancedCode(5, 7, 8), "Authentication credentials invalid")
    package static let relayingDenied = Reply(550, EnhancedCode(5, 7, 1), "Relaying denied")

    // MARK: Envelope and content

    package static let tooManyRecipients = Reply(452, EnhancedCode(4, 5, 3), "Too many recipients")
    package static let tooLarge = Reply(552, EnhancedCode(5, 3, 4), "Message size exceeds the limit")

    static func tooLarge(limit: Int) -> Reply {
        Reply(552, EnhancedCode(5, 3, 4), "Message size exceeds the limit of \(limit) octets")
    }

    static func unfit(_ defect: ContentDefect) -> Reply {
        Reply(
            550, EnhancedCode(5, 6, 0),
            "\(defect.octet.rawValue) in line \(defect.line), octet \(defect.position); lines must end in CRLF")
    }

    /// The answer to an address in MAIL.
    static func sender(_ error: AddressError) -> Reply {
        switch error {
        case .malformed, .withoutDomain: Reply(501, EnhancedCode(5, 1, 7), "Sender address is malformed")
        case .tooLong: Reply(501, EnhancedCode(5, 1, 7), "Sender address is too long")
        case .addressLiteral: Reply(550, EnhancedCode(5, 1, 8), "Sender address must have a domain name")
        case .internationalized:
            Reply(550, EnhancedCode(5, 6, 7), "Sender address is not ASCII and SMTPUTF8 is not offered")
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
            Reply(553, EnhancedCode(5, 6, 7), "Recipient address is not ASCII and SMTPUTF8 is not offered")
        case .sourceRoute: Reply(553, EnhancedCode(5, 1, 3), "Source routes are not taken")
        case .withoutDomain: Reply(550, EnhancedCode(5, 1, 1), "No such mailbox here; give a domain")
        }
    }

    // MARK: The end of a session

    package static let tooManyErrors = Reply(421, EnhancedCode(4, 7, 0), "Too many errors; closing")
    package static let tooManyIdleCommands = Reply(
        421, EnhancedCode(4, 7, 0), "Too many commands without mail; closing")
    package static let lineFlood = Reply(421, EnhancedCode(4, 7, 0), "Line too long; closing")
    package static let notHTTP = Reply(421, EnhancedCode(4, 7, 0), "This is an SMTP server; closing")
    package static let shuttingDown = Reply(421, EnhancedCode(4, 3, 2), "Service is shutting down; try again")
    package static let idleTimeout = Reply(421, EnhancedCode(4, 4, 2), "Timed out waiting for the client; closing")
    package static let tooManyConnections = Reply(421, EnhancedCode(4, 3, 2), "Too many connections; try again later")
    package static let storeUnavailable = Reply(
        451, EnhancedCode(4, 3, 0), "The message could not be stored just now; try again")
    package static let authenticationUnavailable = Reply(
        454, EnhancedCode(4, 7, 0), "Authentication is not available just now; try again")
    package static let tlsUnavailable = Reply(454, EnhancedCode(4, 7, 0), "TLS is not available just now")
}
