import CLinux
import Delivery
import Forwarding
import Glibc
import Ledger
import Logging
import NIOCore
import NIOPosix
import Network
import Postgres
import Relay
import SASL
import SMTP
import SQL
import ServiceLifecycle
import Submission
import Synchronization
import TLS
import Tenancy
import UnixSignals

/// One running node: the roles it was asked for, wired together, started and ended in the right order.
final class NodeService: Service {
    private let live: LiveSettings
    private let load: @Sendable () throws -> Settings
    private let sockets: [String: [Int32]]
    private let roles: Set<Serve.Role>
    private let logger: Logger
    private let group: MultiThreadedEventLoopGroup
    private let threads: NIOThreadPool
    private let budget: BodyBudget
    private var settings: Settings { live.current }
    /// What cannot change before a restart is as it was here.
    private let started: Settings
    private let watched = WatchedCertificates()
    /// What takes new settings up, and whether the node is ready: it may wait for its database yet.
    private let serving = Mutex<(submission: SubmissionServer?, isReady: Bool)>((nil, false))

    /// - Parameters:
    ///   - sockets: what the service manager has opened, by name; they go before the settings' addresses.
    ///   - load: reads the settings again, for SIGHUP.
    /// - Throws: `Failure` where the settings lack what a role needs.
    init(
        _ settings: Settings, roles: Set<Serve.Role>, sockets: [String: [Int32]] = [:], logger: Logger,
        load: @escaping @Sendable () throws -> Settings
    ) throws(Failure) {
        live = LiveSettings(settings)
        started = settings
        self.load = load
        self.sockets = sockets
        self.roles = roles
        self.logger = logger
        group = MultiThreadedEventLoopGroup(numberOfThreads: settings.submission.threads ?? System.coreCount)
        threads = NIOThreadPool(numberOfThreads: 4)
        budget = BodyBudget(limit: settings.submission.bodyMemory)
        try settings.require(roles)
    }

    func run() async throws {
        // A reload that is asked for before anyone listens must not end the process, as it would by default.
        signal(SIGHUP, SIG_IGN)
        clinux_map_large_blocks()
        checkDescriptorLimit()
        if !clinux_forbid_dumps() { logger.warning("core files could not be forbidden") }
        threads.start()
        let relay = roles.contains(.relay) ? try makeRelay() : nil
        try await relay?.start()
        // Before anything waits for the database: the relay takes mail already.
        let watching = Task { [watched, logger] in await watched.watch(relay: relay, logger: logger) }
        defer { watching.cancel() }
        let reloading = Task { [self] in
            for await _ in await UnixSignalsSequence(trapping: .sighup) { await reload() }
        }
        defer { reloading.cancel() }
        let front: FrontEnd?
        do {
            front = roles.contains(.submission) || roles.contains(.forwarder) ? try await makeFront() : nil
        } catch is CancellationError {
            // Asked to end while it waited for its database.
            await relay?.stop(grace: settings.shutdown.grace)
            return logger.notice("stopped")
        }
        do {
            try await front?.submission?.start()
        } catch {
            await front?.stop(grace: .zero)
            throw error
        }
        serving.withLock { $0 = (front?.submission, true) }
        // The settings may have been read again while it was made.
        await front?.submission?.reconfigure(settings.submission.configuration)
        logger.notice(
            "ready",
            metadata: [
                "node": "\(settings.node.name)", "roles": "\(roles.map(\.rawValue).sorted().joined(separator: " "))",
            ])
        ServiceManager.ready()
        let alive = Task {
            guard let pause = ServiceManager.watchdogInterval else { return }
            while (try? await Task.sleep(for: pause)) != nil {
                // A loop that hangs gives no sign of life.
                guard (try? await group.next().submit {}.get()) != nil else { return }
                ServiceManager.alive()
            }
        }
        try? await gracefulShutdown()
        ServiceManager.stopping()
        reloading.cancel()
        alive.cancel()
        logger.notice("shutting down", metadata: ["grace": "\(settings.shutdown.grace.text)"])
        let grace = settings.shutdown.grace
        // Sessions have the grace, then deliveries have it; other nodes' forwarders, at this one's relay, what they leave
        // of it.
        let limit = grace + grace + Self.farewell
        let deadline = ContinuousClock.now + limit
        let hasEnded = await Self.ends(within: limit) { await front?.stop(grace: grace) }
        let rest = ContinuousClock.now.duration(to: deadline)
        await relay?.stop(grace: max(min(grace, .seconds(10)), min(grace, rest)))
        guard hasEnded else {
            return logger.error("stopped before all was done: a delivery goes on, or the database does not answer")
        }
        try? await threads.shutdownGracefully()
        try? await group.shutdownGracefully()
        logger.notice("stopped")
    }

