import Foundation
import Glibc
import Postgres
import SiteSupport
import TestSupport
import Testing

extension EndToEnd {
    /// What stands before SMTP: ports, balancers, limits, names, and what systemd does with it. THREATS §2, §3, §7, §12.
    @Suite struct DoorTests {
        private func door(
            _ what: String, _ site: Site, _ port: Int, _ credential: Site.Credential? = nil
        ) throws -> [String] {
            let output = try site.run(
                ["python3", Site.clients + "door.py", what, "\(port)", site.ca]
                    + (credential.map { [$0.username, $0.secretFile] } ?? []))
            #expect(output.status == 0, "\(output.standardError)")
            return output.standardOutput.split(separator: "\n").map(String.init)
        }

        @Test func `behind a listed balancer the client is who the PROXY header says, in both versions`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme")
            let server = try await site.serve(environment: ["GATEPOST_SUBMISSION_PROXY_FROM=127.0.0.0/8"])
            let answers = try door("proxy", site, server.port, credential)
            try #require(answers.count == 5)
            for answer in answers.prefix(3) { #expect(answer.hasPrefix("220 mail.gate.example")) }
            #expect(answers[3] == "closed")
            #expect(answers[4].hasPrefix("235"))
            #expect(try door("proxy-tls", site, server.tlsPort, credential).map { $0.prefix(3) } == ["220", "235"])
            // Its own health check comes from there too.
            let health = try site.run([
                "env", "GATEPOST_SUBMISSION_PROXY_FROM=127.0.0.0/8",
                "GATEPOST_SUBMISSION_LISTEN=127.0.0.1:\(server.port)",
                "GATEPOST_SUBMISSION_LISTEN_TLS=127.0.0.1:\(server.tlsPort)", Site.binary, "check", "--ready",
                "--role", "submission", "--config", site.settings,
            ])
            #expect(health.status == 0, "\(health.standardError)")
            #expect(
                await server.says(
                    "PROXY header refused", "\"client\":\"203.0.113.9\"", "\"client\":\"2001:db8::7\""), "\(server.log)"
            )
        }

