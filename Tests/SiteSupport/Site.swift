internal import Foundation
internal import Glibc
package import Postgres
internal import Synchronization
package import TestSupport

/// A whole Gatepost of a test's own on loopback: a durable PostgreSQL, certificates, settings, and the real binary.
package final class Site: Sendable {
    package let folder: String
    package let cluster: PrivateCluster
    package let database: PrivateDatabase
    package let sql: DatabaseConnection
    private let started = Mutex<[Server]>([])
    package var servers: [Server] { started.withLock { $0 } }

    package var ca: String { "\(folder)/pki/ca.pem" }
    package var outbox: String { "\(folder)/outbox" }
    package var settings: String { "\(folder)/gatepost.yaml" }

    /// The binary beside the test bundle, or beside the program that runs; BINARY_UNDER_TEST goes first.
    package static let binary: String = {
        if let chosen = ProcessInfo.processInfo.environment["BINARY_UNDER_TEST"] { return chosen }
        // Inside `swift test` the first argument is the bundle's path in the build folder.
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        return URL(fileURLWithPath: bundle).resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent("gatepost").path
    }()

    /// With a tenant's relay at `relayPort`, which is free until a server with the relay role is started.
    package init() async throws {
        cluster = try PrivateCluster(durable: true)
        database = try await DatabaseTemplates(cluster).createDatabase()
        sql = database.connection()
        var template = Array("/tmp/gatepost-site-XXXXXX\0".utf8).map { CChar(bitPattern: $0) }
        guard let made = mkdtemp(&template) else { throw Failure("no folder under /tmp") }
        folder = String(cString: made)
        relayPort = FreePort.find()
        try Self.yaml(folder, database, relayPort).write(toFile: settings, atomically: true, encoding: .utf8)
        chmod(settings, 0o600)
        try gatepost("ca", "init")
        try gatepost("ca", "issue", "server", "--kind", "server", "--host", "localhost", "--host", "127.0.0.1")
        try gatepost("ca", "issue", "relay", "--kind", "relay", "--host", "127.0.0.1")
        try gatepost("ca", "issue", "forwarder", "--kind", "forwarder")
        try gatepost("relay", "add", "default", "127.0.0.1:\(relayPort)")
    }

    package let relayPort: Int

    deinit {
        for server in servers where server.process.isRunning {
            server.process.signal(SIGKILL)
            server.process.wait()
        }
        // For looking into one that failed.
        if ProcessInfo.processInfo.environment["KEEP_SITES"] == nil {
            try? FileManager.default.removeItem(atPath: folder)
        }
    }

    private static func yaml(_ folder: String, _ database: PrivateDatabase, _ relayPort: Int) -> String {
        """
        database:
          url: "\(database.tcpURL(as: .node))"
          admin-url: "\(database.tcpURL(as: .admin))"
          owner-url: "\(database.tcpURL())"
        submission:
          listen: ["127.0.0.1:1"]
          listen-tls: none
          hostname: mail.gate.example
          certificate: \(folder)/pki/server.pem
          private-key: \(folder)/pki/server.key
        forwarder:
          certificate: \(folder)/pki/forwarder.pem
          private-key: \(folder)/pki/forwarder.key
          authorities: \(folder)/pki/ca.pem
          retry: [1s, 2s]
        relay:
          listen: ["127.0.0.1:\(relayPort)"]
          hostname: relay.gate.example
          certificate: \(folder)/pki/relay.pem
          private-key: \(folder)/pki/relay.key
          authorities: \(folder)/pki/ca.pem
          file-directory: \(folder)/outbox
        pki:
          directory: \(folder)/pki
        """
    }

    /// What a site needs and does not get.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
        package init(_ description: String) { self.description = description }
    }

    // MARK: Commands

    package struct Output {
        package let status: Int32
        package let standardOutput: String
        package let standardError: String
    }

    /// Runs a program to its end.
    package func run(_ arguments: [String]) throws -> Output {
        let base = "\(folder)/command-\(UUID().uuidString)"
        defer {
            unlink("\(base).out")
            unlink("\(base).err")
        }
        let process = try ChildProcess(
            ["sh", "-c", "exec \"$@\" >\"$0.out\" 2>\"$0.err\" </dev/null", base] + arguments)
        let status = process.wait()
        return Output(
            status: status, standardOutput: readFile("\(base).out"), standardError: readFile("\(base).err"))
    }

    /// An operator's command that must succeed.
    @discardableResult
    package func gatepost(_ arguments: String...) throws -> String {
        let output = try run([Self.binary] + arguments + ["--config", settings])
        guard output.status == 0 else { throw Failure("gatepost \(arguments): \(output.standardError)") }
        return output.standardOutput
    }

    package struct Credential {
        package let username: String
        package let secret: String
        package let secretFile: String

        package init(username: String, secret: String, secretFile: String) {
            self.username = username
            self.secret = secret
            self.secretFile = secretFile
        }
    }

    /// A tenant with the domain `SLUG.example` and a credential.
    package func tenant(_ slug: String, _ limits: String...) throws -> Credential {
        let created = try run([Self.binary, "tenant", "create", slug, "--config", settings] + limits)
        guard created.status == 0 else { throw Failure("tenant \(slug): \(created.standardError)") }
        try gatepost("domain", "add", slug, "\(slug).example", "--trust")
        return try credential(slug)
    }

    package func credential(_ slug: String) throws -> Credential {
        let text = try gatepost("credential", "issue", slug, "--json")
        guard let issued = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any],
            let username = issued["username"] as? String, let secret = issued["secret"] as? String
        else { throw Failure("credential issue says \(text)") }
        let file = "\(folder)/\(username).secret"
        try secret.write(toFile: file, atomically: true, encoding: .utf8)
        chmod(file, 0o600)
        return Credential(username: username, secret: secret, secretFile: file)
    }

    // MARK: Servers

    package struct Server {
        package let process: ChildProcess
        package let port: Int
        /// With TLS from the first octet.
        package let tlsPort: Int
        package let logFile: String
        /// What has been written of it so far: a line comes a moment behind what it tells of.
        package var log: String { readFile(logFile) }
        /// Whether the log has each of the texts, now or soon.
        package func says(_ texts: String...) async -> Bool {
            await eventually { texts.allSatisfy { log.contains($0) } }
        }
        package var isReady: Bool { log.contains("\"message\":\"ready\"") }
    }

    /// Starts `gatepost serve` and waits until it is ready.
    ///
    /// - Parameters:
    ///   - role: nil for all three.
    ///   - port: for submission.
    ///   - databasePort: where a proxy stands between the node and PostgreSQL.
    @discardableResult
    package func serve(
        _ role: String? = nil, port: Int = FreePort.find(), databasePort: Int? = nil, environment: [String] = []
    ) async throws -> Server {
        let log = "\(folder)/serve-\(UUID().uuidString).log"
        let tlsPort = FreePort.find()
        var command = [
            "env", "SWIFT_BACKTRACE=enable=no", "GATEPOST_SUBMISSION_LISTEN=127.0.0.1:\(port)",
            "GATEPOST_SUBMISSION_LISTEN_TLS=127.0.0.1:\(tlsPort)",
        ]
        if let databasePort {
            command.append("GATEPOST_DATABASE_URL=\(database.tcpURL(as: .node, port: databasePort))")
        }
        command += environment + [Self.binary, "serve", "--config", settings]
        if let role { command += ["--role", role] }
        let server = Server(process: try ChildProcess(command, log: log), port: port, tlsPort: tlsPort, logFile: log)
        started.withLock { $0.append(server) }
        Reaper.shared.watch(server.process)
        _ = await eventually(within: .seconds(60), every: .milliseconds(50)) {
            server.isReady || !server.process.isRunning
        }
        guard server.isReady else { throw Failure("serve ended: \(server.log)") }
        return server
    }

    /// Starts a client written for these tests, in `Clients/`.
    package func client(_ name: String, _ arguments: String...) throws -> ChildProcess {
        let process = try ChildProcess(["python3", Self.clients + name] + arguments, log: "\(folder)/\(name).log")
        Reaper.shared.watch(process)
        return process
    }

    /// Ends a process when the tests end, however they do.
    package func watch(_ process: ChildProcess) { Reaper.shared.watch(process) }

    /// The same for a process that is no site's.
    package static func endWithTests(_ process: ChildProcess) { Reaper.shared.watch(process) }

    package static let clients =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
        + "/EndToEnd/Clients/"

    /// The messages that have arrived, by the text they hold.
    package func arrived() -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: outbox)) ?? []
        return names.filter { $0.hasSuffix(".eml") }.map { readFile("\(outbox)/\($0)") }
    }
}