    /// For last words to sessions, and for what has to be written then.
    private static let farewell = Duration.seconds(6)

    /// Whether `work` ended in time. What takes leave of a database that has stopped answering waits without end: the
    /// process may end at any time, and then does.
    private static func ends(within limit: Duration, _ work: @escaping @Sendable () async -> Void) async -> Bool {
        let (outcomes, first) = AsyncStream.makeStream(of: Bool.self)
        Task {
            await work()
            first.yield(true)
        }
        let alarm = Task {
            if (try? await Task.sleep(for: limit)) != nil { first.yield(false) }
        }
        defer { alarm.cancel() }
        for await outcome in outcomes { return outcome }
        return false
    }

    /// SIGHUP: what can change while sessions go on does, and the log says by name what cannot.
    private func reload() async {
        let (submission, isReady) = serving.withLock { $0 }
        if isReady { ServiceManager.reloading() }
        defer { if isReady { ServiceManager.ready() } }
        let before = settings
        let new: Settings
        do {
            new = try load()
            try new.require(roles)
            try new.refuseWorse(than: before, roles, inUse: watched.inUse)
        } catch {
            logger.error("settings could not be taken; those of before stay", metadata: ["reason": "\(error)"])
            return watched.reload(logger: logger)
        }
        let changes = Settings.changes(from: before, to: new)
        live.replace(by: new)
        new.log.apply()
        budget.setLimit(new.submission.bodyMemory)
        await submission?.reconfigure(new.submission.configuration)
        watched.reload(logger: logger)
        logger.notice("reloaded", metadata: ["changed": .array(changes.applied.map { .string($0) })])
        let needRestart = Settings.changes(from: started, to: new).needRestart
        if !needRestart.isEmpty {
            logger.warning(
                "some changed settings need a restart",
                metadata: ["keys": .array(needRestart.map { .string($0) })])
        }
    }

    /// The service manager's sockets of that name, else the settings' addresses.
    private func addresses(_ name: String, _ configured: [HostPort]) -> [ListenAddress] {
        sockets[name]?.map(ListenAddress.init(descriptor:)) ?? configured.map(ListenAddress.init)
    }

    private func makeRelay() throws(Failure) -> RelayServer {
        let relay = settings.relay
        let tls: TLSContextSource
        let verified: TLSContextSource?
        do {
            verified =
                relay.verifiesSmarthost
                ? try TLSContextSource { [live] _ throws(TLSError) in try live.current.relay.smarthostContext() } : nil
            tls = try TLSContextSource { [live] before throws(TLSError) in
                try live.current.relayContext(before: before)
            }
        } catch {
            throw Failure(
                "\(error)",
                hint:
                    "see relay.certificate, relay.private-key, relay.authorities, relay.revocations, relay.smarthost-authorities; `gatepost check` looks at each"
            )
        }
        watched.add(tls, "relay")
        if let verified { watched.add(verified, "relay to its smarthost") }
        let route = try makeRoute(relay, threads: threads, on: group.next(), verified: verified, logger: logger)
        return RelayServer(
            configuration: .init(listen: addresses("relay", relay.listen), hostname: relay.hostname), tls: tls,
            route: route, group: group, logger: Logger(label: "relay"))
    }

    private func makeFront() async throws -> FrontEnd {
        let database = try settings.database(as: .node)
        try await waitForSchema(database)
        let clock = DatabaseClock()
        let lookUps = DatabasePool(database)
        let logins = LoginReader(database, logger: Logger(label: "submission"))
        let directory = Directory(lookUps, logins)
        let pools = PoolDirectory(lookUps)
        let listener = Listener(database, channels: [DirectoryChange.channel])
        let delivery = roles.contains(.forwarder) ? try makeDelivery(database, pools, clock) : nil
        let watching = Task {
            for await event in listener.events {
                directory.hear(event)
                pools.hear(event)
                delivery?.forwarder.hear(event)
            }
        }
        await delivery?.start()
        let acceptor =
            roles.contains(.submission)
            ? Acceptor(
                .init(database: database), owner: delivery?.owner, clock: clock, logger: Logger(label: "accept"),
                onAccepted: { messages in delivery?.forwarder.take(messages) }) : nil
        var submission: SubmissionServer?
        var noting: Task<Void, Never>?
        if let acceptor {
            let tickets = try await ticketKeys(lookUps)
            let refusals = RefusalJournal(lookUps, logger: Logger(label: "submission"))
            submission = try makeSubmission(
                acceptor: acceptor, directory: directory, refusals: refusals, tickets: tickets)
            noting = Task {
                async let uses: Void = directory.uses.run()
                async let refused: Void = refusals.run()
                _ = await (uses, refused)
            }
        }
        let front = FrontEnd(
            submission: submission, acceptor: acceptor, delivery: delivery, listener: listener, lookUps: lookUps,
            logins: logins, watching: watching, noting: noting)
        return front
    }

