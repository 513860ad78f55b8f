internal import Logging
internal import NIOCore
internal import Postgres

/// One of the acceptor's threads, with the connection that is its alone.
final class AcceptWorker {
    private let index: Int
    private let mailbox: AcceptMailbox
    private let owner: Owner?
    /// Gives back what was leased to `owner` in a call that was in doubt; there whenever `owner` is.
    private let settler: Settler?
    private let clock: DatabaseClock
    private let logger: Logger
    private let onAccepted: @Sendable ([AcceptedMessage]) -> Void
    private let link: DatabaseLink
    private let writer = ParameterWriter(capacity: 64 << 10)
    /// Calls nobody waits for any more and whose outcome still decides whether rows are leased to this node.
    private var unresolved: [AcceptCall] = []

    init(
        _ index: Int, _ mailbox: AcceptMailbox, database: DatabaseConfiguration, owner: Owner?, settler: Settler?,
        clock: DatabaseClock, logger: Logger, onAccepted: @escaping @Sendable ([AcceptedMessage]) -> Void
    ) {
        self.index = index
        self.mailbox = mailbox
        self.owner = owner
        self.settler = settler
        self.clock = clock
        self.logger = logger
        self.onAccepted = onAccepted
        link = DatabaseLink(database, logger: logger) { connection throws(DatabaseError) in
            try connection.prepare("accept", AcceptCall.statement, deadline: .now + .seconds(10))
            try clock.adjust(from: connection, deadline: .now + .seconds(10))
        }
    }

    /// Until the mailbox closes.
    func run() {
        while true {
            guard link.isUsable || link.connect() else {
                answer(mailbox.leave(index), .unavailable)
                if mailbox.isClosing || !mailbox.pause(index, link.pause) { return }
                continue
            }
            mailbox.comeBack(index)
            settleUnresolved()
            switch mailbox.take(index) {
            case .closed: return
            case .batch(let items): process(items)
            }
        }
    }

    /// Gives every item its verdict. Parts of a batch that must go apart are calls of their own.
    private func process(_ items: [AcceptItem]) {
        var work = Parts(items)
        while let part = work.next() {
            // What was idle may have been closed meanwhile: with nothing sent there is no doubt.
            guard link.isAlive() || link.connect() else {
                answer(part.items, .unavailable)
                for rest in work.rest() { answer(rest.items, .unavailable) }
                answer(mailbox.leave(index), .unavailable)
                return
            }
            switch attempt(part.items) {
            case .answered: break
            case .again:
                if !work.again(part) {
                    report(DatabaseError(.refused, "tried too often"), part.items)
                    answer(part.items, .unavailable)
                }
            case .reconnect:
                link.drop()
                if !work.again(part) { answer(part.items, .unavailable) }
            case .apart: work.apart(part)
            case .byTenant: work.byTenant(part)
            case .failed(let error):
                report(error, part.items)
                answer(part.items, error.sqlState == "53100" ? .outOfSpace : .unavailable)
            }
        }
    }

    private enum Outcome {
        case answered
        /// Under new ids: the old were stale, fenced, or the victim of something that passes.
        case again
        /// The same on another connection: this one's server is read-only now, or its statements are outdated.
        case reconnect
        /// Something in it cannot be stored: find out which.
        case apart
        case byTenant
        case failed(DatabaseError)
    }

    private func attempt(_ items: [AcceptItem]) -> Outcome {
        guard let connection = link.connection, let deadline = items.map(\.deadline).min() else { return .answered }
        guard ContinuousClock.now < deadline else {
            return .failed(DatabaseError(.unreachable, "waited for the database as long as a client waits"))
        }
        let call = AcceptCall(items, owner: owner?.holdingID, clock: clock)
        call.write(into: writer)
        do throws(DatabaseError) {
            let rows = try connection.execute("accept", writer, deadline: deadline)
            guard let answer = try AcceptAnswer(rows, expected: items.count) else {
                throw DatabaseError(.unexpected, "accept returned no rows")
            }
            clock.adjust(to: answer.clock)
            if answer.isStale { return .again }
            deliver(answer, call, wasInDoubt: false)
            return .answered
        } catch {
            switch error.kind {
            case .doubt: return resolve(call, error, deadline)
            case .refused: return Self.judge(error, items)
            case .unexpected:
                // It is committed and cannot be read: nobody may be told either way.
                report(error, items)
                self.answer(items, .unknown)
                if call.owner != nil { unresolved.append(call) }
                return .answered
            case .unreachable, .configuration: return .failed(error)
            }
        }
    }

    /// PostgreSQL's refusal of a call: it had no effect, so what follows is free to choose.
    private static func judge(_ error: DatabaseError, _ items: [AcceptItem]) -> Outcome {
        switch error.sqlState {
        case "23505" where error.constraint == "batch_pkey": return .again
        case "40001", "40P01": return .again
        case "25006", "26000", "0A000": return .reconnect
        case "55P03": return isOfOneTenant(items) ? .failed(error) : .byTenant
        default: break
        }
        switch error.sqlStateClass {
        case "22", "23", "54": return items.count > 1 ? .apart : .failed(error)
        default: return .failed(error)
        }
    }

    static func isOfOneTenant(_ items: [AcceptItem]) -> Bool {
        items.allSatisfy { $0.request.tenantID == items.first?.request.tenantID }
    }

