import ArgumentParser
import Logging
import Network
import Postgres
import ServiceLifecycle
import UnixSignals

/// `gatepost serve`: the three roles in one process, or one of them.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve one role, some, or all three in one process.",
        discussion: """
            Examples:
              gatepost serve --config /etc/gatepost/gatepost.yaml
              gatepost serve --role submission     take customers' mail
              gatepost serve --role submission --role forwarder
              gatepost serve --role forwarder      bring accepted mail to the relays
              gatepost serve --role relay          deliver; needs no database

            SIGTERM ends it in good order: no new connections, 421 to idle sessions, messages under way are finished \
            (`shutdown.grace`), what is still queued is free for other nodes at once. SIGHUP reads certificates, log \
            level, limits and lists again; no session ends, and the log says what needs a restart.

            It tells systemd when it is ready (Type=notify) and takes sockets from it (Config/systemd).
            """)

    @OptionGroup var common: CommonOptions

    @Option(help: "submission, forwarder or relay, once for each that is wanted; without it all three.")
    var role: [Role] = []

    enum Role: String, ExpressibleByArgument, CaseIterable, Sendable { case submission, forwarder, relay }

    func run() async throws {
        let settings = try common.settings()
        settings.log.start()
        let logger = Logger(label: "gatepost")
        let node = try NodeService(
            settings, roles: Set(role.isEmpty ? Role.allCases : role), sockets: try ServiceManager.takeSockets(),
            logger: logger, load: { [common] in try common.settings() })
        defer { LogWriter.standardError.finish() }
        let group = ServiceGroup(
            configuration: .init(
                services: [.init(service: node, successTerminationBehavior: .gracefullyShutdownGroup)],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        do {
            try await group.run()
        } catch let error as DatabaseError where error.sqlState == "42501" {
            throw error
        } catch let error as ListenFailure {
            throw Failure(
                "\(error)",
                hint:
                    "submission.listen, submission.listen-tls and relay.listen say where; `ss -ltnp` shows who has a port"
            )
        } catch {
            throw (error as? Failure) ?? Failure("\(error)")
        }
    }
}