    private func makeSubmission(
        acceptor: Acceptor, directory: Directory, refusals: RefusalJournal, tickets: TicketKeys
    ) throws(Failure) -> SubmissionServer {
        let submission = settings.submission
        let tls: TLSContextSource
        let sasl: SASLServer
        do {
            tls = try TLSContextSource { [live] before throws(TLSError) in
                try live.current.submissionContext(before: before, ticketKeys: tickets)
            }
            sasl = try SASLServer.shared()
        } catch let error as TLSError {
            throw Failure(
                "\(error)",
                hint:
                    "see submission.certificate, submission.private-key, submission.certificates; `gatepost check` looks at each"
            )
        } catch {
            throw Failure("\(error)")
        }
        watched.add(tls, "submission")
        var configuration = submission.configuration
        configuration.listen = addresses("submission", submission.listen)
        configuration.listenTLS = addresses("submissions", submission.listenTLS)
        return SubmissionServer(
            configuration: configuration, tls: tls, budget: budget, sasl: sasl, directory: directory,
            acceptor: acceptor, refusals: refusals, group: group, threads: threads,
            logger: Logger(label: "submission"))
    }

    private func makeDelivery(
        _ database: DatabaseConfiguration, _ pools: PoolDirectory, _ clock: DatabaseClock
    ) throws(Failure) -> Delivery {
        let forwarder = settings.forwarder
        let tls: NextHopTLS
        do {
            let mutual = try TLSContextSource { [live] before throws(TLSError) in
                try live.current.mutualContext(before: before)
            }
            let verified = try TLSContextSource { [live] _ throws(TLSError) in
                try live.current.smarthostContext()
            }
            let unverified = try TLSContext.client(authorities: nil)
            watched.add(mutual, "forwarder")
            watched.add(verified, "forwarder to smarthosts")
            tls = NextHopTLS(
                unverified: { unverified }, verified: { verified.current }, mutual: { mutual.current })
        } catch {
            throw Failure(
                "\(error)",
                hint:
                    "see forwarder.certificate, forwarder.private-key, forwarder.authorities, forwarder.smarthost-authorities; `gatepost check` looks at each"
            )
        }
        let logger = Logger(label: "forwarder")
        let owner = Owner(database, node: settings.node.name, clock: clock, logger: logger)
        let queue = Queue(database, owner: owner, clock: clock, logger: logger)
        return Delivery(
            forwarder: Forwarder(
                configuration: .init(
                    hostname: settings.submission.hostname,
                    schedule: RetrySchedule(waits: forwarder.retry, expiry: forwarder.expireAfter),
                    delayWarning: forwarder.delayWarning,
                    connectionsPerMember: forwarder.connectionsPerMember,
                    // Half at most, so that there is always room for what comes in.
                    maxOctets: min(128 << 20, settings.submission.bodyMemory / 2)), queue: queue, owner: owner,
                pools: pools,
                tls: tls, budget: budget, on: group.next(), logger: logger),
            queue: queue, owner: owner, upkeep: Upkeep(database, logger: Logger(label: "upkeep")),
            notifier: makeNotifier(database, clock), logger: logger)
    }

    /// Warnings are noticed by whichever node looks first, and mailed where there is an address to mail them from.
    private func makeNotifier(_ database: DatabaseConfiguration, _ clock: DatabaseClock) -> Notifier {
        Notifier(database, logger: Logger(label: "notifier")) { [live] warning in
            let settings = live.current
            guard let from = settings.notices.from, let author = try? Mailbox(parsing: from) else { return nil }
            return LimitNotice(from: author, hostname: settings.submission.hostname).mail(
                about: warning, now: clock.secondsSinceEpoch, unique: "\(MessageID(at: clock.now))")
        }
    }

    /// The secret that all nodes of the cluster seal session tickets with.
    private func ticketKeys(_ lookUps: DatabasePool) async throws -> TicketKeys {
        let secret = try await lookUps.query("SELECT ledger.secret('ticket') AS secret").first?.bytesOrNil("secret")
        guard let secret else { throw Failure("the cluster has no secret `ticket`; was it migrated?") }
        return try TicketKeys(secret: secret)
    }

    /// A node may be started before its database: it waits, and says so once. A schema that does not fit ends it.
    private func waitForSchema(_ database: DatabaseConfiguration) async throws {
        let connection = DatabaseConnection(database, name: "schema check")
        var isWaiting = false
        while true {
            do {
                try await Migrator.embedded.checkServes(connection)
                await connection.close()
                return
            } catch let error as MigrationError {
                throw Failure(error.message, hint: error.hint)
            } catch let error as DatabaseError where error.sqlState == "42501" {
                throw error
            } catch {
                if !isWaiting { logger.warning("waiting for the database", metadata: ["reason": "\(error)"]) }
                isWaiting = true
                try await Task.sleep(for: .seconds(1))
                if Task.isShuttingDownGracefully { throw CancellationError() }
            }
        }
    }

