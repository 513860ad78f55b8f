internal import COpenSSL
internal import Glibc

// Ending certificates before their time, and replacing them at it.
//
// The index is the truth; `crl.pem` is made from it (RFC 5280 §5) each time the authority does something, so that a
// command that was interrupted between the two is made good by the next one.

extension CertificateAuthority {
    /// A certificate that counts no more.
    package struct Revocation: Sendable, Hashable {
        /// RFC 5280 §5.3.1, those that an authority of this kind can have.
        package enum Reason: String, Sendable, Hashable, CaseIterable {
            case unspecified
            case keyCompromise = "key-compromise"
            case affiliationChanged = "affiliation-changed"
            case superseded
            case cessationOfOperation = "cessation-of-operation"

            var code: Int {
                switch self {
                case .unspecified: 0
                case .keyCompromise: 1
                case .affiliationChanged: 3
                case .superseded: 4
                case .cessationOfOperation: 5
                }
            }
        }

        /// Seconds since the Unix epoch.
        package let time: Int64
        package let reason: Reason
    }

    /// How long a revocation list is good for unless told otherwise. A stale one closes the relays' gate, so this is
    /// how often the authority has to be asked for a new one.
    package static let revocationListDays = 90

    package var revocationFile: String { "\(folder)/crl.pem" }

    /// Ends certificates and writes the revocation list. A name ends everything under it that is still good, a serial
    /// number that one certificate.
    ///
    /// - Returns: what was ended now; empty where all of it was before.
    package func revoke(_ nameOrSerial: String, _ reason: Revocation.Reason) throws(TLSError) -> [Entry] {
        let revocation = Revocation(time: Int64(time(nil)), reason: reason)
        return try index.exclusively { (writer) throws(TLSError) in
            let meant = try index.entries().filter { $0.name == nameOrSerial || $0.serial == nameOrSerial.lowercased() }
            guard !meant.isEmpty else {
                throw .authority(reason: "nothing was issued under the name or serial number \(nameOrSerial)")
            }
            guard !meant.contains(where: { $0.kind == "authority" }) else {
                throw .authority(
                    reason: "the authority does not revoke itself; make another one and issue everything anew")
            }
            var ended: [Entry] = []
            for var entry in meant where entry.revocation == nil && entry.notAfter > revocation.time {
                try writer.append(revoked: entry.serial, revocation)
                entry.revocation = revocation
                ended.append(entry)
            }
            // Also where nothing was left to end: an interrupted command may have left the list behind.
            do throws(TLSError) {
                try writeRevocations(days: nil)
            } catch {
                guard !ended.isEmpty || meant.contains(where: { $0.revocation != nil }) else { throw error }
                throw .authority(
                    reason: "\(error): it is written down that \(nameOrSerial) is revoked, but the list that relays and"
                        + " forwarders read does not say so; when that can be written, make it with: gatepost ca crl")
            }
            return ended
        }
    }

    /// A new key and certificate in the place of those last issued under this name: same kind, same hosts unless others
    /// are given. What they replace stays good until it ends or is revoked.
    package func renew(_ name: String, hosts: [String] = [], days: Int = 825) throws(TLSError) -> Entry {
        try index.exclusively { (writer) throws(TLSError) in
            guard let last = try index.entries().last(where: { $0.name == name && $0.kind != "authority" }) else {
                throw .authority(reason: "nothing was issued under the name \(name)")
            }
            let names = hosts.isEmpty ? last.hosts : hosts
            let kind: Kind
            switch last.kind {
            case "relay": kind = .relay(hosts: names)
            case "server": kind = .server(hosts: names)
            case "forwarder" where hosts.isEmpty: kind = .forwarder
            case "forwarder": throw .authority(reason: "\(name) is a forwarder's, a client: it has no hosts")
            default: throw .authority(reason: "\(name) is of the kind \(last.kind), which cannot be renewed")
            }
            let made = try make(name, kind, days: days)
            let entry = Entry(
                name: name, kind: kind.word, serial: serialNumber(of: made.certificate.pointer),
                notBefore: made.validity.start, notAfter: made.validity.end, hosts: made.hosts)
            // The index first: a certificate that nobody wrote down could not be revoked.
            try writer.append(entry)
            // Two renamings: whoever reads in between sees a key that does not fit, keeps what it has and looks again.
            try replaceFile(keyFile(of: name), pem(of: made.key), mode: 0o600)
            try replaceFile(certificateFile(of: name), pem(of: made.certificate), mode: 0o600)
            return entry
        }
    }

    /// What `crl.pem` says; nil where there is none.
    package func revocationList() throws(TLSError) -> RevocationList? {
        exists(revocationFile) ? try RevocationList(path: revocationFile) : nil
    }

    /// Makes the list anew whatever it says now.
    ///
    /// - Parameter days: nil: for as long as the one it replaces.
    package func renewRevocations(days: Int? = nil) throws(TLSError) -> RevocationList {
        try index.exclusively { (_) throws(TLSError) in try writeRevocations(days: days) }
    }

    /// Makes the list anew where there is one and more than half of its time is over.
    ///
    /// - Returns: whether it was made anew.
    @discardableResult
    package func refreshRevocations() throws(TLSError) -> Bool {
        guard let list = try revocationList(), list.isPastHalf else { return false }
        _ = try renewRevocations()
        return true
    }

    /// Call with the index held.
    @discardableResult
    private func writeRevocations(days: Int?) throws(TLSError) -> RevocationList {
        let (issuer, key) = try signer()
        // A broken list is replaced like a missing one.
        let before = try? revocationList()
        var clock = timespec()
        clock_gettime(CLOCK_REALTIME, &clock)
        let now = Int64(clock.tv_sec)
        let span = days.map { Int64($0) * 86_400 } ?? before?.span ?? Int64(Self.revocationListDays) * 86_400
        let made = RevocationList(
            // Rising also where the last one was lost.
            number: max((before?.number ?? 0) + 1, now * 1_000 + Int64(clock.tv_nsec / 1_000_000)),
            thisUpdate: now - 300, nextUpdate: now + span,
            serials: try index.entries().filter {
                // RFC 5280 §5: what has ended may be left out after one list more.
                $0.revocation != nil && $0.notAfter > now - span
            }.map(\.serial))
        let revocations = try index.entries().reduce(into: [String: Revocation]()) { $0[$1.serial] = $1.revocation }
        let content = try made.signed(by: issuer, key, revocations)
        // Nothing in it is secret, and relays that run as other users read it.
        try replaceFile(revocationFile, content, mode: 0o644)
        return made
    }
}
