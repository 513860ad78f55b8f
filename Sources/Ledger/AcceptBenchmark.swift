package import NIOCore
package import Postgres
internal import Synchronization

/// `ledger.accept` alone: the acceptor's own binary call, batch after batch, without sessions, TLS or waiting.
///
/// What a server accepts can be read as a share of this, measured in the same run on the same machine.
package struct AcceptBenchmark: Sendable {
    package struct Report: Sendable {
        package var calls = 0
        package var messages = 0
        package var accepted: [MessageID] = []
        /// Messages by verdict, but for the accepted ones.
        package var refusals: [String: Int] = [:]
        /// The sum of all calls' times, on every connection.
        package var busy: Duration = .zero
        /// The longest that one connection took.
        package var elapsed: Duration = .zero
        package init() {}
    }

    private let database: DatabaseConfiguration
    private let owner: Owner?
    private let eventLoop: any EventLoop

    /// - Parameters:
    ///   - owner: whom accepted rows are leased to; nil: they are free, and the next forwarder sends them.
    ///   - eventLoop: any; nothing runs on it.
    package init(_ database: DatabaseConfiguration, owner: Owner?, on eventLoop: any EventLoop) {
        self.database = database
        self.owner = owner
        self.eventLoop = eventLoop
    }

    /// Calls until `messages` were offered or `limit` has passed, on a thread and a connection each.
    ///
    /// - Parameter request: makes the n-th message, from 0; called on several threads.
    package func run(
        batch: Int, connections: Int, messages: Int, limit: Duration,
        request: @escaping @Sendable (Int) -> AcceptRequest
    ) async throws(DatabaseError) -> Report {
        let next = Mutex(0)
        let take: @Sendable () -> Range<Int>? = {
            next.withLock { next in
                guard next < messages else { return nil }
                defer { next += batch }
                return next..<min(next + batch, messages)
            }
        }
        let results = await withTaskGroup(of: Result<Report, DatabaseError>.self) { group in
            for _ in 0..<connections {
                group.addTask {
                    await withCheckedContinuation { continuation in
                        startThread(name: "accept bench") {
                            continuation.resume(returning: work(take, limit, request))
                        }
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        var total = Report()
        for result in results {
            let report = try result.get()
            total.calls += report.calls
            total.messages += report.messages
            total.accepted += report.accepted
            total.refusals.merge(report.refusals, uniquingKeysWith: +)
            total.busy += report.busy
            total.elapsed = max(total.elapsed, report.elapsed)
        }
        return total
    }

    private func work(
        _ take: () -> Range<Int>?, _ limit: Duration, _ request: (Int) -> AcceptRequest
    ) -> Result<Report, DatabaseError> {
        do throws(DatabaseError) {
            let connection = try BlockingConnection(database)
            let clock = DatabaseClock()
            let farAway = ContinuousClock.now + .seconds(600)
            try connection.prepare("accept", AcceptCall.statement, deadline: farAway)
            try clock.adjust(from: connection, deadline: farAway)
            let writer = ParameterWriter(capacity: 64 << 10)
            var report = Report()
            let begun = ContinuousClock.now
            while ContinuousClock.now - begun < limit, let range = take() {
                let items = range.map {
                    AcceptItem(request: request($0), eventLoop: eventLoop, completion: { _ in }, deadline: farAway)
                }
                let before = ContinuousClock.now
                let call = AcceptCall(items, owner: owner?.holdingID, now: clock.now)
                call.write(into: writer)
                let rows = try connection.execute("accept", writer, deadline: farAway)
                guard let answer = try AcceptAnswer(rows, expected: items.count) else {
                    throw DatabaseError(.unexpected, "accept returned no rows")
                }
                report.busy += ContinuousClock.now - before
                count(answer, call, in: &report)
            }
            report.elapsed = ContinuousClock.now - begun
            return .success(report)
        } catch {
            return .failure(error)
        }
    }

    private func count(_ answer: AcceptAnswer, _ call: AcceptCall, in report: inout Report) {
        report.calls += 1
        report.messages += call.items.count
        for (id, verdict) in zip(call.ids, answer.verdicts) {
            switch verdict {
            case .accepted: report.accepted.append(id)
            case .resubmitted: report.refusals["resubmitted", default: 0] += 1
            case .staleID: report.refusals["stale_id", default: 0] += 1
            case .refused(let refusal): report.refusals[refusal.verdict.rawValue, default: 0] += 1
            }
        }
    }
}
