import Cryptography
import Foundation
import MailMessage
import NIOCore
import Postgres
import SubmissionClient
import Synchronization
import TLS
import Tenancy

/// The quickstart's way, step by step. Each finds what an earlier run has made and makes only what is missing.
final class QuickstartTour: Sendable {
    private static let tenant = "demo"
    private static let domain = "demo.example"
    private static let submission = HostPort(host: "127.0.0.1", port: 2587)
    private static let relay = HostPort(host: "127.0.0.1", port: 2525)

    let server: QuickstartServer
    private let folder: QuickstartFolder
    private let steps: Steps
    private let result = Shared(Result())

    private struct Result: Sendable {
        var username = "", secret = "", queueID = "", arrived = "", reply = "", stranger = ""
        var submission = QuickstartTour.submission
        var usage: [UsageRecord] = []
    }

    init(folder: QuickstartFolder, steps: Steps) {
        self.folder = folder
        self.steps = steps
        server = QuickstartServer(folder)
    }

    func run() async throws {
        steps.say("gatepost \(Gatepost.version) quickstart in \(folder.shown(folder.path))")
        if folder.wasNew { try QuickstartServer.requireFree([Self.submission, Self.relay]) }
        let postgres = try await steps.step("postgresql") { try await PrivatePostgres.start(in: folder) }
        try await steps.step("certificates") { try certificates() }
        try await steps.step("settings") { try writeSettings(postgres) }
        let settings = try Settings.load(path: folder.settings, environment: [:])
        try await steps.step("schema") { try await migrate(settings) }
        try await register(settings)
        let addresses = (settings.submission.listen.first ?? Self.submission, settings.relay.listen.first ?? Self.relay)
        result.update { $0.submission = addresses.0 }
        try await steps.step("server") {
            _ = QuickstartServer.stop(recordedIn: folder)
            let id = try await server.start([addresses.0, addresses.1])
            return "submission on \(addresses.0), relay on \(addresses.1), process \(id)"
        }
        let messageID = "<\(hexadecimal(randomBytes(9)))@\(Self.domain)>"
        try await steps.step("message") { try await send(messageID, to: addresses.0) }
        try await steps.step("arrived") { try await arrival(of: messageID) }
        try await steps.step("usage") { try await usage(settings) }
        try await steps.step("stranger") { try await stranger(at: addresses.1) }
    }

    // MARK: Making

    private func certificates() throws -> String {
        let names = ["localhost", "127.0.0.1"]
        if FileManager.default.fileExists(atPath: folder.pki + "/ca.pem") {
            return "found in \(folder.shown(folder.pki))"
        }
        // Made beside and renamed: half an authority is never found later.
        let half = folder.pki + ".new"
        try? FileManager.default.removeItem(atPath: half)
        let authority = try explained { () throws(TLSError) in
            let authority = try CertificateAuthority.create(in: half)
            _ = try authority.issue("server", .server(hosts: names))
            _ = try authority.issue("relay", .relay(hosts: names))
            _ = try authority.issue("forwarder", .forwarder)
            return authority
        }
        guard rename(authority.folder, folder.pki) == 0 else {
            throw Failure("cannot make \(folder.pki.printable): \(String(cString: strerror(errno)))")
        }
        return "authority, server (localhost, 127.0.0.1), relay, forwarder in \(folder.shown(folder.pki))"
    }

    private func explained<R>(_ body: () throws(TLSError) -> R) throws -> R {
        do throws(TLSError) { return try body() } catch { throw Failure("\(error)".printable) }
    }

