import SiteSupport
import Testing

/// The judge can say each of its words: a ledger with nothing wrong, and then with one thing wrong.
@Suite struct JudgeTests {
    private static let zero = Int64(1_800_000_000_000_000)

    /// Two tenants' worth of everything, in order: `a` acknowledged, `b` unknown and stored, `c` unknown and not stored,
    /// `d` refused, `e` acknowledged and cancelled.
    private static func peace() -> (Journal, Evidence) {
        var journal = Journal()
        for line in [
            "try a keyed", "ack a id-a", "try b", "unknown b", "try c", "unknown c", "try d",
            "refused d 450 4.7.1 full",
            "try e", "ack e id-e", "done",
        ] {
            journal.note(line)
        }
        var evidence = Evidence()
        evidence.changes = [.init(at: zero, tenant: "acme", action: "tenant create", caps: ["daily": 5])]
        for (token, at, state) in [("a", 1, "delivered"), ("b", 2, "bounced"), ("e", 3, "cancelled")] {
            evidence.stored.append(
                .init(
                    id: "id-\(token)", tenant: "acme", credential: "acme.x",
                    recipients: [.init(address: "\(token).1@remote.example", state: state)]))
            evidence.ledger.append(entry(token, at: Int64(at)))
        }
        evidence.ledger.append(entry("e", number: 1, recipients: -1, at: 4))
        for (credential, period, starts) in [
            ("", "day", "2027-01-15"), ("", "month", "2027-01-01"), ("acme.x", "day", "2027-01-15"),
        ] {
            evidence.counters.append(
                .init(tenant: "acme", credential: credential, period: period, starts: starts, recipients: 2))
        }
        evidence.deliveries = [.init(address: "a.1@remote.example", at: zero + 10)]
        return (journal, evidence)
    }

    private static func entry(
        _ token: String, number: Int64 = 0, recipients: Int64 = 1, at: Int64, day: String = "2027-01-15"
    ) -> Evidence.Entry {
        .init(
            message: "id-\(token)", tenant: "acme", credential: "acme.x", number: number, recipients: recipients,
            at: zero + at, day: day, month: "2027-01-01", localDay: "2027-01-15")
    }

    @Test func `what is in order is said to be, and counted`() {
        let (journal, evidence) = Self.peace()
        let verdict = Judge.examine(journal, evidence)
        #expect(verdict.findings == [])
        #expect(verdict.counts["acknowledged"] == 2)
        #expect(verdict.counts["refused"] == 1)
        #expect(verdict.counts["unknown"] == 2)
        #expect(verdict.counts["stored"] == 3)
        #expect(verdict.counts["delivered"] == 1)
    }

    struct Wrong: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let faults: Set<Verdict.Fault>
        let make: @Sendable (inout Journal, inout Evidence) -> Void

