/// A limit as operators write it: a number from 1, or the word `unlimited`.
package enum Limit: Sendable, Hashable {
    case unlimited
    case of(Int64)
}

/// What a tenant does with mail over a cap: 450 (come back later) or 550 (no).
package enum CapPolicy: String, Sendable, CaseIterable {
    case `defer`, reject
}

/// Limits and ways of a tenant to set; what is nil stays as it is, or is the default for a new tenant.
///
/// One member for each limit that accept or the session enforces, and no other.
package struct TenantChanges: Sendable, Hashable {
    /// Recipients a local day and a local month.
    package var daily, monthly: Limit?
    /// Recipients a minute, and how many at once.
    package var rate: Limit?
    package var burst: Int64?
    /// Octets.
    package var messageSize: Int64?
    package var recipientsPerMessage: Int64?
    /// At a time, on each node.
    package var sessions: Limit?
    /// An IANA name.
    package var zone: String?
    package var policy: CapPolicy?
    package var partial, resubmission, nullSender: Bool?
    package var pool: String?

    package init() {}

    package var isEmpty: Bool { members.isEmpty }

    /// What `admin.tenant_create` and `admin.tenant_set` take.
    package var json: String {
        "{" + members.map { "\(JSONText.string($0.name)): \($0.value)" }.joined(separator: ", ") + "}"
    }

    private var members: [(name: String, value: String)] {
        var members: [(String, String)] = []
        func add(_ name: String, _ value: String?) { if let value { members.append((name, value)) } }
        add("daily", daily.map(Self.text))
        add("monthly", monthly.map(Self.text))
        add("rate", rate.map(Self.text))
        add("burst", burst.map { String($0) })
        add("message_size", messageSize.map { String($0) })
        add("recipients_per_message", recipientsPerMessage.map { String($0) })
        add("sessions", sessions.map(Self.text))
        add("zone", zone.map(JSONText.string))
        add("policy", policy.map { JSONText.string($0.rawValue) })
        add("partial", partial.map { String($0) })
        add("resubmission", resubmission.map { String($0) })
        add("null_sender", nullSender.map { String($0) })
        add("pool", pool.map(JSONText.string))
        return members
    }

    private static func text(_ limit: Limit) -> String {
        switch limit {
        case .unlimited: "null"
        case .of(let number): String(number)
        }
    }
}
