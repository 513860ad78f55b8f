/// What a client is refused, as it is about to be told: for those who must be able to explain it later by the id that
/// the reply ends with.
package struct Refused: Equatable, Sendable {
    /// How much of what a client sent is kept.
    static let longestArgument = 300

    /// `MAIL`, `RCPT`, `DATA`, `BDAT` or another verb; `session` where no command is answered, `no command` where what
    /// came is none.
    package let stage: String
    /// What stood behind MAIL or RCPT, escaped and short. Of other lines nothing is kept: they may hold a secret.
    package let argument: String?
    package let reply: Reply

    package init(stage: String, argument: String?, reply: Reply) {
        self.stage = stage
        self.argument = argument
        self.reply = reply
    }
}

extension CommandLine.Verb {
    /// As a refusal names it; nil: not a command of ours.
    var stage: String? {
        switch self {
        case .ehlo: "EHLO"
        case .helo: "HELO"
        case .lhlo: "LHLO"
        case .startTLS: "STARTTLS"
        case .auth: "AUTH"
        case .mail: "MAIL"
        case .rcpt: "RCPT"
        case .data: "DATA"
        case .rset: "RSET"
        case .noop: "NOOP"
        case .quit: "QUIT"
        case .help: "HELP"
        case .vrfy: "VRFY"
        case .bdat: "BDAT"
        case .absent, .web, .unknown: nil
        }
    }
}
