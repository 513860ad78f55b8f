import Foundation
import SiteSupport
import TestSupport
import Testing

extension EndToEnd {
    /// The clients that customers have, from Debian's packages (Django: PyPI), through both doors, by every mechanism
    /// each has, the certificate verified, with every kind of message each can send.
    ///
    /// `Clients/matrix.py` sends and judges. CLIENTS=full is every cell, and 20 MB through each door; without it each door
    /// and mechanism takes a plain message, and every other kind comes once for each client. CLIENTS_RESULTS names a
    /// file that gets a line of JSON for each cell.
    @Suite struct ClientMatrixTests {
        private struct Finding: Decodable {
            var row: String
            var ok: Bool
            var wrong: String?
        }

        /// CLIENT names one of them, to run it alone.
        private static let clients = [
            "swaks", "curl", "msmtp", "Python smtplib", "Django", "Perl Net::SMTP", "Perl Email::Sender", "PHPMailer",
            "Ruby net-smtp", "Ruby mail", "Jakarta Mail", "Go net/smtp", "Nodemailer", "mutt", "s-nail", "Postfix",
            "Exim",
        ].filter { $0 == ProcessInfo.processInfo.environment["CLIENT"] ?? $0 }
        private static let relays = ["Postfix": ["PLAIN", "LOGIN", "SCRAM-SHA-256"], "Exim": ["PLAIN", "LOGIN"]]

        @Test(arguments: clients)
        func `what a client sends arrives`(client: String) async throws {
            let scene = try await MatrixScene.instance.scene()
            var relays: [String: any CustomerRelay] = [:]
            for (port, mechanism) in Self.relays[client].map({ product(Port.allCases, $0) }) ?? [] {
                relays["\(port.isImplicit ? "implicit" : "starttls")/\(mechanism)"] = try await relay(
                    client, scene, port, mechanism)
            }
            if client == "Django" {
                // Debian's is too old to verify a certificate.
                let installed = try scene.site.run([
                    "python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target",
                    "\(scene.site.folder)/django", "django>=5.2,<5.3",
                ])
                try #require(installed.status == 0, "\(installed.standardError)")
            }
            let environment = ProcessInfo.processInfo.environment
            let output = try scene.site.run([
                "env", "MATRIX_PYTHON=\(scene.site.folder)/django", "python3", Site.clients + "matrix.py", client,
                environment["CLIENTS"] ?? "short", try scene.settings(relays.mapValues(\.port)),
            ])
            let lines = output.standardOutput.split(separator: "\n")
            let findings = try lines.map { try JSONDecoder().decode(Finding.self, from: Data($0.utf8)) }
            #expect(findings.count > 2 && output.status == 0, "\(output.standardError)")
            let wrong = findings.filter { !$0.ok }.map { "\($0.row): \($0.wrong ?? "")" }
            #expect(wrong.isEmpty, "\(wrong.joined(separator: "\n"))\n\(relays.values.map(\.log).joined())")
            if client == "Exim" {
                #expect(relays["starttls/PLAIN"]?.log.contains(" K C=") == true, "BDAT, says its log")
            }
            if let results = environment["CLIENTS_RESULTS"], let file = fopen(results, "ae") {
                fputs(output.standardOutput, file)
                fclose(file)
            }
        }

        private func relay(
            _ client: String, _ scene: MatrixScene.Scene, _ port: Port, _ mechanism: String
        ) async throws -> any CustomerRelay {
            let credential = try #require(scene.credentials[mechanism])
            let smarthost = port.number(scene.server)
            return if client == "Postfix" {
                try await PrivatePostfix.customer(
                    scene.site, credential, smarthost: smarthost, isImplicit: port.isImplicit, mechanism: mechanism)
            } else {
                try await Exim(
                    scene.site, credential, smarthost: smarthost, isImplicit: port.isImplicit, mechanism: mechanism)
            }
        }

        private func product<A, B>(_ some: [A], _ others: [B]) -> [(A, B)] {
            some.flatMap { one in others.map { (one, $0) } }
        }
    }
}

/// The tenant of the matrix, with a credential for each mechanism that may log in by no other.
private actor MatrixScene {
    struct Scene {
        let site: Site
        let server: Site.Server
        let credentials: [String: Site.Credential]

        /// A file of settings for `matrix.py`.
        func settings(_ relays: [String: Int]) throws -> String {
            let folder = "\(site.folder)/matrix"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let settings: [String: Any] = [
                "ports": ["starttls": server.port, "implicit": server.tlsPort], "ca": site.ca,
                "stranger": "\(site.folder)/stranger/ca.pem", "outbox": site.outbox, "log": server.logFile,
                "folder": folder, "domain": "matrix.example", "relays": relays,
                "credentials": credentials.mapValues { ["user": $0.username, "secret": $0.secret] },
            ]
            let file = "\(folder)/settings.json"
            try JSONSerialization.data(withJSONObject: settings).write(to: URL(fileURLWithPath: file))
            return file
        }
    }

    static let instance = MatrixScene()
    private var made: Task<Scene, any Error>?

    func scene() async throws -> Scene {
        if let made { return try await made.value }
        let task = Task {
            let (site, server) = try await SharedSite.instance.site()
            _ = try site.tenant(
                "matrix", "--daily", "unlimited", "--sessions", "1000", "--message-size", "50MiB",
                "--recipients-per-message", "1000")
            var credentials: [String: Site.Credential] = [:]
            for (mechanism, option) in [("PLAIN", "PLAIN"), ("LOGIN", "LOGIN"), ("SCRAM-SHA-256", "SCRAM")] {
                let credential = try site.credential("matrix")
                try site.gatepost("credential", "set", credential.username, "--mechanism", option)
                credentials[mechanism] = credential
            }
            let stranger = try site.run([
                "env", "GATEPOST_PKI_DIRECTORY=\(site.folder)/stranger", Site.binary, "ca", "init", "--config",
                site.settings,
            ])
            try #require(stranger.status == 0, "\(stranger.standardError)")
            return Scene(site: site, server: server, credentials: credentials)
        }
        made = task
        return try await task.value
    }
}
