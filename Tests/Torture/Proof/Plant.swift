import SQL
import SiteSupport
import TestSupport

/// A fault put into Gatepost on purpose, the row that must notice it, and what that row must say.
struct Plant: Sendable {
    enum Kind: Sendable {
        /// Compiled in where the build has `-D PLANTED_FAULTS`, and chosen by its name in PLANTED_FAULT.
        case program
        /// The same under another name: that of a fault that more than one row must notice.
        case again(String)
        /// Run in the database once it is migrated.
        case database(@Sendable () throws -> String)
    }

    let name: String
    let summary: String
    let row: Row
    /// Of the row, for one try.
    let rounds: Int
    /// Any of these.
    let expected: Set<Verdict.Fault>
    let kind: Kind

    /// What is run in the database; nil: nothing is.
    func script() throws -> String? {
        if case .database(let text) = kind { return try text() }
        return nil
    }

    /// For the environment of each node.
    var environment: [String] {
        switch kind {
        case .program: ["PLANTED_FAULT=\(name)"]
        case .again(let fault): ["PLANTED_FAULT=\(fault)"]
        case .database: []
        }
    }

    static let all: [Plant] = [
        Plant(
            name: "reply-before-commit", summary: "250 before COMMIT", row: .doubt, rounds: 20,
            expected: [.lost, .refusedButStored], kind: .program),
        Plant(
            name: "debit-outside-transaction", summary: "the debit is committed by itself", row: .postgres, rounds: 9,
            expected: [.counterOff], kind: .database(PlantedSQL.debitOutsideTransaction)),
        Plant(
            name: "fence-is-select", summary: "the fence looks for the batch and does not take its place", row: .doubt,
            rounds: 40, expected: [.storedTwice], kind: .database(PlantedSQL.fenceIsSelect)),
        Plant(
            name: "old-batch-id", summary: "a fenced batch is sent again under its old id", row: .doubt, rounds: 40,
            expected: [.lost], kind: .program),
        Plant(
            name: "doubt-is-refusal", summary: "a commit in doubt is answered 451", row: .doubt, rounds: 40,
            expected: [.refusedButStored, .storedTwice], kind: .program),
        Plant(
            name: "swallowed-error", summary: "PostgreSQL's refusal of a call is taken for its success", row: .doubt,
            rounds: 40, expected: [.lost], kind: .program),
        Plant(
            name: "outcome-dropped", summary: "an outcome whose commit is in doubt is forgotten", row: .doubt,
            rounds: 40, expected: [.stuck, .duplicate, .strayDelivery], kind: .program),
        Plant(
            name: "warning-is-success", summary: "warning 01000 before the answer is ignored", row: .standby,
            rounds: 1, expected: [.lost], kind: .program),
        Plant(
            name: "delivered-before-reply", summary: "the forwarder says delivered before the relay does", row: .kills,
            rounds: 6, expected: [.falselyDelivered], kind: .program),
        Plant(
            name: "nodes-clock", summary: "the day is the server's clock's, not the ledger's", row: .tomorrow,
            rounds: 300, expected: [.wrongDay], kind: .database(PlantedSQL.otherClock)),
        Plant(
            name: "no-lock", summary: "the meters are not locked", row: .calm, rounds: 1500,
            expected: [.overCap, .counterOff, .unauthorised], kind: .database { PlantedFault.noLock.text }),
        Plant(
            name: "no-recheck", summary: "everything is decided before the lock and not looked at again", row: .calm,
            rounds: 1500, expected: [.overCap, .unauthorised],
            kind: .database { PlantedFault.noRecheckAfterLock.text }),
        Plant(
            name: "no-lock-for-several", summary: "the meters are not locked for batches of several senders",
            row: .calm, rounds: 1500, expected: [.overCap, .counterOff, .unauthorised],
            kind: .database { PlantedFault.noLockForSeveral.text }),
        Plant(
            name: "lease-ignored", summary: "claim gives out what another forwarder holds", row: .calm, rounds: 600,
            expected: [.duplicate, .strayDelivery], kind: .database(PlantedSQL.leaseIgnored)),
        Plant(
            name: "refund-twice", summary: "a cancelled recipient is given back twice", row: .calm, rounds: 2000,
            expected: [.counterOff, .miscounted], kind: .database(PlantedSQL.refundTwice)),
        Plant(
            name: "resubmission-ignored", summary: "what was sent before is stored again", row: .kills, rounds: 12,
            expected: [.storedTwice], kind: .database(PlantedSQL.resubmissionIgnored)),
        Plant(
            name: "clocks-other-clock", summary: "the day is the machine's, and the database's clock was set",
            row: .clocks,
            rounds: 5, expected: [.wrongDay], kind: .database(PlantedSQL.otherClock)),
        Plant(
            name: "nth-call-doubt-is-refusal", summary: "a call of libpq that fails after the commit is answered 451",
            row: .nthCall, rounds: 60, expected: [.refusedButStored, .storedTwice], kind: .again("doubt-is-refusal")),
        Plant(
            name: "relay-given-up", summary: "a relay that has failed is not asked again", row: .resources, rounds: 6,
            expected: [.stuck], kind: .program),
        Plant(
            name: "commit-not-waited", summary: "sessions do not wait for the synchronous standby", row: .failover,
            rounds: 1, expected: [.lost], kind: .program),
        Plant(
            name: "interleavings-no-lock", summary: "the meters are not locked, seen by a serial order that is none",
            row: .interleavings, rounds: 48, expected: [.miscounted], kind: .database { PlantedFault.noLock.text }),
        Plant(
            name: "interleavings-no-recheck", summary: "decided before the lock, seen by a serial order that is none",
            row: .interleavings, rounds: 48, expected: [.miscounted],
            kind: .database { PlantedFault.noRecheckAfterLock.text }),
        Plant(
            name: "interleavings-no-lock-for-several",
            summary: "no lock for several senders, seen by a serial order that is none", row: .interleavings,
            rounds: 48,
            expected: [.miscounted], kind: .database { PlantedFault.noLockForSeveral.text }),
    ]
}
