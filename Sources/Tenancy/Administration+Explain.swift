package import Postgres
package import SMTP

/// A message that nobody has sent: what `explain` asks about.
package struct ExplainQuestion: Sendable {
    /// A login's name, as the client gives it.
    package var username: String
    /// Textual; nil: not said.
    package var client: String?
    /// SASL's name; nil: not said.
    package var mechanism: String?
    package var sender: ReversePath
    /// Whom the header speaks for, the author first; empty: the envelope sender.
    package var authors: [Mailbox]
    package var recipients: [Mailbox]
    /// Octets.
    package var size: Int64

    package init(
        username: String, client: String? = nil, mechanism: String? = nil, sender: ReversePath, authors: [Mailbox] = [],
        recipients: [Mailbox], size: Int64
    ) {
        self.username = username
        self.client = client
        self.mechanism = mechanism
        self.sender = sender
        self.authors = authors.isEmpty ? [sender.mailbox].compactMap(\.self) : authors
        // As an envelope holds them: a recipient given twice is there once.
        self.recipients = recipients.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
        self.size = size
    }
}

/// One rule a message is judged by: `admin.explain`'s row.
package struct ExplainStep: Sendable, Hashable {
    /// Where a session meets it: `AUTH`, `MAIL`, `RCPT` or `DATA`.
    package var stage: String
    package var rule: String
    /// What is in force; nil: there is no such limit.
    package var value: String?
    /// How it stands.
    package var stands: String?
    /// nil: cannot be known from here.
    package var passes: Bool?
    /// What accept calls a refusal by it; nil: sessions alone judge it.
    package var verdict: String?
    package var detail: String?
    /// The end of a `gatepost` command that would let it pass.
    package var hint: String?
    package var limit: String?
    package var cap, used: Int64?
    package var resetsText, policy: String?
}

extension Administration {
    /// Every rule in the order in which a session meets them. Reads only.
    package func explain(_ question: ExplainQuestion) async throws(AdministrationError) -> [ExplainStep] {
        let (sender, domain) = question.senderTexts
        return try await read(
            """
            SELECT stage, rule, value, stands, passes, verdict, detail, hint, limit_name, cap, used, resets_text, policy
            FROM admin.explain($1, $2, $3, $4, $5, $6, $7, $8, $9)
            """,
            [
                .text(question.username), .optional(question.client), .optional(question.mechanism), .text(sender),
                .text(domain), .textArray(question.authors.map(\.description)),
                .textArray(question.authors.map(\.domain.name)), .textArray(question.recipients.map(\.description)),
                .int64(question.size),
            ]
        ) { row in
            ExplainStep(
                stage: try row.string("stage"), rule: try row.string("rule"), value: try row.stringOrNil("value"),
                stands: try row.stringOrNil("stands"), passes: try row.boolOrNil("passes"),
                verdict: try row.stringOrNil("verdict"), detail: try row.stringOrNil("detail"),
                hint: try row.stringOrNil("hint"), limit: try row.stringOrNil("limit_name"),
                cap: try row.int64OrNil("cap"), used: try row.int64OrNil("used"),
                resetsText: try row.stringOrNil("resets_text"), policy: try row.stringOrNil("policy"))
        }
    }

    /// accept's own answer, in a transaction that is taken back: `Ledger.AcceptTrial` reads it. No row: nobody has the
    /// username.
    package func explainTrial(_ question: ExplainQuestion) async throws(AdministrationError) -> Rows {
        let (sender, domain) = question.senderTexts
        // A message without any author is refused before the ledger hears of it.
        let authors = question.authors
        return try await rows(
            "SELECT * FROM admin.explain_trial($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            [
                .text(question.username), .optional(question.client), .text(sender), .text(domain),
                .textArray(authors.map(\.description)), .textArray(authors.map(\.domain.name)),
                .textArray(question.recipients.map(\.description)),
                .textArray(question.recipients.map(\.domain.name)), .int64(question.size),
            ])
    }
}

extension ExplainQuestion {
    /// The reverse-path without brackets, and its domain.
    fileprivate var senderTexts: (String, String) {
        switch sender {
        case .null: ("", "")
        case .mailbox(let mailbox): (mailbox.description, mailbox.domain.name)
        }
    }
}
