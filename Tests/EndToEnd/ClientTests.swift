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
    /// What single clients show beside the matrix of all of them (`ClientMatrixTests`).
    @Suite struct ClientTests {
        /// smtplib raises at DATA's refusal and leaves its transaction open: the next MAIL means the next message.
        @Test func `Python's smtplib goes on in the same session behind a message that was refused`() async throws {
            let (site, server) = try await SharedSite.instance.site()
            let credential = try site.tenant("goes-on", "--daily", "2", "--max-message-size", "2KiB")
            let script = """
                import smtplib, ssl
                client = smtplib.SMTP("localhost", \(server.port), timeout=30)
                client.starttls(context=ssl.create_default_context(cafile="\(site.ca)"))
                client.login("\(credential.username)", open("\(credential.secretFile)").read())
                client.esmtp_features.pop("size")
                def send(name, recipients, size=10):
                    client.sendmail("news@goes-on.example", recipients,
                        "From: news@goes-on.example\\r\\nSubject: goes on, " + name + "\\r\\n\\r\\n" + "x" * size + "\\r\\n")
                for name, recipients, size in [("capped", ["a@remote.example", "b@remote.example", "c@remote.example"], 10),
                                               ("large", ["a@remote.example"], 3000)]:
                    try:
                        send(name, recipients, size)
                        raise SystemExit(name + " was taken")
                    except smtplib.SMTPDataError as error:
                        print(error.smtp_code)
                    send("after " + name, ["a@remote.example"])
                client.quit()
                """
            let sent = try site.run(["python3", "-c", script])
            #expect(sent.status == 0, "\(sent.standardError)")
            #expect(sent.standardOutput == "450\n552\n")
            try await site.expectOne("Subject: goes on, after capped")
            try await site.expectOne("Subject: goes on, after large")
            #expect(!site.arrived().contains { $0.contains("goes on, capped") || $0.contains("goes on, large") })
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
            let isLogged = await eventually { server.logins(of: credential) == [mechanism] }
            #expect(isLogged, "\(server.logins(of: credential))")
            #expect(!server.log.contains(credential.secret))
        }
    }
}

extension Site {
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