        init(
            _ name: String, _ faults: Verdict.Fault...,
            make: @escaping @Sendable (inout Journal, inout Evidence) -> Void
        ) {
            testDescription = name
            self.faults = Set(faults)
            self.make = make
        }
    }

    static let wrongs = [
        Wrong("acknowledged and not stored", .lost) { journal, _ in
            journal.note("try f")
            journal.note("ack f id-f")
        },
        Wrong("acknowledged as another id", .lost) { journal, _ in
            journal.note("try b")
            journal.note("ack b id-other")
        },
        Wrong("refused and stored", .refusedButStored, .miscounted, .stuck) { _, evidence in
            evidence.stored.append(stray("d"))
        },
        Wrong("a copy that one unknown attempt does not explain", .storedTwice, .miscounted) { _, evidence in
            evidence.stored.append(stray("b", id: "id-b2", state: "bounced"))
        },
        Wrong("a resubmission stored again", .storedTwice, .miscounted) { journal, evidence in
            journal.note("try a keyed")
            journal.note("unknown a")
            evidence.stored.append(stray("a", id: "id-a2", state: "bounced"))
        },
        Wrong("stored and never sent", .unheardOf, .miscounted) { _, evidence in
            evidence.stored.append(stray("z", state: "bounced"))
        },
        Wrong("stored and not debited", .miscounted, .counterOff) { _, evidence in evidence.ledger.removeFirst() },
        Wrong("debited and not stored", .miscounted, .counterOff) { _, evidence in
            evidence.ledger.append(entry("lost", at: 3))
        },
        Wrong("debited for fewer recipients than stored", .miscounted) { _, evidence in
            evidence.stored[1].recipients.append(.init(address: "b.2@remote.example", state: "bounced"))
        },
        Wrong("refunded twice", .miscounted, .counterOff) { _, evidence in
            evidence.ledger.append(entry("e", number: 2, recipients: -1, at: 5))
        },
        Wrong("refunded twice in the counter alone", .counterOff) { _, evidence in
            evidence.counters[0].recipients -= 1
        },
        Wrong("a credential's counter that is off", .counterOff) { _, evidence in evidence.counters[2].recipients += 1
        },
        Wrong("a counter that is not there", .counterOff) { _, evidence in evidence.counters.remove(at: 1) },
        Wrong("over the cap", .overCap) { _, evidence in evidence.changes[0].caps = ["daily": 1] },
        Wrong("over a cap that was lowered before", .overCap) { _, evidence in
            evidence.changes.append(.init(at: zero + 2, tenant: "acme", action: "tenant set", caps: ["daily": 2]))
        },
        Wrong("over the month's cap", .overCap) { _, evidence in
            evidence.changes.append(.init(at: zero, tenant: "acme", action: "tenant set", caps: ["monthly": 2]))
        },
        Wrong("debited after the revoke", .unauthorised) { _, evidence in
            evidence.changes.append(.init(at: zero + 2, tenant: "acme", action: "credential revoke", object: "acme.x"))
        },
        Wrong("debited while suspended", .unauthorised) { _, evidence in
            evidence.changes.append(.init(at: zero + 2, tenant: "acme", action: "tenant suspend"))
        },
        Wrong("debited without the domain", .unauthorised) { _, evidence in
            evidence.changes.append(.init(at: zero + 2, tenant: "acme", action: "domain remove"))
        },
        Wrong("another day's counter", .wrongDay) { _, evidence in
            for index in evidence.ledger.indices { evidence.ledger[index].localDay = "2027-01-16" }
        },
        Wrong("delivered, says the queue alone", .falselyDelivered) { _, evidence in evidence.deliveries = [] },
        Wrong("taken by the sink and stored nowhere", .strayDelivery) { _, evidence in
            evidence.deliveries.append(.init(address: "c.1@remote.example", at: zero))
        },
        Wrong("cancelled and taken by the sink", .strayDelivery) { _, evidence in
            evidence.deliveries.append(.init(address: "e.1@remote.example", at: zero))
        },
        Wrong("bounced and taken by the sink", .strayDelivery) { _, evidence in
            evidence.deliveries.append(.init(address: "b.1@remote.example", at: zero))
        },
        Wrong("test mode's mail, delivered", .strayDelivery, .miscounted, .counterOff) { _, evidence in
            evidence.stored[0].isTest = true
            evidence.ledger.removeFirst()
            evidence.ledger.append(entry("a", at: 1))
            evidence.counters[0].recipients = 1
        },
        Wrong("taken twice, long after anything was disturbed", .duplicate) { _, evidence in
            evidence.deliveries.append(.init(address: "a.1@remote.example", at: zero + 1_000_000))
            evidence.disturbances = [
                .init(at: zero - 60_000_000, what: "a kill", mayDuplicate: true),
                .init(at: zero, what: "a submission node", mayDuplicate: false),
            ]
        },
        Wrong("still queued at the end", .stuck) { _, evidence in
            evidence.stored[1].recipients[0].state = "deferred"
        },
        Wrong("a line that no client writes", .noTest) { journal, _ in journal.note("acknowledge a") },
    ]

    private static func stray(_ token: String, id: String? = nil, state: String = "queued") -> Evidence.Stored {
        .init(
            id: id ?? "id-\(token)", tenant: "acme", credential: "acme.x",
            recipients: [.init(address: "\(token).1@remote.example", state: state)])
    }

    @Test(arguments: wrongs) func `each wrong is named`(wrong: Wrong) {
        var (journal, evidence) = Self.peace()
        wrong.make(&journal, &evidence)
        #expect(Judge.examine(journal, evidence).faults == wrong.faults)
    }

    @Test func `every fault that the judge can say is said above`() {
        let said = Self.wrongs.reduce(into: Set<Verdict.Fault>()) { $0.formUnion($1.faults) }
        // These two are the rows' own to say.
        #expect(said.union([.late, .wrongAnswer]) == Set(Verdict.Fault.allCases))
    }

    @Test func `a duplicate after a forwarder's death is counted and excused`() {
        var (journal, evidence) = Self.peace()
        evidence.deliveries.append(.init(address: "a.1@remote.example", at: Self.zero + 3_000_000))
        evidence.disturbances = [.init(at: Self.zero + 500_000, what: "SIGKILL of forwarder1", mayDuplicate: true)]
        let verdict = Judge.examine(journal, evidence)
        #expect(verdict.findings == [])
        #expect(verdict.counts["duplicates"] == 1)
        evidence.settleTime = 100
        #expect(Judge.examine(journal, evidence).faults == [.duplicate])
        journal.note("done")
    }

    @Test func `a client that died before it wrote an answer leaves an unknown`() {
        var journal = Journal()
        journal.note("try a")
        journal.note("try a")
        journal.note("ack a id-a")
        #expect(journal.unknown("a") == 1)
        #expect(journal.unknown == ["a"])
        #expect(!journal.isDone)
    }

    @Test func `verdicts add up`() {
        var sum = Verdict()
        for number in 1...7 {
            var one = Verdict()
            one.add(.lost, "\(number)")
            one.count("kills", number)
            one.measure("back, s", Double(number % 4))
            sum.add(one)
        }
        #expect(sum.findings == [.init(fault: .lost, count: 7, details: ["1", "2", "3", "4", "5"])])
        #expect(sum.counts == ["kills": 28])
        #expect(sum.worst == ["back, s": 3])
    }
}