    // MARK: Doubt

    /// The fence: finds the call committed, or makes sure that it never will be.
    private func resolve(_ call: AcceptCall, _ error: DatabaseError, _ deadline: ContinuousClock.Instant) -> Outcome {
        logger.warning(
            "a commit is in doubt",
            metadata: ["batch": "\(call.batch)", "messages": "\(call.items.count)", "reason": "\(error.message)"])
        while ContinuousClock.now < deadline {
            guard link.connect() else {
                answer(mailbox.leave(index), .unavailable)
                // A closing acceptor still owes these clients the truth, for as long as they wait.
                if !mailbox.pause(index, link.pause) { link.sleep(min(link.pause, .milliseconds(200))) }
                continue
            }
            mailbox.comeBack(index)
            do {
                let answer = try fence(call, deadline)
                guard let answer else { return .again }
                deliver(answer, call, wasInDoubt: true)
                return .answered
            } catch {
                logger.warning(
                    "the fence is in doubt", metadata: ["batch": "\(call.batch)", "reason": "\(error.message)"])
                if error.kind == .refused || error.kind == .unexpected { link.sleep(.milliseconds(200)) }
            }
        }
        logger.error(
            "the outcome is unknown",
            metadata: ["batch": "\(call.batch)", "ids": "\(call.ids.map(\.description).joined(separator: " "))"])
        answer(call.items, .unknown)
        if call.owner != nil { unresolved.append(call) }
        return .answered
    }

    private func fence(
        _ call: AcceptCall, _ deadline: ContinuousClock.Instant
    ) throws(DatabaseError) -> AcceptAnswer? {
        guard let connection = link.connection else { throw DatabaseError(.unreachable, "no connection") }
        let rows = try connection.query(
            "SELECT * FROM ledger.resolve($1)", [.uuid(call.batch)], deadline: deadline)
        return try AcceptAnswer(rows, expected: call.items.count)
    }

    /// Rows of unknown outcome may be leased to this node, which has forgotten them: give them back.
    private func settleUnresolved() {
        while let call = unresolved.first, link.isUsable {
            do {
                if let answer = try fence(call, .now + .seconds(60)) { release(answer, call) }
                if link.isUsable { unresolved.removeFirst() }
            } catch {
                logger.warning(
                    "the fence is in doubt", metadata: ["batch": "\(call.batch)", "reason": "\(error.message)"])
                return
            }
        }
    }

    // MARK: Verdicts

    private func deliver(_ answer: AcceptAnswer, _ call: AcceptCall, wasInDoubt: Bool) {
        if wasInDoubt {
            release(answer, call)
        } else if call.owner != nil {
            var queued: [QueuedMessage] = []
            for (index, verdict) in answer.verdicts.enumerated() {
                if case .accepted(_, isTest: false) = verdict,
                    let message = call.queued(index, acceptedAt: answer.clock)
                {
                    queued.append(message)
                }
            }
            if !queued.isEmpty { onAccepted(queued) }
        }
        var verdicts: [AcceptVerdict] = []
        verdicts.reserveCapacity(call.items.count)
        for (index, verdict) in answer.verdicts.enumerated() {
            switch verdict {
            case .accepted(let remaining, _): verdicts.append(.accepted(call.ids[index], remaining: remaining))
            case .resubmitted(let first): verdicts.append(.resubmitted(first))
            case .refused(let refusal): verdicts.append(.refused(refusal))
            case .staleID: verdicts.append(.unavailable)
            }
        }
        self.answer(call.items, verdicts)
    }

    /// After a doubt this node forwards nothing from memory: whoever claims the rows next does.
    ///
    /// The settler writes it, for as long as that takes: what is leased here and in no memory waits for nothing else.
    private func release(_ answer: AcceptAnswer, _ call: AcceptCall) {
        var releases: [Settlement] = []
        for (index, verdict) in answer.verdicts.enumerated() {
            if case .accepted(_, isTest: false) = verdict { releases += call.releases(index) }
        }
        settler?.settle(releases)
    }

    private func answer(_ items: [AcceptItem], _ verdict: AcceptVerdict) {
        answer(items, Array(repeating: verdict, count: items.count))
    }

    /// One hop per event loop, however many messages.
    private func answer(_ items: [AcceptItem], _ verdicts: [AcceptVerdict]) {
        guard !items.isEmpty else { return }
        var loops: [(loop: any EventLoop, answers: [(@Sendable (AcceptVerdict) -> Void, AcceptVerdict)])] = []
        for (item, verdict) in zip(items, verdicts) {
            if let known = loops.firstIndex(where: { $0.loop === item.eventLoop }) {
                loops[known].answers.append((item.completion, verdict))
            } else {
                loops.append((item.eventLoop, [(item.completion, verdict)]))
            }
        }
        for (loop, answers) in loops {
            loop.execute { for (completion, verdict) in answers { completion(verdict) } }
        }
        mailbox.answered(items.count)
    }

    private func report(_ error: DatabaseError, _ items: [AcceptItem]) {
        logger.error(
            "messages could not be stored",
            metadata: [
                "messages": "\(items.count)", "sqlstate": "\(error.sqlState ?? "")", "reason": "\(error.message)",
                "tenant": "\(items.first?.request.tenantSlug ?? "")",
            ])
    }
}
