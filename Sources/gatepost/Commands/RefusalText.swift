import Ledger
import SMTP
import Submission

/// A refusal of accept's, as its event keeps it: the reply made again by the code that made it.
enum RefusalText {
    static func reply(_ detail: JSON) -> String? {
        guard let verdict = detail["verdict"]?.plain.flatMap(AcceptRefusal.Verdict.init(rawValue:)) else { return nil }
        func number(_ name: String) -> Int64? { detail[name]?.plain.flatMap { Int64($0) } }
        return Rehearsal.reply(
            to: AcceptRefusal(
                verdict: verdict, limit: detail["limit_name"]?.plain, cap: number("cap"), used: number("used"),
                resetsText: detail["resets_text"]?.plain,
                policy: detail["policy"]?.plain.flatMap(AcceptRefusal.Policy.init(rawValue:)) ?? .deferral,
                detail: detail["detail"]?.plain)
        ).description
    }
}

/// What lets pass what an event says was refused.
enum RefusalHint {
    /// A command that changes the rule, or says how its figure stands; nil: none would help.
    ///
    /// - Parameters:
    ///   - detail: the event's.
    ///   - reply: what the client was given.
    static func command(for detail: JSON, reply: String?, tenant: String, credential: String?) -> String? {
        func tenantSet(_ option: String) -> String { "gatepost tenant set \(tenant) --\(option)" }
        func credentialCommand(_ name: String, _ option: String = "") -> String? {
            credential.map { "gatepost credential \(name) \($0)" + (option.isEmpty ? "" : " --\(option)") }
        }
        // Nodes name the limit or the rule; accept names its verdict, and of a figure the limit.
        guard let rule = (detail["limit"] ?? detail["limit_name"])?.plain ?? detail["verdict"]?.plain else {
            return nil
        }
        let named = detail["detail"]?.plain
        switch rule {
        case "daily", "monthly", "bytes_daily", "first_time_daily", "rate": return "gatepost usage \(tenant)"
        case "credential_daily", "credential_monthly", "credential_bytes_daily", "credential_rate":
            return credentialCommand("show")
        case "message_size": return tenantSet("message-size SIZE")
        case "credential_message_size": return credentialCommand("set", "message-size SIZE")
        case "recipients_per_message": return tenantSet("recipients-per-message N")
        case "credential_recipients_per_message": return credentialCommand("set", "recipients-per-message N")
        case "sessions": return tenantSet("sessions N")
        case "credential_sessions": return credentialCommand("set", "sessions N")
        case "null_sender": return tenantSet("null-sender on")
        case "foreign_names": return tenantSet("foreign-names on")
        case "sender_domain", "from_domain":
            let domain = typeable(named) ?? typeable(reply?.firstMatch(of: /names (\S+), which/)?.1)
            return "gatepost domain add \(tenant) \(domain ?? "DOMAIN")"
        case "suppressed":
            let address = typeable(named?.prefix { $0 != ":" })
            return "gatepost suppression remove \(tenant) \(address ?? "ADDRESS")"
        case "tenant_suspended": return "gatepost tenant resume \(tenant)"
        case "credential_suspended": return credentialCommand("resume")
        case "credential_not_yet": return credentialCommand("set", "not-before now")
        case "credential_expired": return credentialCommand("set", "expires never")
        // (What is set of the last three replaces all there is: nobody should set one without having seen the others.)
        case "login_expired", "sender_address", "networks", "mechanisms": return credentialCommand("show")
        case "credential_revoked", "credential_unknown": return "gatepost credential issue \(tenant)"
        default: return nil
        }
    }

    /// A client's text that a shell takes as it is: the command will be copied.
    private static func typeable(_ text: (some StringProtocol)?) -> String? {
        guard let text, !text.isEmpty, text.first != "-" else { return nil }
        let isPlain = text.allSatisfy { $0.isLetter || $0.isNumber || "@.-_+=:".contains($0) }
        return isPlain ? String(text) : nil
    }
}
