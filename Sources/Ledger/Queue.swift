package import Logging
internal import NIOCore
package import Postgres
internal import SMTP

/// The forwarder's side of the ledger: leases due recipients to this node and records what became of them.
package final class Queue: Sendable {
    private let connection: DatabaseConnection
    private let settler: Settler
    private let owner: Owner
    private let logger: Logger
    package let clock: DatabaseClock
    private static let setApart = Duration.seconds(3600)
    private static let step = Duration.seconds(5)

    package init(_ database: DatabaseConfiguration, owner: Owner, clock: DatabaseClock, logger: Logger) {
        self.owner = owner
        self.clock = clock
        self.logger = logger
        connection = DatabaseConnection(database, name: "claim")
        settler = Settler(database, logger: logger)
    }

    /// Leases due messages to this node's owner; empty when there are none or the lease is not held just now.
    ///
    /// A message with an address that cannot be read is set apart for an hour, with an error in the log and an event: it
    /// keeps nobody else waiting, and what can read it one day still finds it.
    ///
    /// A claim in doubt may have leased rows that nobody knows of: the owner then starts again under a new id, which
    /// frees them.
    ///
    /// - Parameter pools: only mail for these; nil: for all. What waits for a pool left out costs a claim nothing.
    package func claim(
        maxMessages: Int, maxBytes: Int, pools: [Int64]? = nil
    ) async throws(DatabaseError) -> [QueuedMessage] {
        guard let id = owner.holdingID else { return [] }
        do {
            let asked = ContinuousClock.now
            let rows = try await connection.query(
                "SELECT c.*, (SELECT ledger.clock()) AS clock FROM ledger.claim($1, $2, $3, $4) AS c",
                [
                    .uuid(id), .int32(Int32(clamping: maxMessages)), .int64(Int64(maxBytes)),
                    pools.map { .int64Array($0) } ?? .null(.int8Array),
                ])
            try hearClock(rows, within: .now - asked)
            let answer = try ClaimAnswer(rows, owner: id, setApartUntil: clock.now.advanced(by: Self.setApart))
            for (message, reason) in answer.unreadable {
                logger.error(
                    "a message in the queue cannot be read", metadata: ["id": "\(message)", "reason": "\(reason)"])
            }
            settler.settle(answer.returned)
            return answer.messages
        } catch {
            if error.kind == .doubt || error.kind == .unexpected || error.sqlState == "GP001" { owner.startAgain(id) }
            throw error
        }
    }

    /// What is to be given back, untried, of what this node holds of some tenants.
    package struct Recall: Sendable, Equatable {
        /// The pool that each tenant's mail goes by now; nil: nothing of it is to be sent.
        package var pools: [Int64: Int64?] = [:]
        /// Recipients that are cancelled as soon as nobody has them under way.
        package var cancelled: [MessageID: Set<Int32>] = [:]

        package init() {}

        /// The places of a message's recipients that are to be given back.
        package func places(in message: QueuedMessage) -> [Int] {
            guard let pool = pools[message.tenantID] else { return [] }
            guard pool == message.poolID else { return Array(message.recipients.indices) }
            guard let numbers = cancelled[message.id] else { return [] }
            return message.recipients.indices.filter { numbers.contains(message.recipients[$0].number) }
        }
    }

    /// Asks what has become of tenants that changed.
    package func recalled(tenants: [Int64]) async throws(DatabaseError) -> Recall {
        guard let id = owner.holdingID else { return Recall() }
        let rows = try await connection.query(
            "SELECT * FROM ledger.recalled($1, $2)", [.uuid(id), .int64Array(tenants)])
        var recall = Recall()
        for row in rows {
            let tenant = try row.int64("tenant_id")
            recall.pools.updateValue(try row.bool("held") ? nil : try row.int64("pool_id"), forKey: tenant)
            if let message = try row.uuidOrNil("message_id") {
                recall.cancelled[message, default: []].insert(Int32(clamping: try row.int64("number")))
            }
        }
        return recall
    }

    /// A database whose time has been set, or another one that leads now, is heard of before its mail is tried: what is
    /// to be tried later by the time of before may be due already.
    ///
    /// - Parameter duration: of the claim; what its answer took on its way is no such step.
    private func hearClock(_ rows: Rows, within duration: Duration) throws(DatabaseError) {
        guard let row = rows.first else { return }
        let now = try row.timestamp("clock")
        let difference = Duration.microseconds(abs(now.microseconds - clock.now.microseconds))
        if difference > Self.step + duration { clock.adjust(to: now) }
    }

    /// Claims again and again until cancelled: at once while there is more, else every 200 ms.
    ///
    /// - Parameters:
    ///   - room: how many messages can be taken just now.
    ///   - pools: those that have room for some of them; nil: all have.
    ///   - take: gets what was claimed.
    package func poll(
        every pause: Duration = .milliseconds(200), maxBytes: Int = 64 << 20,
        room: @Sendable () async -> Int, pools: @Sendable () async -> [Int64]? = { nil },
        take: @Sendable ([QueuedMessage]) async -> Void
    ) async {
        var isAway = false
        while !Task.isCancelled {
            let wanted = min(await room(), 500)
            let pools = await pools()
            var wait = pause
            if wanted > 0, pools?.isEmpty != true {
                do throws(DatabaseError) {
                    let claimed = try await claim(maxMessages: wanted, maxBytes: maxBytes, pools: pools)
                    if !claimed.isEmpty {
                        await take(claimed)
                        if claimed.count >= wanted { wait = .zero }
                    }
                    isAway = false
                } catch {
                    if !isAway { logger.warning("claim failed", metadata: ["reason": "\(error)"]) }
                    isAway = true
                    wait = .seconds(1)
                }
            }
            if wait > .zero { try? await Task.sleep(for: wait) }
        }
    }

    /// Records outcomes, in the background; never drops one while this process lives.
    ///
    /// - Parameter report: tells of them, or of some of them, all of one message. It is stored in the transaction that settles
    ///   them, if at least one of them takes effect.
    package func settle(_ outcomes: [Settlement], report: DeliveryReport? = nil) {
        settler.settle(outcomes, report: report)
    }

    /// Returns when everything settled so far is committed.
    package func drain() async { await settler.drain() }

    package func shutdown() async {
        await settler.shutdown()
        await connection.close()
    }
}

