import Ledger
import Logging
import NIOCore
import NIOPosix
import Network
import Postgres
import SASL
import SMTP
import Synchronization
import TLS
import Tenancy

/// What all sessions of a node share.
final class SubmissionShared: Sendable {
    let tls: TLSContextSource
    let budget: BodyBudget
    let sasl: SASLServer
    let directory: Directory
    let acceptor: Acceptor
    let threads: NIOThreadPool
    let logger: Logger
    let sessions = SessionCounter()
    let open: OpenSessions
    let refusals: RefusalJournal
    let doorkeeper: Doorkeeper
    let pacers: HandshakePacers
    private let live: Mutex<Snapshot>
    /// Octets of heap that handshakes and messages have gone through, roughly.
    let churn = Atomic(0)

    /// Looked at with every command: one count of references, not one for each of its parts.
    private final class Snapshot: Sendable {
        let configuration: SubmissionConfiguration
        init(_ configuration: SubmissionConfiguration) { self.configuration = configuration }
    }

    init(
        configuration: SubmissionConfiguration, tls: TLSContextSource, budget: BodyBudget, sasl: SASLServer,
        directory: Directory, acceptor: Acceptor, refusals: RefusalJournal, group: any EventLoopGroup,
        threads: NIOThreadPool, logger: Logger
    ) {
        self.tls = tls
        self.budget = budget
        self.sasl = sasl
        self.directory = directory
        self.acceptor = acceptor
        self.refusals = refusals
        open = OpenSessions(logger: logger) { try await directory.login(named: $0) }
        self.threads = threads
        self.logger = logger
        doorkeeper = Doorkeeper(configuration)
        pacers = HandshakePacers(group)
        live = Mutex(Snapshot(configuration))
    }

    /// For what is said about one session.
    func logger(of session: MessageID) -> Logger {
        var logger = logger
        logger[metadataKey: "session"] = "\(session)"
        return logger
    }

    /// What names the refusals of a session: a stranger's without a login.
    func refusals(of visit: Visit, _ login: Login? = nil) -> SessionRefusals {
        SessionRefusals(
            visit, login, journal: refusals, clock: acceptor.clock, logger: logger(of: visit.session))
    }

    /// As it is now: a reload may change it between two looks.
    var configuration: SubmissionConfiguration { live.withLock { $0 }.configuration }

    func reconfigure(_ configuration: SubmissionConfiguration) {
        live.withLock { $0 = Snapshot(configuration) }
        doorkeeper.change(configuration)
    }

    /// Whether connections from there begin with a PROXY header.
    func isBalancer(_ address: String) -> Bool { configuration.isBalancer(address) }

    var dialogue: SubmissionDialogue.Configuration {
        let configuration = configuration
        return SubmissionDialogue.Configuration(
            hostname: configuration.hostname, maxMessageSize: configuration.maxMessageSize,
            maxRecipients: configuration.maxRecipients, mechanisms: sasl.mechanisms.map(\.rawValue),
            lineEndings: configuration.normalisesLineEndings ? .normalise : .strict)
    }
}