    /// A session costs a descriptor; the usual soft limit of 1,024 is for programs that use select().
    private func checkDescriptorLimit() {
        guard let limit = DescriptorLimit.raise() else { return }
        // Besides: the database, relays, files.
        let wanted = (roles.contains(.submission) ? settings.submission.maxConnections : 0) + 1000
        if limit < UInt(wanted) {
            logger.warning(
                "the limit of open files is too low for submission.max-connections",
                metadata: [
                    "limit": .stringConvertible(Int(clamping: limit)), "wanted": .stringConvertible(wanted),
                ])
        }
    }
}

/// The forwarder with what it stands on.
struct Delivery: Sendable {
    let forwarder: Forwarder
    let queue: Queue
    let owner: Owner
    let upkeep: Upkeep
    let notifier: Notifier
    let logger: Logger

    func start() async {
        do {
            try await owner.start(
                inMemory: { forwarder.inMemory }, onEvent: { await forwarder.leaseChanged($0) })
        } catch {
            logger.warning("the lease is not held yet", metadata: ["reason": "\(error)"])
        }
    }
}

/// The roles that need the database, and the order in which they end.
final class FrontEnd: Sendable {
    let submission: SubmissionServer?
    private let acceptor: Acceptor?
    private let delivery: Delivery?
    private let listener: Listener
    private let lookUps: DatabasePool
    private let logins: LoginReader
    private let watching: Task<Void, Never>
    private let forwarding: Task<Void, Never>?
    private let upkeep: Task<Void, Never>?
    private let notifying: Task<Void, Never>?
    private let trimming: Task<Void, Never>?
    private let noting: Task<Void, Never>?

    init(
        submission: SubmissionServer?, acceptor: Acceptor?, delivery: Delivery?, listener: Listener,
        lookUps: DatabasePool, logins: LoginReader, watching: Task<Void, Never>, noting: Task<Void, Never>?
    ) {
        self.noting = noting
        self.submission = submission
        self.acceptor = acceptor
        self.delivery = delivery
        self.listener = listener
        self.lookUps = lookUps
        self.logins = logins
        self.watching = watching
        forwarding = delivery.map { delivery in Task { await delivery.forwarder.run() } }
        upkeep = delivery.map { delivery in Task { await delivery.upkeep.run() } }
        notifying = delivery.map { delivery in Task { await delivery.notifier.run() } }
        trimming = submission.map { submission in Task { await trimHeap(with: submission) } }
    }

    /// First what brings work, then what does it, then what it stands on.
    func stop(grace: Duration) async {
        trimming?.cancel()
        await submission?.stop(grace: grace)
        noting?.cancel()
        await noting?.value
        await acceptor?.shutdown()
        forwarding?.cancel()
        notifying?.cancel()
        await forwarding?.value
        await delivery?.queue.drain()
        // Outcomes may wait for the partitions of a day, which it makes.
        upkeep?.cancel()
        await delivery?.owner.shutdown()
        await delivery?.queue.shutdown()
        listener.shutdown()
        await watching.value
        await upkeep?.value
        await notifying?.value
        await logins.shutdown()
        await lookUps.shutdown()
    }
}

/// glibc keeps what ended sessions, handshakes and messages leave behind. It is given back when many sessions have gone, and
/// in the first quiet second after much work: giving back holds up whoever wants memory, so not in the middle of a load.
/// What the heap holds free is not asked for, for the answer would walk all of it under its locks.
private func trimHeap(with submission: SubmissionServer) async {
    var peak = 0
    var churn = 0
    var trimmedAt = 0
    while (try? await Task.sleep(for: .seconds(1))) != nil {
        let now = await submission.connectionCount
        peak = max(peak, now)
        let last = churn
        churn = submission.churn
        if peak - now >= 100 || (churn - trimmedAt >= 32 << 20 && churn - last <= 1 << 20) {
            clinux_trim_heap()
            peak = now
            trimmedAt = churn
        }
    }
}

extension Failure {
    static func missing(_ key: String, _ what: String) -> Failure {
        Failure(
            "`\(key)` is not set: \(what)",
            hint: (["certificate", "private-key", "authorities"].contains { key.hasSuffix($0) }
                ? "`gatepost ca` makes certificates; " : "") + "Config/gatepost.yaml has every key"
        )
    }
}

extension String? {
    func required(_ key: String, _ what: String) throws(Failure) -> String {
        guard let self else { throw .missing(key, what) }
        return self
    }
}

extension ListenAddress {
    init(_ address: HostPort) { self.init(host: address.host, port: address.port) }
}
