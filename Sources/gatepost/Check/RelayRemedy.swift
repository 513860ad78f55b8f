import SubmissionClient
import TLS

/// What helps where a pool's member could not be spoken to, by what went wrong.
struct RelayRemedy {
    /// `POOL ADDRESS`, as the commands take it.
    let member: String
    let wire, tls: String
    let logsIn, drains: Bool

    func hint(for error: any Error) -> String {
        switch error {
        case TLSError.untrustedServer(let name, _, let fault): hint(for: fault, name)
        case ClientDialogue.Failure.notOffered: withoutTLS
        case is Unreachable, is ClientHandler.ConnectionLost, is ClientHandler.TimedOut:
            "is it running, and can it be reached from here?\(meanwhile)"
        default: "its own log may say more.\(meanwhile)"
        }
    }

    private var meanwhile: String { drains ? "" : " `gatepost relay drain \(member)` meanwhile" }

    private func hint(for fault: CertificateFault, _ name: String) -> String {
        switch fault {
        case .name: "`gatepost relay set \(member) --server-name NAME`, or a certificate for \(name)"
        case .issuer:
            tls == "mutual"
                ? "relay.certificate there must be of an authority in forwarder.authorities here (`gatepost ca issue`)"
                : "its authority belongs into forwarder.smarthost-authorities, or it needs another certificate"
        case .expired, .revoked:
            "`gatepost ca renew NAME` where it is the pool's own, else a new one; then SIGHUP there"
        case .notYetValid: "set the clocks by NTP"
        case .revocationList: "`gatepost ca crl` makes it anew: forwarder.revocations, else crl.pem in pki.directory"
        case .other: "it needs another certificate.\(meanwhile)"
        }
    }

    private var withoutTLS: String {
        if logsIn { return "turn STARTTLS on there: no password is sent without it" }
        if wire == "lmtp", tls == "mutual" {
            return "Gatepost's own relays offer it; another server: "
                + "`gatepost relay set \(member) --protocol smtp --tls …`"
        }
        return "turn STARTTLS on there, or `gatepost relay set \(member) --tls none` where the way to it is safe"
    }

    /// Where this node's own certificates are no good.
    static func forFiles(tls: String) -> String {
        tls == "mutual"
            ? "forwarder.certificate, forwarder.private-key, forwarder.authorities" : "forwarder.smarthost-authorities"
    }
}
