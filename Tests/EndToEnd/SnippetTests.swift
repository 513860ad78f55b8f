import Foundation
import SiteSupport
import TestSupport
import Testing

extension EndToEnd {
    /// What `credential issue --for` prints, run as it stands by the client it is for.
    @Suite struct SnippetTests {
        /// Issues a credential for a new tenant, with settings for a client; a home folder of its own has the secret.
        private func issue(_ client: String) async throws -> (site: Site, settings: String, home: String) {
            let (site, server) = try await SharedSite.instance.site()
            let slug = "snippet-\(client)"
            try site.gatepost("tenant", "create", slug)
            try site.gatepost("domain", "add", slug, "\(slug).example", "--trust")
            let issued = try site.run([
                "env", "GATEPOST_SUBMISSION_HOSTNAME=localhost", "GATEPOST_SUBMISSION_LISTEN=127.0.0.1:\(server.port)",
                "GATEPOST_SUBMISSION_LISTEN_TLS=127.0.0.1:\(server.tlsPort)", Site.binary, "credential", "issue", slug,
                "--for", client, "--json", "--config",
                "\(site.folder)/gatepost.yaml",
            ])
            try #require(issued.status == 0, "\(issued.standardError)")
            let object = try #require(
                try JSONSerialization.jsonObject(with: Data(issued.standardOutput.utf8)) as? [String: Any])
            let settings = try #require(object["settings"] as? String)
            let secret = try #require(object["secret"] as? String)
            #expect(!settings.contains(secret), "the secret is handed out once, and not in the settings")
            let home = "\(site.folder)/home-\(client)"
            try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
            try secret.write(toFile: "\(home)/.gatepost-secret", atomically: true, encoding: .utf8)
            return (site, settings, home)
        }