        @Test func `whoever waits for an acknowledgement with his next words gets it at once`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme")
            let server = try await site.serve()
            // The first words inside TLS, a command in three pieces, a message of more than one TLS record.
            let least = try door("nagle", site, server.port, credential).compactMap { Int($0) }
            #expect(least.count == 3 && least.allSatisfy { $0 < 40 }, "\(least) ms")
        }

        @Test func `a real HAProxy says whom it speaks for, and the example's configuration is sound`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme")
            let server = try await site.serve(environment: ["GATEPOST_SUBMISSION_PROXY_FROM=127.0.0.1"])
            let port = FreePort.find()
            let configuration = site.folder + "/haproxy.cfg"
            try """
            defaults
                mode tcp
                timeout connect 5s
                timeout client 60s
                timeout server 60s
            listen submission
                bind 127.0.0.1:\(port)
                server gate 127.0.0.1:\(server.port) send-proxy-v2 source 127.0.0.1

            """.write(toFile: configuration, atomically: true, encoding: .utf8)
            let balancer = try ChildProcess(
                ["haproxy", "-db", "-f", configuration], log: site.folder + "/haproxy.log")
            site.watch(balancer)
            defer {
                balancer.signal(SIGTERM)
                balancer.wait()
            }
            try await door("login", site, answering: "235", port, credential)
            #expect(await server.says("\"message\":\"login\""))
            let example = try site.run(["haproxy", "-c", "-f", Site.clients + "../../../Config/haproxy.cfg"])
            #expect(example.status == 0, "\(example.standardError)")
        }

        /// Again until the balancer has opened its port.
        private func door(
            _ what: String, _ site: Site, answering expected: String, _ port: Int, _ credential: Site.Credential
        ) async throws {
            let command = [
                "python3", Site.clients + "door.py", what, "\(port)", site.ca, credential.username,
                credential.secretFile,
            ]
            #expect(await eventually { (try? site.run(command))?.standardOutput.hasPrefix(expected) == true })
        }

        @Test func `from anyone else a PROXY header is no header`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let answers = try door("unlisted", site, server.port)
            #expect(answers.count == 2)
            for answer in answers { #expect(!answer.contains("235") && !answer.contains("250"), "\(answer)") }
        }

        @Test func `over TLS 1.2 a client binds itself to the certificate, and to nothing else`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let answers = try door("binding", site, server.port, site.tenant("endpoint"))
            #expect(answers.first == "offered")
            #expect(answers.dropFirst().map { $0.prefix(9) } == ["235 2.7.0", "535 5.7.8", "535 5.7.8"])
        }

        @Test func `an address has so many connections until somebody logs in on them`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme")
            let server = try await site.serve(
                environment: ["GATEPOST_SUBMISSION_MAX_CONNECTIONS_PER_ADDRESS=3"])
            let answers = try door("crowd", site, server.port, credential)
            try #require(answers.count == 4)
            #expect(answers[0] == "['220', '220', '220']")
            #expect(answers[1].hasPrefix("421 4.7.0 Too many connections from your address"))
            #expect(answers[2...] == ["235", "220"])
        }

        @Test func `handshakes that stall keep nobody out`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme")
            let server = try await site.serve(environment: ["GATEPOST_SUBMISSION_MAX_HANDSHAKES=4"])
            // Half a hello is no handshake yet. Of whole ones four are under way, for the address is known by then; each has
            // a second, and would be given ten.
            let answers = try door("stall", site, server.tlsPort, credential)
            try #require(answers.count == 3)
            #expect(answers[0] == "235 0" && Int(answers[1]).map { (4..<20).contains($0) } == true, "\(answers)")
            #expect(answers[2].hasPrefix("235 "), "\(answers)")
            #expect(
                await server.says(
                    "handshake ended: it has lasted long, and too many are under way",
                    "handshake refused: too many are under way"))
        }

        @Test func `guessing ends a connection with 421, and the right secret still works`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let answers = try door("guess", site, server.port, site.tenant("guessed"))
            try #require(answers.count == 2)
            #expect(answers[0].hasPrefix("535 535 535 535 535 421"), "\(answers[0])")
            #expect(answers[1] == "235")
        }

        @Test func `a client certificate logs its login in, and nobody else`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme")
            for name in ["shop", "stranger"] {
                let made = try site.run([
                    "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days",
                    "30", "-subj", "/CN=\(name)", "-keyout", "\(site.folder)/\(name).key", "-out",
                    "\(site.folder)/\(name).pem",
                ])
                try #require(made.status == 0, "\(made.standardError)")
            }
            try site.gatepost(
                "credential", "certificate", "add", credential.username, "--certificate", "\(site.folder)/shop.pem")
            let login = credential.username + ".c1"
            func external(_ what: String, _ port: Int, _ name: String = "shop", _ identity: String = "") throws
                -> [String]
            {
                let output = try site.run([
                    "python3", Site.clients + "external.py", what, "\(port)", site.ca, "\(site.folder)/\(name).pem",
                    "\(site.folder)/\(name).key", identity,
                ])
                #expect(output.status == 0, "\(output.standardError)")
                return output.standardOutput.split(separator: "\n").map { String($0.prefix(9)) }
            }
            // Nobody is asked for one unless the operator wants it.
            let plain = try await site.serve("submission")
            #expect(try external("tls", plain.tlsPort) == ["not offer", "504 5.5.4"])
            let server = try await site.serve(environment: ["GATEPOST_SUBMISSION_TLS_CLIENT_CERTIFICATES=true"])
            #expect(try external("starttls", server.port) == ["offered", "235 2.7.0", "250 2.0.0"])
            #expect(try external("tls", server.tlsPort, "shop", login) == ["offered", "235 2.7.0"])
            #expect(try external("tls", server.tlsPort, "shop", credential.username) == ["offered", "535 5.7.8"])
            #expect(try external("tls", server.tlsPort, "stranger", login) == ["offered", "535 5.7.8"])
            #expect(try external("without", server.port, "shop", login) == ["not offer", "504 5.5.4"])
            #expect(
                try external("resume", server.tlsPort)
                    == ["offered", "235 2.7.0", "resumed", "offered", "235 2.7.0"])

            let message = "\(site.folder)/message"
            try "From: news@acme.example\r\nSubject: by certificate\r\n\r\ntext\r\n".write(
                toFile: message, atomically: true, encoding: .utf8)
            let curl = try site.run([
                "curl", "--silent", "--show-error", "--url", "smtps://localhost:\(server.tlsPort)", "--cacert", site.ca,
                "--cert", "\(site.folder)/shop.pem", "--key", "\(site.folder)/shop.key", "--user", "\(login):",
                "--login-options", "AUTH=EXTERNAL", "--mail-from", "news@acme.example", "--mail-rcpt",
                "a@remote.example", "--upload-file", message,
            ])
            #expect(curl.status == 0, "\(curl.standardError)")
            #expect(
                await eventually(within: .seconds(20)) { site.arrived().contains { $0.contains("by certificate") } })
            #expect(await server.says("\"mechanism\":\"EXTERNAL\""))

            // It ends as any login does.
            try await site.sql.query(
                "UPDATE gatepost.login SET valid_until = ledger.clock() WHERE name = $1", [.text(login)])
            try await site.sql.query("SELECT pg_notify('gatepost_directory', 'everything')")
            let ended = try await eventually { try external("tls", server.tlsPort).last == "525 5.7.1" }
            #expect(ended)
            try site.gatepost("credential", "revoke", credential.username, "--yes")
            let revoked = try await eventually { try external("tls", server.tlsPort).last == "535 5.7.8" }
            #expect(revoked)
            // Seen with the next look at who came in.
            server.process.signal(SIGTERM)
            server.process.wait()
            let used = try await site.sql.query(
                """
                SELECT host(u.client) AS client FROM gatepost.credential_use u
                JOIN gatepost.login l ON l.tenant_id = u.tenant_id AND l.id = u.login_id WHERE l.name = $1
                """, [.text(login)])
            #expect(try used.first?.string("client") == "127.0.0.1")
        }

        @Test func `a reload that lacks what a role needs, or leads nowhere, changes nothing`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme")
            // A relay of somebody else's authority stands where a pool's is looked for.
            let stranger = try await Site()
            let theirs = try await stranger.serve("relay")
            try site.gatepost("pool", "create", "taken")
            try site.gatepost("relay", "add", "taken", "127.0.0.1:\(stranger.relayPort)")
            let server = try await site.serve()
            let good = readFile(site.settings)
            let bad = [
                ("database.url", ""),
                ("forwarder.authorities", good.replacing("  authorities: \(site.ca)\n  retry", with: "  retry")),
                (
                    "nowhere.pem",
                    good.replacing("\(site.folder)/pki/server.pem", with: "\(site.folder)/pki/nowhere.pem")
                ),
                ("'nonsense'", good.replacing("relay:\n", with: "relay:\n  smarthost: nonsense\n")),
            ]
            try site.gatepost("tenant", "set", "acme", "--pool", "taken")
            for (number, (reason, settings)) in bad.enumerated() {
                #expect(settings != good)
                try settings.write(toFile: site.settings, atomically: false, encoding: .utf8)
                server.process.signal(SIGHUP)
                let isTold = await eventually {
                    let refusals = server.log.split(separator: "\n").filter { $0.contains("those of before stay\"") }
                    return refusals.count == number + 1 && refusals.last?.contains(reason) == true
                }
                #expect(isTold, "\(reason): \(server.log.suffix(2000))")
            }
            #expect(!server.log.contains("\"message\":\"reloaded\""))
            try good.write(toFile: site.settings, atomically: false, encoding: .utf8)
            #expect(try door("login", site, server.port, credential).first?.hasPrefix("235") == true)
            let sent = try site.run([
                "swaks", "--server", "localhost:\(server.port)", "--tls", "--auth", "PLAIN", "--auth-user",
                credential.username, "--auth-password", credential.secret, "--from", "news@acme.example", "--to",
                "a@remote.example",
            ])
            #expect(sent.status == 0, "\(sent.standardOutput)")
            #expect(await server.says("is not trusted"), "\(server.log.suffix(2000))")
            #expect(!theirs.log.contains("elaying denied"), "nothing was said to it")
            try site.gatepost("tenant", "set", "acme", "--pool", "default")
            #expect(await eventually(within: .seconds(30)) { site.arrived().count == 1 }, "\(server.log.suffix(2000))")
        }

        @Test func `a reload brings new names and levels, names what needs a restart, and ends no session`()
            async throws
        {
            let site = try await Site()
            let credential = try site.tenant("acme")
            let names = site.folder + "/names"
            try FileManager.default.createDirectory(atPath: names, withIntermediateDirectories: false)
            try site.set(["submission.certificates": names])
            let server = try await site.serve()
            #expect(try door("names", site, server.tlsPort) == ["localhost", "localhost"])

            var ends: [Int32] = [-1, -1]
            try #require(pipe(&ends) == 0)
            defer { for end in ends { close(end) } }
            let log = site.folder + "/hold.log"
            let held = try ChildProcess(
                [
                    "python3", Site.clients + "door.py", "hold", "\(server.port)", site.ca, credential.username,
                    credential.secretFile,
                ], log: log, input: ends[0])
            site.watch(held)
            try #require(await eventually { readFile(log).hasPrefix("235") })

            try site.gatepost("ca", "issue", "customer", "--kind", "server", "--host", "smtp.customer.example")
            for end in ["pem", "key"] {
                try FileManager.default.copyItem(
                    atPath: "\(site.folder)/pki/customer.\(end)", toPath: "\(names)/customer.\(end)")
            }
            try site.set(["log.level": "debug", "submission.threads": "1", "node.name": "other"])
            server.process.signal(SIGHUP)
            #expect(await eventually { server.log.contains("some changed settings need a restart") })
            #expect(
                await server.says("\"keys\":[\"node.name\",\"submission.threads\"]", "\"changed\":[\"log.level\"]"))
            #expect(try door("names", site, server.tlsPort) == ["localhost", "smtp.customer.example"])

            // Half a certificate changes nothing, and is told.
            try "-----BEGIN CERTIFICATE-----\nMII".write(
                toFile: "\(names)/customer.pem", atomically: false, encoding: .utf8)
            server.process.signal(SIGHUP)
            #expect(await eventually { server.log.contains("a certificate is left out") }, "\(server.log)")
            #expect(try door("names", site, server.tlsPort) == ["localhost", "smtp.customer.example"])

            #expect(write(ends[1], "\n", 1) == 1)
            #expect(held.wait() == 0)
            #expect(readFile(log).contains("250 2.0.0"))
        }

        @Test func `sockets that the service manager opened are served, and it hears when that begins`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme")
            let (port, tlsPort) = (FreePort.find(), FreePort.find())
            let log = site.folder + "/activated.log"
            // It listens, and starts the service at the first connection.
            let activator = try ChildProcess(
                [
                    "systemd-socket-activate", "-l", "127.0.0.1:\(port)", "-l", "127.0.0.1:\(tlsPort)",
                    "--fdname=submission:submissions", Site.binary, "serve", "--role", "submission", "--config",
                    site.settings,
                ], log: log)
            site.watch(activator)
            defer {
                activator.signal(SIGTERM)
                activator.wait()
            }
            try #require(await eventually { readFile(log).contains("Listening on") })
            #expect(try door("names", site, tlsPort) == ["localhost", "localhost"])
            #expect(try door("guess", site, port, credential).last == "235")
            #expect(readFile(log).contains("\"address\":\"127.0.0.1:\(tlsPort)\""))
        }

        /// THREATS §12, "process taken over".
        @Test(arguments: ["gatepost.service", "gatepost@.service"])
        func `the unit scores at most 1.5`(unit: String) throws {
            let folder = Site.clients + "../../../Config/systemd/"
            let log = "/tmp/gatepost-unit-\(UUID().uuidString)"
            defer { unlink(log) }
            let path = unit == "gatepost@.service" ? log + "/gatepost@submission.service" : folder + unit
            if path.hasPrefix(log) {
                try FileManager.default.createDirectory(atPath: log, withIntermediateDirectories: false)
                try FileManager.default.copyItem(atPath: folder + unit, toPath: path)
            }
            defer { try? FileManager.default.removeItem(atPath: log) }
            let output = log + ".out"
            defer { unlink(output) }
            let status = try ChildProcess(
                ["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", path], log: output
            ).wait()
            #expect(status == 0, "\(readFile(output).suffix(600))")
        }
    }
}

extension Site {
    /// Changes the settings file: keys `section.name`.
    func set(_ values: [String: String]) throws {
        var text = readFile(settings)
        for (key, value) in values.sorted(by: { $0.key < $1.key }) {
            let (section, name) = (key.prefix { $0 != "." }, key.drop { $0 != "." }.dropFirst())
            if text.contains("\n\(section):\n") || text.hasPrefix("\(section):\n") {
                text = text.replacingOccurrences(of: "\(section):\n", with: "\(section):\n  \(name): \(value)\n")
            } else {
                text += "\n\(section):\n  \(name): \(value)\n"
            }
        }
        try text.write(toFile: settings, atomically: true, encoding: .utf8)
        chmod(settings, 0o600)
    }
}
