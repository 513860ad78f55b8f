import Testing

@testable import SMTP

/// One row of the table of hostile and broken input, played against the pure machine: whole, in every two pieces and octet
/// by octet. Each begins with its section.
///
///     §1 framing and smuggling       ThreatFramingTests, SubmissionFramingTests, ContentScannerTests, RandomDialogueTests
///     §2, §3 what a dialogue decides ThreatFramingTests, SubmissionSecurityTests (STARTTLS with more in its segment)
///     §4 order, pipelining, BDAT     ThreatOrderTests, SubmissionOrderTests
///     §5 envelope                    ThreatEnvelopeTests, SubmissionEnvelopeTests, AddressTests
///     §6 headers and body            MailMessageTests: MessageThreatTests, AuthorTests, HeaderScanTests, FixupTests
///     §10 the gate                   RelayTranscriptTests, RelayChunkTests, RandomDialogueTests
///     §1 … §6 on the wire            EndToEnd: ThreatTests; §10: RelayTests (Clients/gate.py)
struct ThreatCase: CustomTestStringConvertible, Sendable {
    let row: String
    let start: SubmissionSubject.Start
    let text: String

    init(_ row: String, _ start: SubmissionSubject.Start, _ text: String) {
        self.row = row
        self.start = start
        self.text = text
    }

    var testDescription: String { row }

    func check(_ location: SourceLocation = #_sourceLocation) {
        Transcript(text).check({ SubmissionSubject(start) }, location)
    }

    /// In a transaction with one recipient, `sent` as content by DATA, and what comes of it.
    static func content(_ row: String, _ sent: String, _ outcome: String) -> ThreatCase {
        ThreatCase(
            row, .transaction,
            """
            C RCPT TO:<b@d.example>
            S 250 2.1.5 Recipient ok
            C DATA
            S 354 End data with <CR><LF>.<CR><LF>
            \(sent.split(separator: "\n").map { "C \($0)" }.joined(separator: "\n"))
            \(outcome)
            C NOOP
            S 250 2.0.0 Ok
            """)
    }

    /// In a transaction with one recipient.
    static func recipient(_ row: String, _ text: String) -> ThreatCase {
        ThreatCase(row, .transaction, "C RCPT TO:<b@d.example>\nS 250 2.1.5 Recipient ok\n" + text)
    }
}
