import Glibc
import TLS

/// Every certificate, key and authority the settings name, and the revocation list.
struct CertificateCheck {
    let settings: Settings
    /// Days below which a certificate is as good as ended.
    private static let urgent: Int64 = 7

    var findings: [Finding] {
        let submission = settings.submission
        let forwarder = settings.forwarder
        let relay = settings.relay
        var findings: [Finding] = []
        findings += pair(
            "submission", submission.certificate, submission.privateKey, hostname: submission.hostname)
        findings += pair("forwarder", forwarder.certificate, forwarder.privateKey)
        findings += authorities("forwarder.authorities", forwarder.authorities)
        findings += pair("relay", relay.certificate, relay.privateKey)
        findings += authorities("relay.authorities", relay.authorities)
        if findings.isEmpty {
            findings.append(
                .wrong(
                    "certificates", "none is configured: no role can be served",
                    hint: "submission.certificate, forwarder.certificate, relay.certificate and their keys"))
        }
        return findings + revocations + authority
    }

    private func pair(_ role: String, _ certificate: String?, _ key: String?, hostname: String? = nil) -> [Finding] {
        let subject = "certificate"
        switch (certificate, key) {
        case (nil, nil): return []
        case (_?, nil), (nil, _?):
            return [.wrong(subject, "\(role): only one of \(role).certificate and \(role).private-key is set")]
        case (let certificate?, let key?):
            let context: TLSContext
            do {
                context = try TLSContext.server(certificateChain: certificate, privateKey: key)
            } catch {
                return [.wrong(subject, "\(role): \(error)")]
            }
            let names = context.certificateNames.joined(separator: " ")
            let days = context.certificateExpiry.map { ($0 - UTCTime.now().microseconds / 1_000_000) / 86_400 } ?? 0
            let text = "\(role): \(certificate), for \(names), \(days) days left"
            if days < Self.urgent { return [.wrong(subject, text, hint: Self.renewal)] }
            if days < CertificateAuthority.Entry.renewalDays { return [.note(subject, text, hint: Self.renewal)] }
            if let hostname, !context.certificateNames.contains(where: { Self.covers($0, hostname) }) {
                return [
                    .note(
                        subject, text + "; submission.hostname is \(hostname), which is not among its names",
                        hint: "clients that connect to a name the certificate lacks refuse it")
                ]
            }
            return [.ok(subject, text)]
        }
    }

    private static let renewal = "renew it (`gatepost ca renew NAME` where it is the pool's own), then reload the node"

    private func authorities(_ key: String, _ path: String?) -> [Finding] {
        guard let path else { return [] }
        do {
            _ = try TLSContext.client(authorities: path)
            return [.ok("authorities", "\(key): \(path)")]
        } catch {
            return [.wrong("authorities", "\(key): \(error)")]
        }
    }

    /// The authority's own list, and those that the roles look at instead.
    private var revocations: [Finding] {
        let own = "\(settings.pki.directory)/crl.pem"
        var lists: [(name: String, path: String)] = []
        // One that this user may not look for is one that its relay cannot read either.
        if access(own, F_OK) == 0 || errno != ENOENT && errno != ENOTDIR
            || CertificateAuthority.hasRevoked(in: settings.pki.directory)
        {
            lists.append(("", own))
        }
        let named = [
            ("relay.revocations: ", settings.relay.revocations),
            ("forwarder.revocations: ", settings.forwarder.revocations),
        ]
        for (name, path) in named {
            guard let path, !lists.contains(where: { $0.path == path }) else { continue }
            lists.append((name, path))
        }
        return lists.flatMap { finding($0.name, $0.path) }
    }

    private func finding(_ name: String, _ path: String) -> [Finding] {
        do {
            let list = try TLS.RevocationList(path: path)
            let text = name + list.summary
            let finding: Finding =
                if list.isEarly {
                    .wrong("revocations", "\(text): it does not count yet", hint: "`gatepost ca crl`, or the clock")
                } else if list.isStale {
                    .wrong("revocations", "\(text): it has ended", hint: "`gatepost ca crl`")
                } else if list.isPastHalf {
                    .note("revocations", text, hint: "`gatepost ca crl` makes it anew")
                } else {
                    .ok("revocations", text)
                }
            return [finding] + revoked(by: list)
        } catch {
            return [.wrong("revocations", "\(name)\(error)", hint: "`gatepost ca crl` makes it anew")]
        }
    }

    /// The pool's own authority, where its folder is on this machine.
    private var authority: [Finding] {
        guard let authority = try? CertificateAuthority(existing: settings.pki.directory),
            let entries = try? authority.list()
        else { return [] }
        var findings: [Finding] = []
        // The last one of each name is the one in use.
        var last: [String: CertificateAuthority.Entry] = [:]
        for entry in entries { last[entry.name] = entry }
        let ending = last.values.filter { $0.state == .endsSoon }.sorted { $0.name < $1.name }
        for entry in ending {
            findings.append(
                .note(
                    "authority", "\(entry.name) (\(entry.kind)) has \(entry.daysLeft) days left",
                    hint: entry.kind == "authority" ? nil : "gatepost ca renew \(entry.name)"))
        }
        if ending.isEmpty { findings.append(.ok("authority", "\(settings.pki.directory), \(entries.count) issued")) }
        return findings
    }

    /// The forwarder's certificate, where its authority has taken it back: the relays deny its mail.
    private func revoked(by list: TLS.RevocationList) -> [Finding] {
        guard let certificate = settings.forwarder.certificate, let key = settings.forwarder.privateKey,
            let context = try? TLSContext.server(certificateChain: certificate, privateKey: key),
            let serial = context.certificateSerial, list.serials.contains(serial)
        else { return [] }
        return [
            .wrong(
                "revocations", "forwarder: \(certificate) has been revoked: relays deny its mail, which waits",
                hint: "`gatepost ca renew NAME` makes a new one; then reload the node")
        ]
    }

    /// A wildcard stands for one label (RFC 6125 §6.4.3).
    static func covers(_ name: String, _ host: String) -> Bool {
        if name.lowercased() == host.lowercased() { return true }
        guard name.hasPrefix("*."), let dot = host.firstIndex(of: ".") else { return false }
        return host[dot...].lowercased() == name.dropFirst().lowercased()
    }
}
