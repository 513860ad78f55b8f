import SubmissionClient
import TLS
import Testing

@testable import gatepost

/// What `gatepost check` makes of what it saw.
@Suite struct `The check` {
    @Test func `takes a login for possible where a delivery would find a mechanism`() {
        let tls = TLSSession(version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", peer: nil)
        func fault(_ offered: [String], in session: TLSSession?, isBound: Bool = false) -> String? {
            Probe.Seen(session: session, hasBinding: isBound, offered: offered).loginFault
        }
        #expect(fault(["SIZE 1000", "AUTH CRAM-MD5 PLAIN"], in: tls) == nil)
        #expect(fault(["AUTH=LOGIN", "AUTH LOGIN"], in: tls) == nil)
        #expect(fault(["AUTH SCRAM-SHA-256-PLUS"], in: tls, isBound: true) == nil)
        let unknown = "offers no login that Gatepost knows (offered"
        #expect(fault(["AUTH SCRAM-SHA-256-PLUS"], in: tls) == "\(unknown) SCRAM-SHA-256-PLUS): mail waits")
        #expect(fault(["AUTH CRAM-MD5 DIGEST-MD5"], in: tls) == "\(unknown) CRAM-MD5 DIGEST-MD5): mail waits")
        #expect(fault(["AUTH EXTERNAL"], in: tls) == "\(unknown) EXTERNAL): mail waits")
        // No password goes in the clear.
        #expect(fault(["AUTH PLAIN"], in: nil) == "\(unknown) PLAIN): mail waits")
        #expect(fault(["8BITMIME", "AUTH=PLAIN"], in: tls) == "offers no login: mail waits")
    }

    @Test func `takes no server that breaks the protocol for one that is spoken to in the clear`() {
        #expect(!Probe.mayGoOnInTheClear(after: ClientDialogue.Failure.protocolViolation("so")))
        #expect(Probe.mayGoOnInTheClear(after: ClientDialogue.Failure.notOffered("STARTTLS", offered: [])))
        #expect(Probe.mayGoOnInTheClear(after: TLSError.untrustedServer(name: "mx", reason: "so", fault: .issuer)))
    }

    @Test func `knows one of our own relays by what it offers`() {
        func isGate(_ offered: String...) -> Bool { Probe.Seen(offered: offered).isGateOfOurs }
        #expect(isGate("PIPELINING", "SIZE 1000", "LIMITS RCPTMAX=1"))
        #expect(isGate("LIMITS RCPTMAX=1", "AUTH EXTERNAL"), "it knows who asks")
        #expect(!isGate("LIMITS RCPTMAX=1", "AUTH PLAIN EXTERNAL"))
        #expect(!isGate("LIMITS RCPTMAX=100") && !isGate("PIPELINING"))
    }

    private func hint(_ error: any Error, tls: String = "verify", logsIn: Bool = false, drains: Bool = false) -> String
    {
        RelayRemedy(
            member: "bulk mx.example:587", wire: tls == "mutual" ? "lmtp" : "smtp", tls: tls, logsIn: logsIn,
            drains: drains
        ).hint(for: error)
    }

    @Test func `has a remedy for each fault of a relay`() {
        func untrusted(_ fault: CertificateFault) -> TLSError {
            .untrustedServer(name: "mx.example", reason: "so", fault: fault)
        }
        #expect(hint(untrusted(.name)).contains("`gatepost relay set bulk mx.example:587 --server-name NAME`"))
        #expect(hint(untrusted(.issuer)).contains("forwarder.smarthost-authorities"))
        #expect(hint(untrusted(.issuer), tls: "mutual").contains("forwarder.authorities"))
        #expect(hint(untrusted(.expired)).contains("`gatepost ca renew NAME`"))
        #expect(hint(untrusted(.revocationList), tls: "mutual").contains("`gatepost ca crl`"))
        let bare = ClientDialogue.Failure.notOffered("STARTTLS", offered: [])
        #expect(hint(bare).contains("`gatepost relay set bulk mx.example:587 --tls none`"))
        #expect(hint(bare, tls: "mutual").contains("--protocol smtp"))
        #expect(!hint(bare, logsIn: true).contains("--tls none"), "refused together with a login")
        let silent = ClientHandler.ConnectionLost()
        #expect(hint(silent).contains("is it running") && hint(silent).contains("relay drain bulk mx.example:587"))
        #expect(!hint(silent, drains: true).contains("drain"))
    }
}
