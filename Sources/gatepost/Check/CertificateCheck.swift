import Delivery
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
        findings += namesOfTheirOwn
        findings += pair("forwarder", forwarder.certificate, forwarder.privateKey)
        findings += authorities("forwarder.authorities", forwarder.authorities)
        findings += missing(for: .forwarder, [forwarder.certificate, forwarder.privateKey, forwarder.authorities])
        // They have a default, which only those who use it must have.
        if forwarder.certificate != nil {
            findings += authorities("forwarder.smarthost-authorities", forwarder.smarthostAuthorities)
        }
        findings += pair("relay", relay.certificate, relay.privateKey)
        findings += authorities("relay.authorities", relay.authorities)
        findings += missing(for: .relay, [relay.certificate, relay.privateKey, relay.authorities])
        if relay.certificate != nil, relay.route == .smarthost, relay.smarthostTLS == .verify {
            findings += authorities("relay.smarthost-authorities", relay.smarthostAuthorities)
        }
        if findings.isEmpty {
            findings.append(
                .wrong(
                    "certificates", "none is configured: no role can be served",
                    hint: "submission.certificate, forwarder.certificate, relay.certificate and their keys"))
        }
        return findings + revocations + authority
    }

    /// What a role that some settings are for cannot be served without.
    private func missing(for role: Serve.Role, _ files: [String?]) -> [Finding] {
        guard files.contains(where: { $0 != nil }) else { return [] }
        do throws(Failure) {
            try settings.requireFiles([role])
            return []
        } catch {
            // Half a pair has its finding.
            guard (files[0] == nil) == (files[1] == nil) else { return [] }
            return [.wrong(role.rawValue, error.message, hint: error.hint)]
        }
    }

    /// Those of `submission.certificates`.
    private var namesOfTheirOwn: [Finding] {
        guard let folder = settings.submission.certificates else { return [] }
        do throws(TLSError) {
            let identities = try TLSIdentity.all(in: folder)
            let each = identities.flatMap { pair("submission", $0.certificateChain, $0.privateKey) }
            // (Of two that have a name in common.)
            guard let certificate = settings.submission.certificate, let key = settings.submission.privateKey,
                let context = try? TLSContext.server(
                    certificateChain: certificate, privateKey: key, alternatives: identities)
            else { return each }
            let broken = Set(
                identities.filter { identity in
                    (try? TLSContext.server(
                        certificateChain: identity.certificateChain, privateKey: identity.privateKey)) == nil
                }.map(\.certificateChain))
            return each
                + context.leftOut.filter { !broken.contains($0.file) }.map {
                    .note("certificate", "submission: \($0.file) is not used for all of its names: \($0.reason)")
                }
        } catch {
            return [.wrong("certificate", "submission.certificates: \(error)")]
        }
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
            if let fault = misuse(of: certificate, by: role) { return [fault] }
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

    /// A certificate that is shown to those who will not believe it, for its extended key usage is another.
    private func misuse(of certificate: String, by role: String) -> Finding? {
        guard let file = try? CertificateFile(reading: certificate) else { return nil }
        let isClient = role == "forwarder"
        guard isClient ? !file.isForClients : !file.isForServers else { return nil }
        let consequence =
            switch role {
            case "forwarder": "no client's: relays deny its mail, which waits"
            case "relay": "no server's: forwarders give it no mail"
            default: "no server's: clients refuse it"
            }
        let kind = role == "submission" ? "server" : role
        return .wrong(
            "certificate", "\(role): \(certificate) is \(consequence)",
            hint: "`gatepost ca issue NAME --kind \(kind)` makes one whose extended key usage fits")
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
        var lists: [(key: String?, path: String)] = []
        if countsOwnList { lists.append((nil, ownList)) }
        let named = [
            ("relay.revocations", settings.relay.revocations),
            ("forwarder.revocations", settings.forwarder.revocations),
        ]
        for (key, path) in named {
            guard let path, !lists.contains(where: { $0.path == path }) else { continue }
            lists.append((key, path))
        }
        return lists.flatMap { finding($0.key, $0.path) }
    }

    private var ownList: String { "\(settings.pki.directory)/crl.pem" }

    /// The keys of the roles here that look at the authority's own list.
    private var keysOfOwnList: [String] {
        let (relay, forwarder) = (settings.relay, settings.forwarder)
        var keys: [String] = []
        if relay.certificate != nil, relay.revocations == nil { keys.append("relay.revocations") }
        if forwarder.certificate != nil, forwarder.revocations == nil { keys.append("forwarder.revocations") }
        return keys
    }

    private var countsOwnList: Bool {
        if access(ownList, R_OK) == 0 { return true }
        switch errno {
        case ENOENT, ENOTDIR: return CertificateAuthority.hasRevoked(in: settings.pki.directory)
        // One that this user may not read or look for is one that its roles cannot read either, where they look at it.
        default: return !keysOfOwnList.isEmpty
        }
    }

    private func finding(_ key: String?, _ path: String) -> [Finding] {
        let name = key.map { "\($0): " } ?? ""
        do {
            let list = try RevocationList(path: path)
            let text = name + list.summary
            let finding: Finding =
                if list.isEarly {
                    .wrong("revocations", "\(text): it does not count yet", hint: "`gatepost ca crl`, or the clock")
                } else if list.isStale {
                    .wrong("revocations", "\(text): it has ended", hint: "`gatepost ca crl`")
                } else if let stranger = authoritiesWithoutList(in: path) {
                    .wrong(
                        "revocations", "\(text): it is of none of the authorities in \(stranger): nobody is believed",
                        hint: remedy(key, path))
                } else if let missing = missing(in: list, at: path) {
                    .wrong(
                        "revocations", "\(text): \(missing) is revoked, and not in it",
                        hint:
                            "`gatepost ca crl` makes \(ownList) anew\(path == ownList ? "" : ", of which this is to be a copy")"
                    )
                } else if list.isPastHalf {
                    .note("revocations", text, hint: "`gatepost ca crl` makes it anew")
                } else {
                    .ok("revocations", text)
                }
            return [finding] + revoked(by: list)
        } catch {
            return [.wrong("revocations", "\(name)\(error)", hint: remedy(key, path))]
        }
    }

    /// Whom the authority's index has as revoked, and a list of its own has not: it could not be written then, or was not
    /// copied since.
    private func missing(in list: RevocationList, at path: String) -> String? {
        guard let authority = try? CertificateAuthority(existing: settings.pki.directory),
            (try? RevocationList.isThere(in: path, ofAuthorityIn: [authority.certificateFile])) == true
        else { return nil }
        let now = UTCTime.now().microseconds / 1_000_000
        let entry = try? authority.list().first {
            $0.revocation != nil && $0.notAfter > now && !list.serials.contains($0.serial)
        }
        return entry.map { "\($0.name.printable) (serial \($0.serial))" }
    }

    /// The file of authorities that a role believes who looks at the lists in `path`, where none of these is of one of them.
    private func authoritiesWithoutList(in path: String) -> String? {
        let (relay, forwarder) = (settings.relay, settings.forwarder)
        let roles = [
            (relay.certificate, relay.revocations, relay.authorities),
            (forwarder.certificate, forwarder.revocations, forwarder.authorities),
        ]
        for case (let chain?, let list, let authorities?) in roles where (list ?? ownList) == path {
            // An authority between the root and the certificates comes with these. (Files that cannot be read are a
            // finding of their own.)
            let isThere = try? RevocationList.isThere(in: path, ofAuthorityIn: [authorities, chain])
            if isThere == false { return authorities }
        }
        return nil
    }

    /// For a list that is of no use.
    private func remedy(_ key: String?, _ path: String) -> String {
        if access(path, R_OK) != 0, errno == EACCES {
            let keys = key.map { [$0] } ?? keysOfOwnList
            return "put a copy where the service's user may read it, and name it in \(keys.joined(separator: " and "))"
        }
        return "`gatepost ca crl` makes it anew" + (path == ownList ? "" : " in pki.directory: copy it from there")
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

    /// This node's own certificates that their authority has taken back: the others trust them no more.
    private func revoked(by list: RevocationList) -> [Finding] {
        let (forwarder, relay) = (settings.forwarder, settings.relay)
        let pairs = [
            ("forwarder", forwarder.certificate, forwarder.privateKey, "relays deny its mail, which waits"),
            ("relay", relay.certificate, relay.privateKey, "forwarders give it no mail"),
        ]
        return pairs.compactMap { role, certificate, key, meaning in
            guard let certificate, let key,
                let context = try? TLSContext.server(certificateChain: certificate, privateKey: key),
                let serial = context.certificateSerial, list.serials.contains(serial)
            else { return nil }
            return .wrong(
                "revocations", "\(role): \(certificate) has been revoked: \(meaning)",
                hint: "`gatepost ca renew NAME` makes a new one; then reload the node")
        }
    }

    /// A wildcard stands for one label (RFC 6125 §6.4.3).
    static func covers(_ name: String, _ host: String) -> Bool {
        if name.lowercased() == host.lowercased() { return true }
        guard name.hasPrefix("*."), let dot = host.firstIndex(of: ".") else { return false }
        return host[dot...].lowercased() == name.dropFirst().lowercased()
    }
}