    private func writeSettings(_ postgres: PrivatePostgres) throws -> String {
        if FileManager.default.fileExists(atPath: folder.settings) { return "found \(folder.shown(folder.settings))" }
        func quoted(_ text: String) -> String {
            "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        }
        try folder.write(
            """
            \(QuickstartFolder.settingsHead): an ordinary settings file. Config/gatepost.yaml explains every key.
            database:
              url: \(quoted(postgres.url(user: "gatepost_node")))
              admin-url: \(quoted(postgres.url(user: "gatepost_admin")))
              owner-url: \(quoted(postgres.url(user: PrivatePostgres.serverUser)))
            submission:
              listen: ["\(Self.submission)"]
              listen-tls: none
              hostname: localhost
              certificate: \(quoted(folder.pki + "/server.pem"))
              private-key: \(quoted(folder.pki + "/server.key"))
            forwarder:
              certificate: \(quoted(folder.pki + "/forwarder.pem"))
              private-key: \(quoted(folder.pki + "/forwarder.key"))
              authorities: \(quoted(folder.pki + "/ca.pem"))
            relay:
              listen: ["\(Self.relay)"]
              hostname: localhost
              certificate: \(quoted(folder.pki + "/relay.pem"))
              private-key: \(quoted(folder.pki + "/relay.key"))
              authorities: \(quoted(folder.pki + "/ca.pem"))
              route: file
              file-directory: \(quoted(folder.outbox))
            pki:
              directory: \(quoted(folder.pki))

            """, to: folder.settings)
        return folder.shown(folder.settings)
    }

    private func migrate(_ settings: Settings) async throws -> String {
        let connection = DatabaseConnection(try settings.database(as: .owner))
        do {
            let plan = try await Migrator.embedded.migrate(connection) { _ in }
            await connection.close()
            return plan.isEmpty
                ? "up to date" : "\(plan.migrations.count) migrations, \(plan.functions.count) functions applied"
        } catch let error as MigrationError {
            throw Failure(error.message.printable, hint: error.hint.printable)
        } catch let error as DatabaseError {
            throw Failure("the schema could not be made: \(error.description.printable)")
        }
    }

    private func register(_ settings: Settings) async throws {
        let connection = DatabaseConnection(try settings.database(as: .admin))
        let user = OperatingSystemUser.current(environment: ProcessInfo.processInfo.environment)
        let administration = Administration(connection, user: user)
        do {
            try await steps.step("tenant") { try await makeTenant(administration) }
            try await steps.step("credential") { try await credential(administration) }
            try await steps.step("relay") {
                let address = settings.relay.listen.first ?? Self.relay
                _ = try await administration.addRelay(
                    "default", host: address.host, port: address.port)
                return "\(address) in pool default, LMTP with mutual TLS"
            }
        } catch let error as AdministrationError {
            if case .taken(let message) = error {
                throw Failure(
                    message.printable,
                    hint: "`gatepost quickstart --stop --remove` and begin anew, or another folder with --directory")
            }
            let desk = Desk(
                settings: settings, administration: administration, output: Output(isJSON: false),
                database: try settings.database(as: .admin), role: .admin)
            throw await desk.failure(error, about: .tenant(Self.tenant))
        }
        await connection.close()
    }

    private func makeTenant(_ administration: Administration) async throws -> String {
        let isKnown = try await administration.hasTenant(Self.tenant)
        if !isKnown { try await administration.createTenant(Self.tenant, TenantChanges()) }
        _ = try await administration.addDomain(Self.domain, to: Self.tenant, trusted: true)
        let tenant = try await administration.tenant(Self.tenant)
        return "\(Self.tenant)\(isKnown ? " found" : ""), may send as \(Self.domain), "
            + "\(Show.limit(tenant.daily)) recipients a day"
    }

    /// The one of an earlier run, as long as it is not revoked: its file is the only place that has the secret.
    private func credential(_ administration: Administration) async throws -> String {
        let kept = folder.read(folder.credential)?.split(separator: "\n").map(String.init) ?? []
        if kept.count >= 2, let known = try? await administration.credential(kept[0]), known.revokedAt == nil {
            result.update { ($0.username, $0.secret) = (kept[0], kept[1]) }
            return "\(kept[0]) found"
        }
        var terms = Administration.CredentialTerms()
        terms.label = "quickstart"
        let (username, secret) = try await administration.issueCredential(for: Self.tenant, terms)
        try folder.write("\(username)\n\(secret.exposed)\n", to: folder.credential)
        result.update { ($0.username, $0.secret) = (username, secret.exposed) }
        return "\(username), its secret in \(folder.shown(folder.credential)) (mode 0600)"
    }

    // MARK: Showing

    private func send(_ messageID: String, to address: HostPort) async throws -> String {
        let now = UTCTime.now().microseconds / 1_000_000
        let content = ByteBuffer(
            string: """
                Date: \(MessageDate.string(unixSeconds: now))\r
                From: Gatepost quickstart <quickstart@\(Self.domain)>\r
                To: you@example.net\r
                Subject: It works\r
                Message-ID: \(messageID)\r
                \r
                Through STARTTLS, SCRAM-SHA-256-PLUS, the caps, a commit and the relay pool: here you are.\r

                """)
        let (username, secret) = result.read { ($0.username, $0.secret) }
        let context = try explained { () throws(TLSError) in try TLSContext.client(authorities: folder.pki + "/ca.pem")
        }
        let message = SingleMessage(
            host: address.host, port: address.port,
            configuration: .init(
                heloName: "localhost",
                credentials: .init(username: username, secret: secret, mechanism: .scramSHA256Plus)),
            tls: .init(context: context, serverName: "localhost"))
        let report: SingleMessage.Report
        do {
            report = try await message.send(
                .init(sender: "quickstart@\(Self.domain)", recipients: ["you@example.net"]), content: content)
        } catch {
            throw Failure(
                "the message could not be sent: \("\(error)".printable)",
                hint: "the server's log: \(folder.shown(folder.serverLog))")
        }
        switch report.outcome {
        case .accepted(let reply):
            result.update {
                $0.reply = reply.description
                $0.queueID = reply.text.split(separator: " ").last.map(String.init) ?? ""
            }
            return "\(reply.description.printable) (SCRAM-SHA-256-PLUS, \(report.session?.version ?? "?"))"
        case .refused(_, let reply):
            throw Failure(
                "the message was refused: \(reply.description.printable)", hint: "see `gatepost usage \(Self.tenant)`")
        }
    }

    private func arrival(of messageID: String) async throws -> String {
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.outbox)) ?? []
            for name in names.sorted(by: >).prefix(20) where name.hasSuffix(".eml") {
                let path = folder.outbox + "/" + name
                if folder.read(path)?.contains(messageID) == true {
                    result.update { $0.arrived = path }
                    return folder.shown(path)
                }
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw Failure(
            "the message was accepted and has not arrived after 30 s",
            hint:
                "gatepost queue list --config \(folder.shown(folder.settings)); the server's log: \(folder.shown(folder.serverLog))"
        )
    }

