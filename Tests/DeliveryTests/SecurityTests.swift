import Delivery
import Foundation
import SASL
import SMTP
import TLS
import TestSupport
import Testing

/// TLS in every mode, and logging in.
@Suite struct SecurityTests {
    /// A pool's authority with a server's and a forwarder's certificate, and one nobody knows.
    final class Certificates: Sendable {
        let folder: String

        init() throws {
            var template = Array("/tmp/gatepost-tls-XXXXXX\0".utf8).map { CChar(bitPattern: $0) }
            folder = try #require(mkdtemp(&template).map { String(cString: $0) })
            for (name, host) in [("good", "127.0.0.1"), ("other", "10.0.0.1")] {
                try ChildProcess.run([
                    "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days",
                    "2", "-subj", "/CN=\(name)", "-addext", "subjectAltName=IP:\(host)", "-keyout",
                    "\(folder)/\(name).key", "-out", "\(folder)/\(name).pem",
                ])
            }
        }

        deinit { try? FileManager.default.removeItem(atPath: folder) }

        func script(_ name: String) -> [String] { ["CERT=\(folder)/\(name).pem", "KEY=\(folder)/\(name).key"] }

        var contexts: NextHopTLS {
            get throws {
                let unverified = try TLSContext.client(authorities: nil)
                let verified = try TLSContext.client(authorities: "\(folder)/good.pem")
                return NextHopTLS(unverified: { unverified }, verified: { verified }, mutual: { verified })
            }
        }
    }

    private static let offer = #"HELLO=250-mx.example\r\n250 STARTTLS"#

    private func run(
        _ mode: TLSMode, _ script: [String], login: ClientLogin? = nil, _ certificates: Certificates
    ) async throws -> (events: [String], log: String) {
        let peer = try await ScriptedPeer(script)
        let attempt = Attempt(
            to: NextHop(host: "127.0.0.1", port: peer.port, wire: .smtp, tls: mode, login: login),
            tls: try certificates.contexts, [try message()])
        let events = await attempt.events()
        return (events, peer.log)
    }

    private let delivered = ["ready", "delivered 250", "ready", "end"]

    @Test func `none speaks in the clear though TLS be offered`() async throws {
        let certificates = try Certificates()
        let (events, log) = try await run(.none, [Self.offer] + certificates.script("good"), certificates)
        #expect(events == delivered)
        #expect(!log.contains("secured"))
    }

    @Test func `opportunistic takes any certificate, and the clear where TLS is not offered or does not come about`()
        async throws
    {
        let certificates = try Certificates()
        let secured = try await run(.opportunistic, [Self.offer] + certificates.script("other"), certificates)
        #expect(secured.events == delivered)
        #expect(secured.log.contains("secured TLSv1.3"))
        let bare = try await run(.opportunistic, [], certificates)
        #expect(bare.events == delivered)
        // 220 to STARTTLS, and then the connection is dropped.
        let broken = try await run(.opportunistic, [Self.offer], certificates)
        #expect(broken.events == delivered)
        #expect(broken.log.contains("STARTTLS"))
    }

    @Test func `require takes any certificate, and says nothing where the offer was taken out or comes to nothing`()
        async throws
    {
        let certificates = try Certificates()
        let secured = try await run(.require, [Self.offer] + certificates.script("other"), certificates)
        #expect(secured.events == delivered && secured.log.contains("secured"))
        let stripped = try await run(.require, [], certificates)
        #expect(stripped.events == ["failed EHLO: STARTTLS is required and not offered"])
        let broken = try await run(.require, [Self.offer], certificates)
        #expect(broken.events.first?.hasPrefix("failed") == true)
        for log in [stripped.log, broken.log] { #expect(!log.contains("MAIL")) }
    }

    @Test(arguments: [TLSMode.verify, .mutual])
    func `verify wants a certificate of an authority that names the server`(_ mode: TLSMode) async throws {
        let certificates = try Certificates()
        let good = try await run(mode, [Self.offer] + certificates.script("good"), certificates)
        #expect(good.events == delivered && good.log.contains("secured"))
        let other = try await run(mode, [Self.offer] + certificates.script("other"), certificates)
        #expect(other.events.first?.contains("127.0.0.1 is not trusted") == true, "\(other.events)")
        #expect(!other.log.contains("MAIL"))
        let stripped = try await run(mode, [], certificates)
        #expect(stripped.events.first?.contains("not offered") == true)
    }

    @Test func `on port 465 TLS comes before the greeting`() throws {
        #expect(NextHop(host: "h", port: 465, wire: .smtp, tls: .verify).isImplicitTLS)
        #expect(!NextHop(host: "h", port: 465, wire: .smtp, tls: .none).isImplicitTLS)
        #expect(!NextHop(host: "h", port: 587, wire: .smtp, tls: .verify).isImplicitTLS)
    }

    @Test func `a password goes inside TLS alone, and a wrong one is no reason to bounce`() async throws {
        let certificates = try Certificates()
        let login = try #require(ClientLogin(username: "acme", password: "s3cret"))
        #expect(!"\(login)".contains("s3cret"))
        let server = ["USER=acme", "PASSWORD=s3cret"] + certificates.script("good")
        let hello = #"HELLO=250-mx.example\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN"#
        let good = try await run(.verify, [hello] + server, login: login, certificates)
        #expect(good.events == delivered)
        let clear = try await run(.none, [hello] + server, login: login, certificates)
        #expect(
            clear.events == [
                "failed AUTH: no way to log in: offered PLAIN LOGIN, and no password goes in the clear"
            ])
        #expect(!clear.log.contains("AUTH"))
        let wrong = try await run(
            .verify, [hello] + server, login: ClientLogin(username: "acme", password: "wrong"), certificates)
        #expect(wrong.events == ["failed AUTH: 535 no"])
        #expect(!wrong.log.contains("MAIL"))
    }

    @Test func `a server that says 235 without the proof that SCRAM asks of it is none`() async throws {
        let certificates = try Certificates()
        let login = try #require(ClientLogin(username: "acme", password: "s3cret"))
        let liar = try await run(
            .none, [#"HELLO=250-mx\r\n250 AUTH SCRAM-SHA-256"#], login: login, certificates)
        #expect(
            liar.events == ["failed AUTH: the server has not proved that it knows the secret"])
        #expect(liar.log.contains("AUTH SCRAM-SHA-256 "))
        #expect(!liar.log.contains("MAIL"))
    }
}
