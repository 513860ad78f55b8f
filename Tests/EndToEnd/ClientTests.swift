import Foundation
import SiteSupport
import TestSupport
import Testing

/// The two ways in: STARTTLS on 587 and TLS from the first octet on 465 (RFC 8314).
enum Port: String, CaseIterable, Sendable {
    case submission = "587"
    case submissions = "465"

    var isImplicit: Bool { self == .submissions }
    func number(_ server: Site.Server) -> Int { isImplicit ? server.tlsPort : server.port }
}

extension EndToEnd {
    /// The clients that customers have, from Debian's packages, on both ports, with every mechanism each has and the
    /// certificate verified.
    @Suite struct ClientTests {
        @Test(arguments: Port.allCases, ["PLAIN", "LOGIN"])
        func `swaks sends`(port: Port, mechanism: String) async throws {
            let (site, server) = try await SharedSite.instance.site()
            let slug = "swaks-\(port.rawValue)-\(mechanism.lowercased())"
            let credential = try site.tenant(slug)
            let sent = try site.run([
                "swaks", "--server", "localhost:\(port.number(server))", port.isImplicit ? "--tls-on-connect" : "--tls",
                "--tls-verify", "--tls-ca-path", site.ca, "--auth", mechanism, "--auth-user", credential.username,
                "--auth-password", credential.secret, "--from", "news@\(slug).example", "--to", "a@remote.example",
                "--header", "Subject: by \(slug)",
            ])
            #expect(sent.status == 0, "\(sent.standardOutput)\(sent.standardError)")
            try await site.expectOne("Subject: by \(slug)")
        }

        @Test(arguments: Port.allCases, ["PLAIN", "LOGIN"])
        func `curl sends`(port: Port, mechanism: String) async throws {
            let (site, server) = try await SharedSite.instance.site()
            let slug = "curl-\(port.rawValue)-\(mechanism.lowercased())"
            let credential = try site.tenant(slug)
            let sent = try site.run([
                "curl", "-sS", "--ssl-reqd", "--cacert", site.ca,
                "\(port.isImplicit ? "smtps" : "smtp")://localhost:\(port.number(server))/client.example",
                "--login-options", "AUTH=\(mechanism)", "--mail-from", "news@\(slug).example", "--mail-rcpt",
                "a@remote.example", "--user", "\(credential.username):\(credential.secret)", "-T",
                try site.mail(slug),
            ])
            #expect(sent.status == 0, "\(sent.standardError)")
            try await site.expectOne("Subject: by \(slug)")
        }

        @Test(arguments: Port.allCases, ["scram-sha-256", "plain", "login"])
        func `msmtp sends`(port: Port, mechanism: String) async throws {
            let (site, server) = try await SharedSite.instance.site()
            let slug = "msmtp-\(port.rawValue)-\(mechanism)"
            let credential = try site.tenant(slug)
            let settings = "\(site.folder)/\(slug)"
            try """
            account default
            host localhost
            port \(port.number(server))
            tls on
            tls_starttls \(port.isImplicit ? "off" : "on")
            tls_trust_file \(site.ca)
            auth \(mechanism)
            user \(credential.username)
            passwordeval cat \(credential.secretFile)
            from news@\(slug).example
            """.write(toFile: settings, atomically: true, encoding: .utf8)
            chmod(settings, 0o600)
            let sent = try site.run([
                "sh", "-c", "msmtp -C '\(settings)' a@remote.example < '\(try site.mail(slug))'",
            ])
            #expect(sent.status == 0, "\(sent.standardError)")
            try await site.expectOne("Subject: by \(slug)")
            #expect(server.logins(of: credential) == [mechanism.uppercased()])
        }

        @Test(arguments: Port.allCases, ["PLAIN", "LOGIN"])
        func `Python's smtplib sends, the message gets its fields, and Bcc stays here`(
            port: Port, mechanism: String
        ) async throws {
            let (site, server) = try await SharedSite.instance.site()
            let slug = "smtplib-\(port.rawValue)-\(mechanism.lowercased())"
            let credential = try site.tenant(slug)
            let connect =
                port.isImplicit
                ? "client = smtplib.SMTP_SSL('localhost', \(port.number(server)), timeout=30, context=context)"
                : "client = smtplib.SMTP('localhost', \(port.number(server)), timeout=30)\n"
                    + "client.starttls(context=context)"
            let script = """
                import smtplib, ssl
                context = ssl.create_default_context(cafile="\(site.ca)")
                \(connect)
                client.ehlo()
                client.user, client.password = "\(credential.username)", open("\(credential.secretFile)").read()
                client.auth("\(mechanism)", client.auth_\(mechanism.lowercased()))
                client.sendmail("news@\(slug).example", ["a@remote.example", "hidden@remote.example"],
                    "From: News <news@\(slug).example>\\r\\nTo: a@remote.example\\r\\nBcc: hidden@remote.example\\r\\n"
                    "Subject: by \(slug)\\r\\n\\r\\n.a line with a dot\\r\\n")
                client.quit()
                """
            let sent = try site.run(["python3", "-c", script])
            #expect(sent.status == 0, "\(sent.standardError)")
            let message = try await site.expectOne("Subject: by \(slug)")
            let header = message.components(separatedBy: "\r\n\r\n")[0]
            #expect(header.contains("\r\nDate: "))
            #expect(header.contains("\r\nMessage-ID: <"))
            #expect(!header.contains("Bcc"))
            #expect(header.contains("with ESMTPSA"))
            #expect(header.contains("TLSv1.3"))
            #expect(message.hasSuffix("\r\n\r\n.a line with a dot\r\n"))
            let queue = try site.gatepost("queue", "list", "--all", "--json", "--tenant", slug)
            let id = try #require(
                (try JSONSerialization.jsonObject(with: Data(queue.utf8)) as? [String: Any])?["id"] as? String)
            #expect(header.contains("id \(id);"))
        }

        /// (It knows no TLS from the first octet.)
        @Test(arguments: ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"])
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
            #expect(server.logins(of: credential) == [mechanism])
            #expect(!server.log.contains(credential.secret))
        }
    }
}

extension Site {
    /// A file with a small message of a tenant.
    func mail(_ slug: String) throws -> String {
        let path = "\(folder)/mail-\(slug)"
        try "From: news@\(slug).example\r\nTo: a@remote.example\r\nSubject: by \(slug)\r\n\r\nhello\r\n"
            .write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    /// The message with a text in it, once it has arrived, once.
    @discardableResult
    func expectOne(_ text: String, within limit: Duration = .seconds(15)) async throws -> String {
        #expect(await eventually(within: limit) { arrived().contains { $0.contains(text) } }, "\(text) has not arrived")
        let found = arrived().filter { $0.contains(text) }
        #expect(found.count == 1)
        return try #require(found.first)
    }
}

extension Site.Server {
    /// The mechanisms that a credential has logged in by, in order.
    func logins(of credential: Site.Credential) -> [String] {
        log.split(separator: "\n").filter {
            $0.contains("\"message\":\"login\"") && $0.contains("\"credential\":\"\(credential.username)\"")
        }.compactMap { line in
            line.components(separatedBy: "\"mechanism\":\"").dropFirst().first?.components(separatedBy: "\"").first
        }
    }
}
