import Tenancy

extension HelpTopic {
    /// `gatepost help limits`, made from the one table.
    static let limits = HelpTopic(
        name: "limits", abstract: "Every limit: its unit, its window, its default, and the reply over it.",
        entries: LimitCatalogue.all.map { limit in
            Entry(
                term: limit.name,
                text: "\(limit.text) Counts \(limit.unit.rawValue); \(limit.window.rawValue). "
                    + "Default \(LimitTable.standard(limit)). Over it: \(limit.reply). "
                    + "`\(limit.scope.rawValue) set \(LimitTable.sample(limit))`")
        },
        closing:
            "A credential's limits stand beside its tenant's, never instead. A tenant's value is its own, else its "
            + "plan's, else the default; `inherit` gives it back. Unlimited is the word `unlimited`; 0 and -1 are not "
            + "taken for it. What is refused counts nothing, and neither does a retry.")
}

/// The README's table of limits; a test compares the two.
enum LimitTable {
    static func standard(_ limit: LimitDescription) -> String {
        guard let standard = limit.standard else { return limit.scope == .credential ? "the tenant's" : "unlimited" }
        return limit.unit == .octets ? Show.size(standard) : String(standard)
    }

    static func sample(_ limit: LimitDescription) -> String {
        limit.option + " " + (limit.unit == .octets ? (limit.window == .message ? "10MiB" : "2GiB") : "50")
            + (limit.name == "rate" ? " --burst 20" : "")
    }

    static var markdown: String {
        "| limit | option | counts | window | default | over it |\n| --- | --- | --- | --- | --- | --- |\n"
            + LimitCatalogue.all.map { limit in
                "| `\(limit.name)` | `\(limit.option)` | \(limit.unit.rawValue) | \(limit.window.rawValue) | "
                    + "\(standard(limit)) | \(limit.reply) |\n"
            }.joined()
    }
}
