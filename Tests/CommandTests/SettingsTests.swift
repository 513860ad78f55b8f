import Foundation
import Logging
import TLS
import Testing

@testable import gatepost

@Suite struct `The settings` {
    private func load(
        _ text: String?, mode: Int = 0o644, environment: [String: String] = [:]
    ) throws -> Settings {
        guard let text else { return try Settings.load(path: nil, environment: environment) }
        let folder = FileManager.default.temporaryDirectory.appending(path: "gatepost-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "gatepost.yaml")
        try text.write(to: file, atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file.path)
        try "s3cret\n".write(to: folder.appending(path: "password"), atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o600], ofItemAtPath: folder.appending(path: "password").path)
        return try Settings.load(path: file.path, environment: environment)
    }

    @Test func `have the documented defaults`() throws {
        let settings = try load("")
        #expect(settings.submission.listen == [HostPort(host: "0.0.0.0", port: 587)])
        #expect(settings.submission.threads == nil)
        #expect(settings.submission.commandTimeout == .seconds(300))
        #expect(settings.forwarder.retry.first == .seconds(60))
        #expect(settings.shutdown.grace == .seconds(30))
        #expect(settings.log.level == .info)
        #expect(settings.database.url == nil)
    }

    /// With less than a role needs it would be served with less than it began with: with whoever answers for a relay.
    @Test func `are too few for a role that lacks a certificate, an authority or a route`() throws {
        let whole = [
            "database": "url: postgresql://a/b", "submission": "certificate: c, private-key: k",
            "forwarder": "certificate: c, private-key: k, authorities: a",
            "relay": "certificate: c, private-key: k, authorities: a, file-directory: d",
        ]
        func missing(_ section: String, _ rest: String) throws -> String? {
            let text = whole.merging([section: rest]) { $1 }.map { "\($0.key): {\($0.value)}\n" }.joined()
            let settings = try load(text)
            do {
                try settings.require(Set(Serve.Role.allCases))
                return nil
            } catch {
                return error.message.split(separator: "`").first.map(String.init)
            }
        }
        #expect(try missing("database", "url: postgresql://a/b") == nil)
        #expect(try missing("submission", "private-key: k") == "submission.certificate")
        #expect(try missing("submission", "certificate: c") == "submission.private-key")
        #expect(try missing("forwarder", "certificate: c, private-key: k") == "forwarder.authorities")
        #expect(try missing("forwarder", "authorities: a") == "forwarder.certificate")
        #expect(try missing("relay", "certificate: c, private-key: k, file-directory: d") == "relay.authorities")
        #expect(
            try missing("relay", "certificate: c, private-key: k, authorities: a, route: smarthost")
                == "relay.smarthost")
        #expect(throws: TLSError.self) { try load("forwarder: {certificate: c, private-key: k}\n").mutualContext() }
        #expect(throws: SettingsError.self) { try load("relay: {smarthost: nonsense}\n") }
    }

    @Test func `take the environment before the file`() throws {
        let settings = try load(
            "submission: {listen: [127.0.0.1:1], hostname: file.example}\nshutdown: {grace: 1s}\n",
            environment: [
                "GATEPOST_SUBMISSION_LISTEN": "127.0.0.1:2, [::1]:3", "GATEPOST_SHUTDOWN_GRACE": "2s", "PATH": "/bin",
            ])
        #expect(settings.submission.listen.map(\.description) == ["127.0.0.1:2", "[::1]:3"])
        #expect(settings.submission.hostname == "file.example")
        #expect(settings.shutdown.grace == .seconds(2))
    }

    @Test func `take addresses for resolvers, and no names`() throws {
        let servers = try load("dns: {servers: ['192.0.2.53:53', '[2001:db8::53]:5353']}\n").dns.servers
        #expect(servers.map(\.description) == ["192.0.2.53:53", "[2001:db8::53]:5353"])
        #expect(throws: SettingsError.self) { try load("dns: {servers: ['localhost:53']}\n") }
        #expect(throws: SettingsError.self) { try load("dns: {servers: ['10.0.0.999:53']}\n") }
    }

    @Test func `let the admin's and the owner's connection fall back`() throws {
        let one = try load("database: {url: 'postgresql://a/b'}\n").database
        #expect(one.adminURL == "postgresql://a/b" && one.ownerURL == "postgresql://a/b")
        let two = try load("database: {url: 'postgresql://a/b', admin-url: 'postgresql://c/d'}\n").database
        #expect(two.adminURL == "postgresql://c/d" && two.ownerURL == "postgresql://c/d")
    }

    @Test func `count the file's relative paths from its folder, the environment's from the working directory`() throws
    {
        let settings = try load(
            "relay: {file-directory: outbox, certificate: /abs.pem}\n",
            environment: ["GATEPOST_RELAY_PRIVATE_KEY": "here.key"])
        #expect(settings.relay.fileDirectory?.hasPrefix("/") == true)
        #expect(settings.relay.fileDirectory?.hasSuffix("/outbox") == true)
        #expect(settings.relay.certificate == "/abs.pem")
        #expect(settings.relay.privateKey == "here.key")
    }

    @Test func `refuse unknown and bad variables, all at once`() throws {
        let error = #expect(throws: SettingsError.self) {
            try load(
                nil,
                environment: [
                    "GATEPOST_SUBMISSION_LISTN": "a:1", "GATEPOST_SHUTDOWN_GRACE": "soon", "GATEPOST_X": "",
                    "GATEPOST_SUBMISSION_LISTEN": "a:1,b",
                ])
        }
        #expect(
            error?.faults.map(\.description) == [
                "GATEPOST_SHUTDOWN_GRACE: bad value 'soon' for 'shutdown.grace': expected a duration like 30s, 5m or "
                    + "5d (ms, s, m, h, d)",
                "GATEPOST_SUBMISSION_LISTEN: bad value 'b' for 'submission.listen': expected host:port, like "
                    + "0.0.0.0:587 or [::1]:587",
                "GATEPOST_SUBMISSION_LISTN: unknown setting in the environment; did you mean "
                    + "GATEPOST_SUBMISSION_LISTEN?",
                "GATEPOST_X: unknown setting in the environment",
            ])
    }

    @Test func `take a password file only where others cannot read it, and never show a password`() throws {
        let settings = try load(
            "database: {password-file: password}\n", environment: ["GATEPOST_DATABASE_PASSWORD": "s3cret"])
        #expect(settings.database.passwordFile?.hasSuffix("/password") == true)
        #expect(settings.database.password?.value == "s3cret")
        var dumped = ""
        dump(settings, to: &dumped)
        #expect(!"\(settings)\(dumped)".contains("s3cret"))
        #expect(throws: SettingsError.self) { try load("database: {password-file: gatepost.yaml}\n") }
    }

    @Test func `refuse a connection string with a password in a file that others can read`() throws {
        let text = "database:\n  url: postgresql://u:hunter2@h/d\n"
        let error = #expect(throws: SettingsError.self) { try load(text, mode: 0o644) }
        #expect(error?.description.contains(":2:8: 'database.url' holds a password and others can read") == true)
        #expect(error?.description.contains("hunter2") == false)
        #expect(throws: Never.self) { try load(text, mode: 0o600) }
        #expect(throws: SettingsError.self) {
            try load("database:\n  url: \"host=h password = hunter2\"\n", mode: 0o644)
        }
    }

    @Test(arguments: ["none", "opportunistic"])
    func `refuse a smarthost's login without certain TLS`(tls: String) throws {
        let text = "relay:\n  route: smarthost\n  smarthost-username: acme\n"
        let error = #expect(throws: SettingsError.self) { try load(text + "  smarthost-tls: \(tls)\n") }
        #expect(
            error?.description.contains(":4:18: 'relay.smarthost-tls' is \(tls), and a password is not sent") == true)
        let variable = #expect(throws: SettingsError.self) {
            try load(text, environment: ["GATEPOST_RELAY_SMARTHOST_TLS": tls])
        }
        #expect(variable?.description.hasPrefix("GATEPOST_RELAY_SMARTHOST_TLS: ") == true)
        #expect(throws: Never.self) { try load(text + "  smarthost-tls: require\n") }
    }

    @Test func `say what is wrong with the file as a whole`() throws {
        let missing = #expect(throws: SettingsError.self) {
            try Settings.load(path: "/nonexistent/g.yaml", environment: [:])
        }
        #expect(missing?.description == "/nonexistent/g.yaml: there is no such file")
        let folder = #expect(throws: SettingsError.self) { try Settings.load(path: "/tmp", environment: [:]) }
        #expect(folder?.description == "/tmp: is a folder")
        let endless = #expect(throws: SettingsError.self) { try Settings.load(path: "/dev/zero", environment: [:]) }
        #expect(endless?.description == "/dev/zero: is longer than 16MiB")
    }

    @Test func `are documented in Config, every key, as the table has them`() throws {
        let golden = Golden(url: Golden.root.appending(path: "Config/gatepost.yaml"))
        let now = CommentedFile.text
        #expect(try golden.kept(for: now) == now)
    }

    @Test func `are what the documented file says when all of it is uncommented`() throws {
        let lines = try Golden(url: Golden.root.appending(path: "Config/gatepost.yaml")).content()
            .split(separator: "\n", omittingEmptySubsequences: false)
        let text = lines.map { line in
            line.hasPrefix("  #") && !line.hasPrefix("  # ") ? "  " + line.dropFirst(3) : String(line)
        }.joined(separator: "\n")
        let file = SettingsFile(text: text, path: "Config/gatepost.yaml")
        #expect(file.faults.isEmpty)
        #expect(Set(file.entries.keys) == Set(KnownKey.all.map(\.path)))
        for key in KnownKey.all where key.standard != nil {
            #expect(file.entries[key.path]?.items == key.standardItems, "\(key.path)")
        }
    }
}
