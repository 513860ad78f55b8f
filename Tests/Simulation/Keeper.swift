// swift-format-ignore-file: OnlyOneTrailingClosureArgument

import Ledger
import Postgres

/// Keeps a node's lease as LEDGER says ("Leases"): registers, renews, notices the loss, claims again.
final class Keeper {
    private let world: World
    private let machine: Machine
    private let ledger: ModelLedger
    /// What others see of it; nil: in doubt.
    private(set) var lease: Lease?
    /// The id registered last, held or not.
    private var id: MessageID?
    private var forsaken: MessageID?
    private var abandoned: [MessageID] = []
    private(set) var session: ModelConnection?
    private let renewEvery: Moment
    private let inMemory: () -> [Owner.LeasedMessage]
    private let onEvent: (Owner.Event) -> Void
    private var isRegaining = false
    private var question = ReclaimQuestion()
    private var renewals = 0
    private static let renewalsForAnAudit = 6

    init(
        _ machine: Machine, _ ledger: ModelLedger, renewEvery: Moment, inMemory: @escaping () -> [Owner.LeasedMessage],
        onEvent: @escaping (Owner.Event) -> Void
    ) {
        self.machine = machine
        self.ledger = ledger
        world = machine.world
        self.renewEvery = renewEvery
        self.inMemory = inMemory
        self.onEvent = onEvent
    }

    func start() { regain() }

    var holdingID: MessageID? { lease?.id }
    var mayFinish: Bool {
        world.plant == .leaseIgnored || lease?.mayFinish(at: world.continuous) ?? false
    }

    /// Gives up a lease under which rows may be that nobody knows of.
    func startAgain(_ id: MessageID) {
        forsaken = id
        guard lease?.id == id else { return }
        lose("given up")
    }

    // MARK: Steps

    private func perform(
        _ name: String, _ body: @escaping (inout ModelLedger.Contents) throws(DatabaseError) -> Answer,
        done: @escaping (Result<Answer, DatabaseError>) -> Void
    ) {
        guard let session, session.isUsable else { return done(.failure(DatabaseError(.unreachable, "no session"))) }
        ledger.perform(name, on: session, deadline: world.now + 30_000_000, body) { [machine] result in
            machine.perform { done(result) }
        }
    }

    private func lose(_ reason: String) {
        guard lease != nil else { return }
        world.tell("keeper: the lease is in doubt: \(reason)")
        lease = nil
        machine.noteTrouble()
        onEvent(.lost)
        regain()
    }

    private func regain() {
        guard !isRegaining else { return }
        isRegaining = true
        // Everything in memory was leased under an id; what is still ours of it is the database's to say.
        let memory = inMemory()
        if session?.isUsable == true { return connected(memory) }
        ledger.connect { [self] made in
            machine.perform { [self] in
                session = made
                if made == nil { retry() } else { connected(memory) }
            }
        }
    }

    private func retry() {
        isRegaining = false
        machine.after(500_000) { self.regain() }
    }

    private func connected(_ memory: [Owner.LeasedMessage]) {
        if let id, id == forsaken {
            // A new session: the old one's advisory lock belongs to the id that is given up.
            self.id = nil
            return perform("owner_stop", { $0.stop(id) }) { [self] result in
                if case .failure = result { abandoned.append(id) }
                session?.isClosedByServer = true
                session = nil
                retry()
            }
        }
        guard let id, let session else { return register() }
        let begun = world.continuous
        let (now, incarnation) = (world.now, ledger.incarnation)
        let asked = question.messages(inMemory: memory)
        perform(
            "owner_reclaim",
            { contents throws(DatabaseError) in
                try contents.reclaim(id, asked, session, incarnation: incarnation, at: now)
            }
        ) { [self] result in
            switch result {
            case .success(.kept(let kept)):
                question.settled()
                hold(id, begun, .reclaimed(id, kept, of: asked))
            case .failure(let error) where error.sqlState == "GP001":
                self.id = nil
                register()
            case .failure(let error):
                question.failed(error, asked: asked)
                failed()
            case .success: failed()
            }
        }
    }

    private func register() {
        if let old = abandoned.last {
            return perform("owner_stop", { $0.stop(old) }) { [self] result in
                guard case .success = result else { return failed() }
                abandoned.removeLast()
                register()
            }
        }
        guard let session else { return failed() }
        let new = world.makeID(world.instant)
        let begun = world.continuous
        let incarnation = ledger.incarnation
        perform("owner_start", { $0.start(new, session, incarnation: incarnation) }) { [self] result in
            guard case .success = result else { return failed() }
            id = new
            question.settled()
            hold(new, begun, .startedAgain(new))
        }
    }

    private func failed() {
        if session?.isUsable != true { session = nil }
        retry()
    }

    private func hold(_ id: MessageID, _ begun: ContinuousClock.Instant, _ event: Owner.Event) {
        isRegaining = false
        world.tell("keeper: holds \(id)")
        onEvent(event)
        lease = Lease(id: id, renewed: begun)
        onEvent(.resumed)
        // Said while the reclaim was under way: what woke the lease's thread is still there.
        guard id != forsaken else { return lose("given up") }
        watch(id)
    }

    /// Renews, as long as it is this lease.
    private func watch(_ id: MessageID) {
        machine.after(renewEvery) { [self] in
            guard lease?.id == id, machine.isNeeded() else { return }
            // Nothing is under way, so what the server has to say is that it has closed the session.
            if session?.isClosedByServer == true {
                session = nil
                return lose("the session was closed")
            }
            let begun = world.continuous
            let incarnation = ledger.incarnation
            perform("owner_renew", { $0.renew(id, incarnation: incarnation) }) { [self] result in
                guard lease?.id == id else { return }
                switch result {
                case .success(.renewed(isLocked: true?)):
                    let wasStale = lease?.mayFinish(at: world.continuous) == false
                    lease?.renewed = begun
                    if wasStale { onEvent(.resumed) }
                case .success(.renewed(isLocked: false?)):
                    session = nil
                    return lose("its lock is not held")
                case .success:
                    self.id = nil
                    return lose("its row was freed by another node")
                case .failure(let error):
                    if error.kind != .refused || session?.isUsable != true { return lose("\(error)") }
                }
                renewals += 1
                if renewals % Self.renewalsForAnAudit == 0 { audit(id) }
                watch(id)
            }
        }
    }

    private func audit(_ id: MessageID) {
        perform("owner_leases", { $0.leases(of: id) }) { [self] result in
            guard lease?.id == id, case .success(.leases(let leased)) = result else { return }
            onEvent(.audited(id, leased))
        }
    }
}
