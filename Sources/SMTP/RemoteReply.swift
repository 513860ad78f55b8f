/// What the other side said, or what went wrong instead, as it is kept and shown.
package struct RemoteReply: Hashable, Sendable, CustomStringConvertible {
    package let code: Int
    package let enhanced: EnhancedCode?
    /// Printable ASCII, escaped, at most ``maxTextLength`` octets; several lines are joined by blanks.
    package let text: String
    /// What it answers: a verb (`DATA` also while the content is sent), `greeting`, `end of data`, or `nothing`.
    package let command: String
    /// Nobody said it: we did not ask, or heard nothing, or nothing that could be used. Its text is a sentence of ours.
    package let isOurs: Bool
    /// It came from one of our own relays, which may be passing on what another server said (``passedOn``).
    package let isFromOurRelay: Bool
    /// Who said it makes reports itself (DSN), and was told which are asked for.
    private let isFromReporter: Bool

    package static let maxTextLength = 1000
    /// ``command`` where all of the message has been sent.
    package static let endOfData = "end of data"

    package init(
        code: Int, enhanced: EnhancedCode?, text: String, command: String, isOurs: Bool = false,
        isFromOurRelay: Bool = false, isFromReporter: Bool = false
    ) {
        self.code = code
        self.enhanced = enhanced
        self.text = text.escaped(limit: Self.maxTextLength)
        self.command = command
        self.isOurs = isOurs
        self.isFromOurRelay = isFromOurRelay
        self.isFromReporter = isFromReporter
    }

    init(
        code: Int, enhanced: EnhancedCode?, lines: [[UInt8]], command: String, isFromOurRelay: Bool = false,
        isFromReporter: Bool = false
    ) {
        self.code = code
        self.enhanced = enhanced
        text = Array(lines.joined(separator: [.space])).escaped(limit: Self.maxTextLength)
        self.command = command
        isOurs = false
        self.isFromOurRelay = isFromOurRelay
        self.isFromReporter = isFromReporter
    }

    package var isPositive: Bool { (200..<300).contains(code) }

    package var description: String {
        let said = "\(code) \(enhanced.map { "\($0) " } ?? "")\(text)"
        return isOurs ? said : "\(said) (in reply to \(command))"
    }
}

extension RemoteReply {
    /// All of the message was sent, and nothing was heard of it.
    package var mayHaveBeenTaken: Bool { isOurs && command == Self.endOfData }

    /// What our own relay says of a message that goes no further: it is filed where its recipients find it.
    package static let filedText = "Ok: filed as "

    package var saysFiled: Bool { isFromOurRelay && isPositive && text.hasPrefix(Self.filedText) }

    /// Our own relay's gate does not know who asks: a certificate to renew, or a list that it lacks.
    package var saysRelayingDenied: Bool {
        enhanced == EnhancedCode(5, 7, 1) && text == Reply.relayingDenied.lines[0]
    }

    /// What our own relay says where its disk is full, or its folder is gone.
    package static let diskFullText = "The relay's disk is full; please try again later."
    package static let cannotFileText = "The relay could not file the message; please try again later."

    /// What our own relay says where the server behind it greets badly, refuses TLS or the login, or is not there.
    package static let notReachedCode = EnhancedCode(4, 4, 1)

    /// It is our own relay's word on itself or on what is behind it, whatever the message.
    package var isAboutRelay: Bool {
        guard isFromOurRelay, !isPositive else { return false }
        return text == Self.diskFullText || text == Self.cannotFileText
            || enhanced == Self.notReachedCode && quotation == nil
    }

    private static let quoteMark = " said: "
    /// Behind the name of a server that tells senders itself.
    private static let reporterMark = ", which reports,"

    /// How our own relay tells what became of a message at another server: that server's words behind its name, or the
    /// sentence that says why there are none.
    package func words(of server: String) -> String {
        let words = enhanced.map { "\($0) \(text)" } ?? text
        let mark = tellsSenders && isPositive ? Self.reporterMark : ""
        if !isOurs { return "\(server)\(mark)\(Self.quoteMark)\(code) \(words)" }
        return text.contains(server) ? text : "delivery to \(server): \(text)"
    }

    /// The server that really spoke, and its words, where our own relay passed them on. From anybody else it is nil: no
    /// server is believed what another one said.
    package var passedOn: (server: String, words: String)? {
        quotation.map { ($0.server, $0.words) }
    }

    /// Of a positive one: the sender hears of what becomes of the message from whom it was handed to, or from a server
    /// behind that.
    package var tellsSenders: Bool { isFromOurRelay ? quotation?.isOfReporter ?? false : isFromReporter }

    private var quotation: (server: String, isOfReporter: Bool, words: String)? {
        guard isFromOurRelay, let mark = text.firstRange(of: Self.quoteMark) else { return nil }
        var (server, words) = (text[..<mark.lowerBound], text[mark.upperBound...])
        let isOfReporter = server.hasSuffix(Self.reporterMark)
        if isOfReporter { server = server.dropLast(Self.reporterMark.count) }
        guard !server.isEmpty, !server.contains(" "), words.utf8.prefix(3).allSatisfy(\.isDigit),
            words.dropFirst(3).hasPrefix(" ")
        else { return nil }
        return (String(server), isOfReporter, String(words))
    }
}
