/// Knows every attempt as acknowledged, refused or unknown, and demands of what is left behind:
///
/// - acknowledged ⊆ stored ⊆ acknowledged + unknown;
/// - used = Σ ledger = stored − refunded, for every tenant and credential;
/// - each debit within the cap in force, by who might send, on the tenant's day;
/// - every stored recipient delivered (by the sink's own count), bounced or still queued;
/// - duplicates only where promise 5 allows them, and counted.
package struct Judge {
    let journal: Journal
    let evidence: Evidence
    private var verdict = Verdict()

    /// The verdict on a run that has come to its end.
    package static func examine(_ journal: Journal, _ evidence: Evidence) -> Verdict {
        var judge = Judge(journal: journal, evidence: evidence)
        judge.compareStored()
        judge.compareLedger()
        judge.compareCounters()
        judge.replayDebits()
        if evidence.hasSink { judge.compareDeliveries() }
        judge.count()
        return judge.verdict
    }

    private init(journal: Journal, evidence: Evidence) {
        self.journal = journal
        self.evidence = evidence
    }

    mutating func note(_ fault: Verdict.Fault, _ detail: String) { verdict.add(fault, detail) }
    mutating func count(_ name: String, _ number: Int = 1) { verdict.count(name, number) }

    private mutating func count() {
        verdict.count("attempts", journal.tries.values.reduce(0, +))
        verdict.count("acknowledged", journal.acknowledgements)
        verdict.count("refused", journal.refusals.count)
        verdict.count("unknown", journal.unknown.reduce(0) { $0 + journal.unknown($1) })
        verdict.count("stored", evidence.stored.count)
        verdict.count("recipients stored", evidence.stored.reduce(0) { $0 + $1.recipients.count })
        verdict.count("deliveries", evidence.deliveries.count)
        for line in journal.misfits { verdict.add(.noTest, "a line that no client writes: \(line)") }
    }

    // MARK: acknowledged ⊆ stored ⊆ acknowledged + unknown

    private mutating func compareStored() {
        var stored: [String: Set<String>] = [:]
        for message in evidence.stored { stored[message.token, default: []].insert(message.id) }
        for (token, ids) in journal.acknowledged {
            for id in ids where !stored[token, default: []].contains(id) {
                verdict.add(.lost, "\(token), acknowledged as \(id)")
            }
        }
        for (token, ids) in stored {
            guard journal.knows(token) else {
                verdict.add(.unheardOf, "\(token) as \(ids)")
                continue
            }
            if ids.count > 1, journal.keyed.contains(token) {
                verdict.add(.storedTwice, "\(token) as \(ids), the same message with a Message-ID")
                continue
            }
            let unexplained = ids.subtracting(journal.acknowledged[token, default: []])
            let unknown = journal.unknown(token)
            if unexplained.isEmpty { continue }
            if journal.acknowledged[token] == nil, unknown == 0 {
                verdict.add(.refusedButStored, "\(token) as \(ids): \(journal.refused[token, default: []])")
            } else if unexplained.count > unknown {
                verdict.add(.storedTwice, "\(token) as \(ids), \(unknown) of its attempts unknown")
            }
        }
    }

    // MARK: Σ ledger = stored − refunded, message by message

    private mutating func compareLedger() {
        var debits: [String: Int64] = [:]
        var refunds: [String: Int64] = [:]
        for entry in evidence.ledger {
            if entry.number == 0 {
                debits[entry.message, default: 0] += entry.recipients
            } else {
                refunds[entry.message, default: 0] -= entry.recipients
            }
        }
        for message in evidence.stored {
            let recipients = message.isTest ? 0 : Int64(message.recipients.count)
            let cancelled = message.isTest ? 0 : Int64(message.recipients.count { $0.state == "cancelled" })
            let debit = debits.removeValue(forKey: message.id) ?? 0
            let refund = refunds.removeValue(forKey: message.id) ?? 0
            if debit != recipients {
                verdict.add(.miscounted, "\(message.id): \(recipients) recipients, a debit of \(debit)")
            }
            if refund != cancelled {
                verdict.add(.miscounted, "\(message.id): \(cancelled) cancelled, \(refund) refunded")
            }
        }
        for (id, debit) in debits { verdict.add(.miscounted, "\(id): a debit of \(debit), and no such message") }
        for (id, refund) in refunds { verdict.add(.miscounted, "\(id): a refund of \(refund), and no such message") }
    }

    // MARK: used = Σ ledger

    private struct CounterKey: Hashable, CustomStringConvertible {
        var tenant: String
        var credential: String
        var period: String
        var starts: String
        var description: String { "\(credential.isEmpty ? tenant : credential), \(period) of \(starts)" }
    }

    private mutating func compareCounters() {
        var sums: [CounterKey: Int64] = [:]
        for entry in evidence.ledger {
            for (credential, period, starts) in [
                ("", "day", entry.day), ("", "month", entry.month), (entry.credential, "day", entry.day),
            ] {
                let key = CounterKey(tenant: entry.tenant, credential: credential, period: period, starts: starts)
                sums[key, default: 0] += entry.recipients
            }
            if entry.number == 0, entry.day != entry.localDay {
                verdict.add(.wrongDay, "\(entry.message): \(entry.day) paid, and it was \(entry.localDay)")
            }
        }
        for counter in evidence.counters {
            let key = CounterKey(
                tenant: counter.tenant, credential: counter.credential, period: counter.period, starts: counter.starts)
            let sum = sums.removeValue(forKey: key) ?? 0
            if counter.recipients != sum {
                verdict.add(.counterOff, "\(key): used \(counter.recipients), the ledger says \(sum)")
            }
        }
        for (key, sum) in sums where sum != 0 {
            verdict.add(.counterOff, "\(key): no counter, the ledger says \(sum)")
        }
    }
}