/// One site for all tests that neither stop nor kill anything; each has a tenant of its own.
package actor SharedSite {
    package static let instance = SharedSite()
    private var made: Task<(Site, Site.Server), any Error>?

    /// With all three roles served.
    package func site() async throws -> (Site, Site.Server) {
        if let made { return try await made.value }
        let task = Task {
            let site = try await Site()
            return (site, try await site.serve())
        }
        made = task
        return try await task.value
    }
}

/// Ends what tests have started when the test process ends, however that ends: but no process that was given the number
/// of one of them since, for which each is known by the time it began, too.
private final class Reaper: Sendable {
    static let shared = Reaper()
    private let lifeline: Int32

    private init() {
        var ends: [Int32] = [-1, -1]
        precondition(pipe(&ends) == 0, "no pipe")
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let script = """
            trap '' INT TERM HUP
            while read -r one; do all="$all $one"; done
            for one in $all; do
                pid=${one%:*}
                stat=$(cat "/proc/$pid/stat" 2>/dev/null) || continue
                set -- ${stat##*) }
                [ "${20}" = "${one#*:}" ] && kill -9 "$pid" 2>/dev/null
            done
            """
        _ = try? ChildProcess(["sh", "-c", script], input: ends[0])
        close(ends[0])
        lifeline = ends[1]
    }

    package func watch(_ process: ChildProcess) {
        // After the name, which may hold anything: field 22 of all (proc(5)).
        let fields = readFile("/proc/\(process.id)/stat").split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 19 else { return }
        let line = Array("\(process.id):\(fields[19])\n".utf8)
        _ = write(lifeline, line, line.count)
    }
}
