import ArgumentParser
import Glibc
import Postgres
import Tenancy

/// `gatepost check`: whether everything is as it must be, a line for each thing.
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Look at everything that can be wrong: a line each.",
        discussion: """
            Settings, libraries, limits of the system, certificates, the database and which promise is in force, schema, \
            clocks, pools, and every relay: is it reachable, with STARTTLS and the certificate it must have? The same of \
            relay.smarthost, where relay.route is smarthost. Changes nothing. `note` is for you to know, `wrong` does not \
            work or soon will not: then it ends with 2.

            With --ready it only asks whether this node serves: its ports answer, its database is there and fits. That \
            is for health checks. Where one file serves nodes of one role each, --role says which this one is.

            Examples:
              gatepost check
              gatepost check --ready
              gatepost check --ready --role relay
              gatepost check --json
            """)

    @OptionGroup var common: CommonOptions
    @Flag(help: "Only whether this node serves: one line, for health checks.") var ready = false
    @Option(help: "With --ready: submission, forwarder or relay; without it, all that have a certificate.")
    var role: Serve.Role?
    @Flag(help: "Leave the relays and relay.smarthost alone: connect to none of them.") var skipRelays = false

    func validate() throws {
        if role != nil, !ready { throw ValidationError("--role is for --ready: the whole check looks at every role.") }
    }

    func run() async throws {
        let output = Output(isJSON: common.json)
        if ready { return try await Readiness(settings: try common.settings(), role: role).tell(output) }
        var isWrong = false
        func tell(_ findings: [Finding]) {
            for finding in findings {
                if finding.state == .wrong { isWrong = true }
                output.show(finding.json, finding.line(for: .output))
            }
        }
        let settings: Settings
        do {
            settings = try common.settings()
        } catch {
            tell(error.faults.map { .wrong("settings", $0.description) })
            throw Self.ending
        }
        tell([.ok("settings", "\(common.file ?? "none: the environment and the defaults")")])
        tell(SystemCheck(settings: settings).findings)
        tell(CertificateCheck(settings: settings).findings)
        if !skipRelays { tell(await SmarthostCheck(settings: settings).findings()) }
        if settings.database.url != nil {
            let database = DatabaseCheck(settings: settings)
            tell(await database.findings())
            let relays = await RelayCheck(settings: settings).findings(probing: !skipRelays)
            tell(relays)
        } else {
            tell([
                .note("database", "none is configured (database.url): enough for the role relay, for no other")
            ])
        }
        if isWrong { throw Self.ending }
    }

    /// What is wrong has been said already.
    private static let ending = ExitCode(gatepost.ExitStatus.differs.rawValue)
}
