import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// The clients that customers have, from Debian's packages, with the certificate verified.
    @Suite struct ClientTests {
        @Test(arguments: ["PLAIN", "LOGIN"])
        func `swaks sends over STARTTLS`(mechanism: String) async throws {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("swaks-\(mechanism.lowercased())")
            let sent = try site.run([
                "swaks", "--server", "localhost:\(server.port)", "--tls", "--tls-verify", "--tls-ca-path", site.ca,
                "--auth", mechanism, "--auth-user", credential.username, "--auth-password", credential.secret,
                "--from", "news@swaks-\(mechanism.lowercased()).example", "--to", "a@remote.example", "--header",
                "Subject: by swaks \(mechanism)",
            ])
            #expect(sent.status == 0, "\(sent.standardOutput)\(sent.standardError)")
            try await expectOne(site, "Subject: by swaks \(mechanism)")
        }

        @Test func `curl sends over STARTTLS`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("curl")
            let mail = try file(site, "curl", "Subject: by curl")
            let sent = try site.run([
                "curl", "-sS", "--ssl-reqd", "--cacert", site.ca, "smtp://localhost:\(server.port)/client.example",
                "--mail-from", "news@curl.example", "--mail-rcpt", "a@remote.example", "--user",
                "\(credential.username):\(credential.secret)", "-T", mail,
            ])
            #expect(sent.status == 0, "\(sent.standardError)")
            try await expectOne(site, "Subject: by curl")
        }

        @Test func `msmtp sends with SCRAM-SHA-256`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("msmtp")
            let settings = "\(site.folder)/msmtprc"
            try """
            account default
            host localhost
            port \(server.port)
            tls on
            tls_starttls on
            tls_trust_file \(site.ca)
            auth scram-sha-256
            user \(credential.username)
            passwordeval cat \(credential.secretFile)
            from news@msmtp.example
            """.write(toFile: settings, atomically: true, encoding: .utf8)
            chmod(settings, 0o600)
            let mail = try file(site, "msmtp", "Subject: by msmtp")
            let sent = try site.run(["sh", "-c", "msmtp -C '\(settings)' a@remote.example < '\(mail)'"])
            #expect(sent.status == 0, "\(sent.standardError)")
            try await expectOne(site, "Subject: by msmtp")
            #expect(server.log.contains("\"mechanism\":\"SCRAM-SHA-256\""))
        }

        @Test func `Python's smtplib sends, the message gets its fields, and Bcc stays here`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("smtplib")
            let script = """
                import smtplib, ssl
                client = smtplib.SMTP("localhost", \(server.port), timeout=30)
                client.starttls(context=ssl.create_default_context(cafile="\(site.ca)"))
                client.login("\(credential.username)", open("\(credential.secretFile)").read())
                client.sendmail("news@smtplib.example", ["a@remote.example", "hidden@remote.example"],
                    "From: News <news@smtplib.example>\\r\\nTo: a@remote.example\\r\\nBcc: hidden@remote.example\\r\\n"
                    "Subject: by smtplib\\r\\n\\r\\n.a line with a dot\\r\\n")
                client.quit()
                """
            let sent = try site.run(["python3", "-c", script])
            #expect(sent.status == 0, "\(sent.standardError)")
            let message = try await expectOne(site, "Subject: by smtplib")
            let header = message.components(separatedBy: "\r\n\r\n")[0]
            #expect(header.contains("\r\nDate: "))
            #expect(header.contains("\r\nMessage-ID: <"))
            #expect(!header.contains("Bcc"))
            #expect(header.contains("with ESMTPSA"))
            #expect(header.contains("TLSv1.3"))
            #expect(message.hasSuffix("\r\n\r\n.a line with a dot\r\n"))
            let queue = try site.gatepost("queue", "list", "--all", "--json", "--tenant", "smtplib")
            let id = try #require(
                (try JSONSerialization.jsonObject(with: Data(queue.utf8)) as? [String: Any])?["id"] as? String)
            #expect(header.contains("id \(id);"))
        }

        @Test(arguments: ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN"])
        func `gsasl logs in`(mechanism: String) async throws {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("gsasl-\(mechanism.lowercased())")
            let binding = mechanism.hasSuffix("-PLUS") ? "" : "--no-cb"
            let login = try site.run([
                "sh", "-c",
                """
                printf 'QUIT\\r\\n' | timeout 30 gsasl --client --smtp --starttls \(binding) \
                --connect localhost:\(server.port) --mechanism \(mechanism) --authentication-id \(credential.username) \
                --password "$(cat '\(credential.secretFile)')" --x509-ca-file '\(site.ca)'
                """,
            ])
            #expect(login.standardOutput.contains("235 2.7.0"), "\(login.standardOutput)\(login.standardError)")
            #expect(server.log.contains("\"mechanism\":\"\(mechanism)\""))
            #expect(!server.log.contains(credential.secret))
        }

        private func file(_ site: Site, _ slug: String, _ subject: String) throws -> String {
            let path = "\(site.folder)/mail-\(slug)"
            try "From: news@\(slug).example\r\nTo: a@remote.example\r\n\(subject)\r\n\r\nhello\r\n"
                .write(toFile: path, atomically: true, encoding: .utf8)
            return path
        }

        @discardableResult
        private func expectOne(_ site: Site, _ text: String) async throws -> String {
            #expect(await eventually { site.arrived().contains { $0.contains(text) } }, "\(text) has not arrived")
            let found = site.arrived().filter { $0.contains(text) }
            #expect(found.count == 1)
            return try #require(found.first)
        }
    }
}