    private func usage(_ settings: Settings) async throws -> String {
        let connection = DatabaseConnection(try settings.database(as: .admin))
        let records = try await Administration(connection, user: "quickstart").usage(of: Self.tenant)
        await connection.close()
        result.update { $0.usage = records }
        guard let day = records.first(where: { $0.scope == "day" }) else { return "none" }
        return
            "\(Self.tenant): \(day.used) of \(Show.limit(day.cap)) recipients on \(day.starts), resets \(day.resetsText ?? "-")"
    }

    /// The relay takes mail from holders of a pool certificate. We show none.
    private func stranger(at address: HostPort) async throws -> String {
        let context = try explained { () throws(TLSError) in try TLSContext.client(authorities: folder.pki + "/ca.pem")
        }
        let message = SingleMessage(
            host: address.host, port: address.port,
            configuration: .init(heloName: "stranger.invalid", credentials: nil),
            tls: .init(context: context, serverName: "localhost"))
        let report = try await message.send(
            .init(sender: "stranger@elsewhere.example", recipients: ["you@example.net"]), content: ByteBuffer())
        guard case .refused(_, let reply) = report.outcome else {
            throw Failure("the relay took a stranger's mail: that must never be")
        }
        result.update { $0.stranger = reply.description }
        return "without a pool certificate the relay says: \(reply.description.printable)"
    }

    /// What to do next, with the real names in it.
    func closing(once: Bool) {
        let result = result.read { $0 }
        let settings = folder.shown(folder.settings)
        let authority = folder.shown(folder.pki + "/ca.pem")
        if steps.showsJSON {
            let json: JSON = [
                "submission": .string("\(result.submission)"), "username": .string(result.username),
                "credential_file": .string(folder.credential), "authority": .string(folder.pki + "/ca.pem"),
                "settings": .string(folder.settings), "id": .string(result.queueID), "arrived": .string(result.arrived),
                "stranger": .string(result.stranger), "usage": UsageTable.json(Self.tenant, result.usage),
            ]
            write(json.text + "\n", to: STDOUT_FILENO)
        }
        steps.say(
            """

            A message went all the way in \(steps.elapsed). Settings for an application:

              host       \(result.submission.host), port \(result.submission.port), STARTTLS
              authority  \(authority)
              user name  \(result.username)
              secret     \(isatty(STDOUT_FILENO) == 1 ? result.secret : "the second line of " + folder.shown(folder.credential))
              sender     anything@\(Self.domain)

              swaks --server \(result.submission) --tls --auth PLAIN --auth-user \(result.username) \\
                --auth-password "$(sed -n 2p \(folder.shown(folder.credential)))" --from app@\(Self.domain) --to you@example.net

            Then:

              export GATEPOST_CONFIG=\(settings)
              gatepost usage \(Self.tenant)
              gatepost tenant set \(Self.tenant) --daily 3
              gatepost credential revoke \(result.username) --yes
            """)
        steps.say(
            once
                ? "\nThe server is stopped, PostgreSQL stays up: `gatepost quickstart` goes on, `gatepost quickstart --stop` "
                    + "ends it."
                : "\nServing; the log is \(folder.shown(folder.serverLog)). Ctrl-C stops the server, and "
                    + "`gatepost quickstart --stop` PostgreSQL too.")
    }
}

/// A value that several tasks read and write, one after the other.
private final class Shared<Value: Sendable>: Sendable {
    private let value: Mutex<Value>
    init(_ value: Value) { self.value = Mutex(value) }
    func update(_ body: (inout Value) -> Void) { value.withLock { body(&$0) } }
    func read<R>(_ body: (Value) -> R) -> R { value.withLock { body($0) } }
}
