import Foundation
import Glibc
import Postgres
import Synchronization
import TestSupport
import Testing

/// All end-to-end tests, one after the other: each runs whole processes, and load beside load proves nothing.
@Suite(.serialized) enum EndToEnd {}

/// A whole Gatepost of a test's own on loopback: a durable PostgreSQL, certificates, settings, and the real binary.
final class Site: Sendable {
    let folder: String
    let cluster: PrivateCluster
    let database: PrivateDatabase
    let sql: DatabaseConnection
    private let started = Mutex<[Server]>([])
    var servers: [Server] { started.withLock { $0 } }

    var ca: String { "\(folder)/pki/ca.pem" }
    var outbox: String { "\(folder)/outbox" }
    var settings: String { "\(folder)/gatepost.yaml" }

    /// The binary beside the test bundle.
    static let binary: String = {
        // Inside `swift test` the first argument is the bundle's path in the build folder.
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        return URL(fileURLWithPath: bundle).resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent("gatepost").path
    }()

    /// With a tenant's relay at `relayPort`, which is free until a server with the relay role is started.
    init() async throws {
        cluster = try PrivateCluster(durable: true)
        database = try await DatabaseTemplates(cluster).createDatabase()
        sql = database.connection()
        var template = Array("/tmp/gatepost-site-XXXXXX\0".utf8).map { CChar(bitPattern: $0) }
        folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        relayPort = FreePort.find()
        try Self.yaml(folder, database, relayPort).write(toFile: settings, atomically: true, encoding: .utf8)
        chmod(settings, 0o600)
        try gatepost("ca", "init")
        try gatepost("ca", "issue", "server", "--kind", "server", "--host", "localhost", "--host", "127.0.0.1")
        try gatepost("ca", "issue", "relay", "--kind", "relay", "--host", "127.0.0.1")
        try gatepost("ca", "issue", "forwarder", "--kind", "forwarder")
        try gatepost("relay", "add", "default", "127.0.0.1:\(relayPort)")
    }

    let relayPort: Int

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

    // MARK: Commands

    struct Output {
        let status: Int32
        let standardOutput: String
        let standardError: String
    }

    /// Runs a program to its end.
    func run(_ arguments: [String]) throws -> Output {
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
    func gatepost(_ arguments: String...) throws -> String {
        let output = try run([Self.binary] + arguments + ["--config", settings])
        try #require(output.status == 0, "gatepost \(arguments): \(output.standardError)")
        return output.standardOutput
    }

    struct Credential {
        let username: String
        let secret: String
        let secretFile: String
    }

    /// A tenant with the domain `SLUG.example` and a credential.
    func tenant(_ slug: String, _ limits: String...) throws -> Credential {
        let created = try run([Self.binary, "tenant", "create", slug, "--config", settings] + limits)
        try #require(created.status == 0, "\(created.standardError)")
        try gatepost("domain", "add", slug, "\(slug).example", "--trust")
        return try credential(slug)
    }

    func credential(_ slug: String) throws -> Credential {
        let issued = try #require(
            try JSONSerialization.jsonObject(with: Data(try gatepost("credential", "issue", slug, "--json").utf8))
                as? [String: Any])
        let username = try #require(issued["username"] as? String)
        let secret = try #require(issued["secret"] as? String)
        let file = "\(folder)/\(username).secret"
        try secret.write(toFile: file, atomically: true, encoding: .utf8)
        chmod(file, 0o600)
        return Credential(username: username, secret: secret, secretFile: file)
    }

    // MARK: Servers

    struct Server {
        let process: ChildProcess
        let port: Int
        /// With TLS from the first octet.
        let tlsPort: Int
        let logFile: String
        var log: String { readFile(logFile) }
    }

    /// Starts `gatepost serve` and waits until it is ready.
    ///
    /// - Parameters:
    ///   - role: nil for all three.
    ///   - port: for submission.
    ///   - databasePort: where a proxy stands between the node and PostgreSQL.
    @discardableResult
    func serve(
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
        try #require(
            await eventually(within: .seconds(60), every: .milliseconds(50)) {
                server.log.contains("\"message\":\"ready\"") || !server.process.isRunning
            })
        try #require(server.log.contains("\"message\":\"ready\""), "serve ended: \(server.log)")
        return server
    }

    /// Starts a client written for these tests, in `Clients/`.
    func client(_ name: String, _ arguments: String...) throws -> ChildProcess {
        let process = try ChildProcess(["python3", Self.clients + name] + arguments, log: "\(folder)/\(name).log")
        Reaper.shared.watch(process)
        return process
    }

    /// Ends a process when the tests end, however they do.
    func watch(_ process: ChildProcess) { Reaper.shared.watch(process) }

    static let clients = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Clients/"

    /// The messages that have arrived, by the text they hold.
    func arrived() -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: outbox)) ?? []
        return names.filter { $0.hasSuffix(".eml") }.map { readFile("\(outbox)/\($0)") }
    }
}

/// One site for all tests that neither stop nor kill anything; each has a tenant of its own.
actor SharedSite {
    static let instance = SharedSite()
    private var made: Task<(Site, Site.Server), any Error>?

    /// With all three roles served.
    func site() async throws -> (Site, Site.Server) {
        if let made { return try await made.value }
        let task = Task {
            let site = try await Site()
            return (site, try await site.serve())
        }
        made = task
        return try await task.value
    }
}

/// Ends what tests have started when the test process ends, however that ends.
private final class Reaper: Sendable {
    static let shared = Reaper()
    private let lifeline: Int32

    private init() {
        var ends: [Int32] = [-1, -1]
        precondition(pipe(&ends) == 0, "no pipe")
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let script = "trap '' INT TERM HUP; while read pid; do all=\"$all $pid\"; done; kill -9 $all 2>/dev/null"
        _ = try? ChildProcess(["sh", "-c", script], input: ends[0])
        close(ends[0])
        lifeline = ends[1]
    }

    func watch(_ process: ChildProcess) {
        let line = Array("\(process.id)\n".utf8)
        _ = write(lifeline, line, line.count)
    }
}
