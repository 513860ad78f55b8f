internal import Logging
internal import NIOCore
internal import Postgres

/// One of the acceptor's threads, with the connection that is its alone: does what `AcceptProcedure` decides.
final class AcceptWorker {
    private let index: Int
    private let mailbox: AcceptMailbox
    /// Gives back what was leased in a call that was in doubt; there whenever rows are leased at all.
    ///
    /// It writes that for as long as it takes: what is leased here and in no memory waits for nothing else.
    private let settler: Settler?
    private let clock: DatabaseClock
    private let logger: Logger
    private let onAccepted: @Sendable ([AcceptedMessage]) -> Void
    private let link: DatabaseLink
    private let writer = ParameterWriter(capacity: 64 << 10)
    private var procedure: AcceptProcedure

    init(
        _ index: Int, _ mailbox: AcceptMailbox, database: DatabaseConfiguration, owner: Owner?, settler: Settler?,
        clock: DatabaseClock, logger: Logger, onAccepted: @escaping @Sendable ([AcceptedMessage]) -> Void
    ) {
        self.index = index
        self.mailbox = mailbox
        self.settler = settler
        self.clock = clock
        self.logger = logger
        self.onAccepted = onAccepted
        procedure = AcceptProcedure { AcceptCall($0, owner: owner?.holdingID, now: clock.now) }
        link = DatabaseLink(database, logger: logger) { connection throws(DatabaseError) in
            try connection.prepare("accept", AcceptCall.statement, deadline: .now + .seconds(10))
            try clock.adjust(from: connection, deadline: .now + .seconds(10))
        }
    }

    /// Until the mailbox closes.
    func run() {
        var processors = ProcessorScarcity.ofThisThread()
        while true {
            switch procedure.next(now: .now) {
            case .connect(probing: false): procedure.connected(link.isUsable || link.connect())
            case .connect(probing: true): procedure.connected(link.isAlive() || link.connect())
            case .leave:
                let items = mailbox.leave(index)
                answer(items, Array(repeating: .unavailable, count: items.count))
            case .comeBack: mailbox.comeBack(index)
            case .pause: procedure.paused(isClosing: !mailbox.pause(index, link.pause))
            case .pauseInDoubt:
                // A closing acceptor still owes these clients the truth, for as long as they wait.
                let isClosing = !mailbox.pause(index, link.pause)
                if isClosing { link.sleep(min(link.pause, .milliseconds(200))) }
                procedure.paused(isClosing: isClosing)
            case .sleep(let duration): link.sleep(duration)
            case .take(let patience):
                let areScarce = processors.isScarce(at: .now)
                procedure.took(mailbox.take(index, atMost: patience, processorsAreScarce: areScarce))
            case .execute(let call, let deadline): execute(call, deadline)
            case .fence(let call, let deadline): fence(call, deadline ?? .now + .seconds(60))
            case .drop: link.drop()
            case .forward(let messages): onAccepted(messages)
            case .release(let settlements): settler?.settle(settlements)
            case .answer(let items, let verdicts):
                answer(items, verdicts)
                #if PLANTED_FAULTS
                    executeLate()
                #endif
            case .report(let report): log(report)
            case .end: return
            }
        }
    }

    private func execute(_ call: AcceptCall, _ deadline: ContinuousClock.Instant) {
        #if PLANTED_FAULTS
            if Planted.active == .replyBeforeCommit {
                late = call
                return procedure.decided(call.success(at: clock.now))
            }
        #endif
        // Not only with the next call, which may come tomorrow.
        defer { writer.reset() }
        do throws(DatabaseError) {
            guard let connection = link.connection else { throw DatabaseError(.unreachable, "no connection") }
            call.write(into: writer)
            let rows = try connection.execute("accept", writer, deadline: deadline)
            guard let answer = try AcceptAnswer(rows, expected: call.items.count) else {
                throw DatabaseError(.unexpected, "accept returned no rows")
            }
            clock.adjust(to: answer.clock)
            procedure.decided(answer)
        } catch {
            #if PLANTED_FAULTS
                switch (Planted.active, error.kind) {
                case (.swallowedError, .refused): return procedure.decided(call.success(at: clock.now))
                case (.doubtIsRefusal, .doubt):
                    return procedure.failed(DatabaseError(.unreachable, error.message))
                default: break
                }
            #endif
            procedure.failed(error)
        }
    }

    /// Finds the call committed, or makes sure that it never will be.
    private func fence(_ call: AcceptCall, _ deadline: ContinuousClock.Instant) {
        do throws(DatabaseError) {
            guard let connection = link.connection else { throw DatabaseError(.unreachable, "no connection") }
            let rows = try connection.query(
                "SELECT * FROM ledger.resolve($1)", [.uuid(call.batch)], deadline: deadline)
            let answer = try AcceptAnswer(rows, expected: call.items.count)
            #if PLANTED_FAULTS
                if answer == nil, Planted.active == .oldBatchID {
                    call.write(into: writer)
                    // That its id is there already must mean that it was committed, mustn't it?
                    _ = try? connection.execute("accept", writer, deadline: deadline)
                    return procedure.fenced(call.success(at: clock.now))
                }
            #endif
            procedure.fenced(answer)
        } catch {
            procedure.failed(error)
        }
    }

    #if PLANTED_FAULTS
        private var late: AcceptCall?

        private func executeLate() {
            guard let call = late else { return }
            late = nil
            call.write(into: writer)
            if (try? link.connection?.execute("accept", writer, deadline: .now + .seconds(10))) == nil { link.drop() }
        }
    #endif

    /// One hop per event loop, however many messages.
    private func answer(_ items: [AcceptItem], _ verdicts: [AcceptVerdict]) {
        guard !items.isEmpty else { return }
        mailbox.decided(index)
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

    private func log(_ report: AcceptProcedure.Report) {
        switch report {
        case .commitInDoubt(let call, let error):
            logger.warning(
                "a commit is in doubt",
                metadata: [
                    "batch": "\(call.batch)", "messages": "\(call.items.count)", "reason": "\(error.message)",
                ])
        case .fenceInDoubt(let call, let error):
            logger.warning(
                "the fence is in doubt", metadata: ["batch": "\(call.batch)", "reason": "\(error.message)"])
        case .outcomeUnknown(let call):
            logger.error(
                "the outcome is unknown",
                metadata: [
                    "batch": "\(call.batch)", "ids": "\(call.ids.map(\.description).joined(separator: " "))",
                ])
        case .notStored(let items, let error):
            logger.error(
                "messages could not be stored",
                metadata: [
                    "messages": "\(items.count)", "sqlstate": "\(error.sqlState ?? "")", "reason": "\(error.message)",
                    "tenant": "\(items.first?.request.tenantSlug ?? "")",
                ])
        }
    }
}

#if PLANTED_FAULTS
    extension AcceptCall {
        /// As if all of it had been accepted.
        fileprivate func success(at now: Instant) -> AcceptAnswer {
            AcceptAnswer(items.map { _ in .accepted(remaining: nil, .forwarded) }, clock: now)
        }
    }
#endif
