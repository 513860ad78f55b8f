extension Judge {
    /// A tenant as it was at an instant.
    fileprivate struct Standing {
        var caps: [String: Int64?] = [:]
        var isActive = true
        var revoked: Set<String> = []
        var hasDomain = true
        /// By day and by month.
        var used: [String: [String: Int64]] = ["daily": [:], "monthly": [:]]
    }

    private enum Step {
        case change(Evidence.Change)
        case entry(Evidence.Entry)
    }

    /// Goes through debits, refunds and changes in the order of their instants: each was taken under the meter.
    mutating func replayDebits() {
        var steps: [String: [(at: Int64, order: Int, step: Step)]] = [:]
        for change in evidence.changes { steps[change.tenant, default: []].append((change.at, 0, .change(change))) }
        for entry in evidence.ledger {
            // At one instant a refund comes first: the debit beside it may have waited for it.
            steps[entry.tenant, default: []].append((entry.at, entry.number == 0 ? 2 : 1, .entry(entry)))
        }
        for (tenant, unordered) in steps {
            var standing = Standing()
            for (_, _, step) in unordered.sorted(by: { ($0.at, $0.order) < ($1.at, $1.order) }) {
                switch step {
                case .change(let change): standing.take(change)
                case .entry(let entry): replay(entry, of: tenant, &standing)
                }
            }
        }
    }

    private mutating func replay(_ entry: Evidence.Entry, of tenant: String, _ standing: inout Standing) {
        for (cap, period) in [("daily", entry.day), ("monthly", entry.month)] {
            let used = standing.used[cap, default: [:]][period, default: 0] + entry.recipients
            standing.used[cap, default: [:]][period] = used
            guard !evidence.clockMoves, entry.number == 0, let limit = standing.caps[cap] ?? nil, used > limit else {
                continue
            }
            note(.overCap, "\(tenant): a debit of \(entry.recipients) took \(period) to \(used), over \(limit) \(cap)")
        }
        guard entry.number == 0, !evidence.clockMoves else { return }
        if !standing.isActive { note(.unauthorised, "\(tenant): \(entry.message) was debited while suspended") }
        if !standing.hasDomain { note(.unauthorised, "\(tenant): \(entry.message) was debited without a domain") }
        if standing.revoked.contains(entry.credential) {
            note(.unauthorised, "\(entry.credential): \(entry.message) was debited after the revoke")
        }
    }
}

extension Judge.Standing {
    fileprivate mutating func take(_ change: Evidence.Change) {
        for (cap, limit) in change.caps { caps.updateValue(limit, forKey: cap) }
        switch change.action {
        case "tenant suspend": isActive = false
        case "tenant resume": isActive = true
        case "domain remove": hasDomain = false
        case "domain add": hasDomain = true
        case "credential revoke", "credential suspend": revoked.insert(change.object)
        case "credential resume": revoked.remove(change.object)
        default: break
        }
    }
}