        private func expectArrival(_ site: Site, from client: String, _ sent: Site.Output) async {
            #expect(sent.status == 0, "\(sent.standardOutput)\(sent.standardError)")
            #expect(
                await eventually { site.arrived().contains { $0.contains("app@snippet-\(client).example") } },
                "nothing has arrived: \(sent.standardOutput)\(sent.standardError)")
        }

        @Test(arguments: ["swaks", "curl"])
        func `a command line sends as it was printed, with the certificate verified`(client: String) async throws {
            let (site, settings, home) = try await issue(client)
            let script = "\(home)/snippet.sh"
            try settings.write(toFile: script, atomically: true, encoding: .utf8)
            let sent = try site.run([
                "env", "HOME=\(home)", "SSL_CERT_FILE=\(site.ca)", "CURL_CA_BUNDLE=\(site.ca)", "sh", "-ec",
                "cd \"$HOME\" && . ./snippet.sh",
            ])
            await expectArrival(site, from: client, sent)
            let stranger = try site.run([
                "env", "HOME=\(home)", "SSL_CERT_FILE=/dev/null", "CURL_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt",
                "sh", "-ec", "cd \"$HOME\" && . ./snippet.sh",
            ])
            #expect(stranger.status != 0, "a server of an unknown authority is not to be given the secret")
        }

        @Test func `msmtp sends by its settings file`() async throws {
            let (site, settings, home) = try await issue("msmtp")
            // The authority of the test is not among the system's.
            let file = "\(home)/.msmtprc"
            try settings.replacing("tls on\n", with: "tls on\ntls_trust_file \(site.ca)\n").write(
                toFile: file, atomically: true, encoding: .utf8)
            chmod(file, 0o600)
            let sent = try site.run([
                "env", "HOME=\(home)", "sh", "-ec",
                "printf 'From: app@snippet-msmtp.example\\nSubject: hello\\n\\nhello\\n' | msmtp you@example.net",
            ])
            await expectArrival(site, from: "msmtp", sent)
        }
    }

    /// `gatepost check` against a site that runs.
    @Suite struct CheckTests {
        private func check(_ arguments: String..., environment: [String] = []) async throws -> (Site, Site.Output) {
            let (site, server) = try await SharedSite.instance.site()
            return (
                site,
                try site.run(
                    ["env", "GATEPOST_SUBMISSION_LISTEN=127.0.0.1:\(server.port)"] + environment
                        + [Site.binary, "check", "--config", "\(site.folder)/gatepost.yaml"] + arguments)
            )
        }

        @Test func `a site in order passes, and every relay is spoken to over TLS`() async throws {
            let (_, output) = try await check()
            #expect(output.status == 0, "\(output.standardOutput)\(output.standardError)")
            for line in [
                "ok     schema", "ok     partitions    made until", "note   promise", "ok     clocks",
                "answers with TLSv1.3",
            ] {
                #expect(output.standardOutput.contains(line), "\(line): \(output.standardOutput)")
            }
            #expect(!output.standardOutput.contains("\u{1b}"))
            let (_, ready) = try await check("--ready")
            #expect(ready.status == 0 && ready.standardOutput == "ready\n", "\(ready.standardError)")
        }

        @Test func `a key that does not fit is told, with exit 2, by line and as JSON`() async throws {
            let (site, _) = try await SharedSite.instance.site()
            let wrong = ["GATEPOST_SUBMISSION_PRIVATE_KEY=\(site.folder)/pki/forwarder.key"]
            let (_, output) = try await check("--skip-relays", "--json", environment: wrong)
            #expect(output.status == 2)
            let lines = try output.standardOutput.split(separator: "\n").map {
                try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
            }
            let faults = lines.filter { $0["state"] as? String == "wrong" }
            #expect(faults.count == 1 && (faults.first?["text"] as? String)?.contains("does not belong") == true)
        }

        @Test func `authorities of smarthosts that cannot be read are wrong, as serve has it`() async throws {
            let (_, forwarder) = try await check(
                "--skip-relays", environment: ["GATEPOST_FORWARDER_SMARTHOST_AUTHORITIES=/nowhere.pem"])
            #expect(forwarder.status == 2)
            #expect(
                forwarder.standardOutput.contains(
                    "wrong  authorities   forwarder.smarthost-authorities: /nowhere.pem: No such file"),
                "\(forwarder.standardOutput)")
            let smarthost = ["GATEPOST_RELAY_ROUTE=smarthost", "GATEPOST_RELAY_SMARTHOST=127.0.0.1:1"]
            let (_, relay) = try await check(
                "--skip-relays", environment: smarthost + ["GATEPOST_RELAY_SMARTHOST_AUTHORITIES=/dev/null"])
            #expect(relay.status == 2)
            #expect(
                relay.standardOutput.contains("wrong  authorities   relay.smarthost-authorities: /dev/null"),
                "\(relay.standardOutput)")
        }

        @Test func `a relay that denies the forwarder, and a smarthost that is not there, are wrong`() async throws {
            let (site, _) = try await SharedSite.instance.site()
            let foreign = "\(site.folder)/foreign-check"
            try site.gatepost("ca", "init", "--directory", foreign)
            try site.gatepost("ca", "issue", "stranger", "--kind", "forwarder", "--directory", foreign)
            let (_, denied) = try await check(environment: [
                "GATEPOST_FORWARDER_CERTIFICATE=\(foreign)/stranger.pem",
                "GATEPOST_FORWARDER_PRIVATE_KEY=\(foreign)/stranger.key",
            ])
            #expect(denied.status == 2)
            #expect(
                denied.standardOutput.contains("does not know the forwarder's certificate"),
                "\(denied.standardOutput)")
            let port = FreePort.find()
            let (_, away) = try await check(environment: [
                "GATEPOST_RELAY_ROUTE=smarthost", "GATEPOST_RELAY_SMARTHOST=127.0.0.1:\(port)",
            ])
            #expect(away.status == 2)
            #expect(
                away.standardOutput.contains("wrong  smarthost     relay.smarthost 127.0.0.1:\(port)"),
                "\(away.standardOutput)")
        }

        @Test func `a node whose port nobody answers on is not ready`() async throws {
            let (_, output) = try await check(
                "--ready", environment: ["GATEPOST_SUBMISSION_LISTEN=127.0.0.1:\(FreePort.find())"])
            #expect(output.status == 2 && output.standardError.contains("not ready"))
            let (_, implicit) = try await check(
                "--ready", environment: ["GATEPOST_SUBMISSION_LISTEN_TLS=127.0.0.1:\(FreePort.find())"])
            #expect(implicit.status == 2 && implicit.standardError.contains("submission, TLS"))
            // Where a node has one role, its neighbours' ports are not its own.
            let dead = ["GATEPOST_RELAY_LISTEN=127.0.0.1:\(FreePort.find())"]
            #expect(try await check("--ready", "--role", "submission", environment: dead).1.status == 0)
            #expect(try await check("--ready", "--role", "relay", environment: dead).1.status == 2)
            #expect(try await check("--role", "relay").1.status == 64)
            let (site, _) = try await SharedSite.instance.site()
            let nothing = try site.run(["env", "-u", "GATEPOST_CONFIG", Site.binary, "check", "--ready"])
            #expect(nothing.status == 2 && nothing.standardError.contains("no role can be served"))
        }
    }
}