/// The rows of `ledger.claim`.
private struct ClaimAnswer {
    private(set) var messages: [QueuedMessage] = []
    /// What gives back those that cannot be read.
    private(set) var returned: [Settlement] = []
    private(set) var unreadable: [(MessageID, String)] = []

    init(_ rows: Rows, owner: MessageID, setApartUntil: Instant) throws(DatabaseError) {
        messages.reserveCapacity(rows.count)
        guard !rows.isEmpty else { return }
        let content = try rows.column("content")
        for row in rows {
            var body = ByteBuffer()
            var isEightBit = false
            if !row.isNull(at: content) {
                try row.withBytes(at: content) { octets in
                    body = ByteBuffer(bytes: octets)
                    isEightBit = octets.contains { $0 > 127 }
                }
            }
            let sender: ReversePath
            var recipients: [QueuedMessage.Recipient] = []
            let id = try row.uuid("id")
            let tenant = try row.int64("tenant_id")
            let numbers = try row.int64s("numbers")
            let leases = try row.int64s("leases")
            var place = "the sender"
            do {
                sender = try ReversePath(parsing: try row.string("sender"))
                let addresses = try row.strings("addresses")
                let attempts = try row.int64s("attempts")
                let notifies = try row.int64s("notifies")
                let originals = try row.strings("orcpts")
                guard
                    [addresses.count, attempts.count, notifies.count, originals.count, leases.count]
                        .allSatisfy({ $0 == numbers.count })
                else {
                    throw DatabaseError(.unexpected, "claim's arrays differ in length")
                }
                for index in numbers.indices {
                    place = "recipient \(numbers[index])"
                    recipients.append(
                        QueuedMessage.Recipient(
                            number: Int32(clamping: numbers[index]),
                            envelope: EnvelopeRecipient(
                                try Mailbox(parsing: addresses[index]),
                                notify: notifies[index] < 0
                                    ? nil : NotifyConditions(rawValue: Int16(notifies[index] & 7)),
                                originalRecipient: originals[index].isEmpty ? nil : originals[index]),
                            attempts: Int32(clamping: attempts[index]), lease: Int32(clamping: leases[index]),
                            isDelayTold: notifies[index] >= 0 && notifies[index] & 8 != 0))
                }
            } catch {
                // What is wrong with the answer is wrong with all of it; an address is one message's.
                if let error = error as? DatabaseError { throw error }
                let what = (error as? AddressError)?.reason ?? "\(error)"
                let reason = "the address of \(place) cannot be read: \(what)"
                unreadable.append((id, reason))
                returned += zip(numbers, leases).map { number, lease in
                    let one = Owner.LeasedRecipient(
                        messageID: id, number: Int32(clamping: number), lease: Int32(clamping: lease))
                    return Settlement(
                        releasing: one, tenant: tenant, owner: owner, as: .unreadable(until: setApartUntil),
                        reply: Array(reason.utf8))
                }
                continue
            }
            messages.append(
                QueuedMessage(
                    id: id, owner: owner, tenantID: tenant,
                    tenantSlug: try row.string("tenant"), credentialName: try row.stringOrNil("credential") ?? "",
                    poolID: try row.int64("pool_id"), sender: sender, recipients: recipients,
                    parameters: try Self.parameters(row), content: body, isEightBit: isEightBit,
                    acceptedAt: try row.timestamp("accepted_at"),
                    messageIDHeader: try row.stringOrNil("message_id_header"),
                    clientAddress: try row.stringOrNil("client"),
                    kind: QueuedMessage.Kind(rawValue: try row.string("kind")) ?? .mail))
        }
    }

    private static func parameters(_ row: Rows.Row) throws(DatabaseError) -> MailParameters {
        MailParameters(
            body: BodyType(word: try row.string("body_type")) ?? .eightBitMIME,
            isInternationalized: try row.bool("smtputf8"),
            returnContent: try row.stringOrNil("ret").flatMap { ReturnContent(word: $0) },
            envelopeID: try row.stringOrNil("envid"))
    }
}
