import Ledger
import SMTP
import Tenancy

// What is known here of what accept would say, before it is asked.

/// Of a transaction's recipients, in their order: how many were asked about, and how many of these are suppressed.
struct SparedRecipients {
    var asked = 0
    var found = 0
}

extension Login.Room {
    /// What is used of its cap: more than the cap, where that was lowered below it.
    func taken(of cap: Int64) -> Int64 {
        guard let remaining, remaining > 0 else { return max(cap, used ?? cap) }
        return cap - remaining
    }
}

extension AcceptRefusal {
    /// What accept would say to a message of so many octets; nil where it fits or nothing is known.
    init?(_ room: Login.Room, octets: Int, policy: CapPolicy) {
        guard let remaining = room.remaining, let cap = room.cap, Int64(octets) > remaining else { return nil }
        guard octets <= cap else {
            // No day has room for it, whatever is left of this one.
            self.init(verdict: .messageSize, limit: room.limitName, cap: cap, used: Int64(octets))
            return
        }
        self.init(
            verdict: room.limitName == "credential_bytes_daily" ? .credentialBytesDailyCap : .bytesDailyCap,
            limit: room.limitName, cap: cap, used: room.taken(of: cap), resetsAt: room.resetsAt,
            resetsText: room.resetsText, policy: policy == .reject ? .rejection : .deferral)
    }

    /// What is left of the cap that refused; nil where it is not one that MAIL and RCPT look at.
    var room: (room: Login.Room, isOfOctets: Bool)? {
        let isOfOctets: Bool
        switch verdict {
        case .dailyCap, .monthlyCap, .credentialDailyCap, .credentialMonthlyCap: isOfOctets = false
        case .bytesDailyCap, .credentialBytesDailyCap: isOfOctets = true
        default: return nil
        }
        guard let cap, let used else { return nil }
        let room = Login.Room(
            remaining: max(0, cap - used), limitName: limit, cap: cap, used: used, resetsAt: resetsAt,
            resetsText: resetsText)
        return (room, isOfOctets)
    }

    /// For the event that explains it.
    var figures: RefusalEvent.Limit {
        RefusalEvent.Limit(limit ?? verdict.rawValue, cap: cap, used: used, resets: resetsText)
    }
}

extension Login.Obstacle {
    /// Its name in events: accept's verdict of the same case.
    var rule: String {
        let verdict: AcceptRefusal.Verdict =
            switch self {
            case .tenantSuspended: .tenantSuspended
            case .credentialRevoked: .credentialRevoked
            case .credentialSuspended: .credentialSuspended
            case .credentialNotYet: .credentialNotYet
            case .credentialExpired: .credentialExpired
            case .loginExpired: .loginExpired
            }
        return verdict.rawValue
    }
}

extension Login {
    /// Whether it may speak in that address's name: local-part@domain.
    func allows(author address: String) -> Bool {
        guard let at = address.lastIndex(of: "@") else { return false }
        return allows(sender: address, of: String(address[address.index(after: at)...]))
    }
}
