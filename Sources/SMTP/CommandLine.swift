/// One command line, taken apart as far as every dialogue needs it: the verb and what follows.
///
/// Arguments are parsed only when the verb is allowed where the dialogue stands, so that a stranger learns that he is
/// one before he learns about his syntax.
struct CommandLine {
    /// The verbs that have an answer of their own.
    enum Verb: Hashable, Sendable {
        case ehlo, helo, lhlo, startTLS, auth, mail, rcpt, data, rset, noop, quit, help, vrfy
        /// A message's octets follow it, and their number cannot be trusted: the end of framing (RFC 3030).
        case bdat
        /// Commands of RFC 5321 and 1985 that this server has not.
        case absent
        /// The first line of an HTTP request: a browser led here by a hostile page.
        case web
        case unknown
    }

    let verb: Verb
    /// What follows the verb and one blank, blanks at the end dropped (RFC 5321 §4.1.1).
    let argument: ArraySlice<UInt8>

    /// Nil if the line holds a control character: no command runs from such a line.
    init?(_ line: [UInt8]) {
        guard !line.contains(where: \.isControl) else { return nil }
        var end = line.endIndex
        while end > 0, line[end - 1] == .space { end -= 1 }
        let verbEnd = line[..<end].firstIndex(of: .space) ?? end
        verb = Self.verb(line[..<verbEnd])
        argument = verbEnd < end ? line[(verbEnd + 1)..<end] : []
    }

    private static let verbs: [[UInt8]: Verb] = [
        "EHLO": .ehlo, "HELO": .helo, "LHLO": .lhlo, "STARTTLS": .startTLS, "AUTH": .auth, "MAIL": .mail, "RCPT": .rcpt,
        "DATA": .data, "RSET": .rset, "NOOP": .noop, "QUIT": .quit, "HELP": .help, "VRFY": .vrfy, "BDAT": .bdat,
        "EXPN": .absent, "ETRN": .absent, "TURN": .absent, "ATRN": .absent, "SEND": .absent, "SOML": .absent,
        "SAML": .absent, "BURL": .absent,
        "GET": .web, "POST": .web, "PUT": .web, "HEAD": .web, "CONNECT": .web, "OPTIONS": .web, "DELETE": .web,
        "PATCH": .web, "TRACE": .web, "PRI": .web,
    ].reduce(into: [:]) { $0[Array($1.key.utf8)] = $1.value }

    private static func verb(_ octets: ArraySlice<UInt8>) -> Verb {
        if octets.startsIgnoringCase("Host:") { return .web }
        guard octets.count <= 8 else { return .unknown }
        return verbs[octets.map(\.uppercased)] ?? .unknown
    }
}
