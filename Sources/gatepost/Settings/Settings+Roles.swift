import Delivery
import Network
import Submission
import TLS

extension Settings {
    /// What the roles cannot be served without: judged before a node begins, and again at each reload, for what is missing
    /// then would be served with less than it began with.
    ///
    /// - Throws: the first of these that is not set.
    func require(_ roles: Set<Serve.Role>) throws(Failure) {
        if roles.contains(.submission) || roles.contains(.forwarder) { _ = try database(as: .node) }
        try requireFiles(roles)
        if roles.contains(.relay) { try relay.requireRoute() }
    }

    /// The same of certificates, keys and authorities alone.
    func requireFiles(_ roles: Set<Serve.Role>) throws(Failure) {
        if roles.contains(.relay) {
            _ = try relay.certificate.required("relay.certificate", "the relay's own certificate")
            _ = try relay.privateKey.required("relay.private-key", "the key of relay.certificate")
            _ = try relay.authorities.required(
                "relay.authorities", "the pool's authority, which says whose mail is taken")
        }
        if roles.contains(.submission) {
            _ = try submission.certificate.required("submission.certificate", "the server's certificate")
            _ = try submission.privateKey.required("submission.private-key", "the key of submission.certificate")
        }
        if roles.contains(.forwarder) {
            _ = try forwarder.certificate.required(
                "forwarder.certificate", "the certificate that relays know this node by")
            _ = try forwarder.privateKey.required("forwarder.private-key", "the key of forwarder.certificate")
            _ = try forwarder.authorities.required("forwarder.authorities", Self.relaysAuthority)
        }
    }

    private static let relaysAuthority = "the pool's authority, which says what a relay is"

    /// The context for members with TLS `mutual`, as the forwarder has it.
    ///
    /// - Parameter before: the one in use: a list that was there once does not become optional by going away.
    /// - Throws: also where no authority is set: whoever listens at a member's address would be taken for it.
    func mutualContext(before: TLSContext? = nil) throws(TLSError) -> TLSContext {
        guard let authorities = forwarder.authorities else {
            throw .configuration(reason: "`forwarder.authorities` is not set: \(Self.relaysAuthority)")
        }
        return try TLSContext.client(
            authorities: authorities, certificateChain: forwarder.certificate,
            privateKey: forwarder.privateKey, minimum: .tls13,
            revocations: forwarder.revocations ?? "\(pki.directory)/crl.pem",
            revocationsAreOptional: forwarder.revocations == nil && before?.revocations?.isAbsent != false
                && !CertificateAuthority.hasRevoked(in: pki.directory))
    }

    /// The context for smarthosts with TLS `verify`.
    func smarthostContext() throws(TLSError) -> TLSContext {
        try TLSContext.client(authorities: forwarder.smarthostAuthorities ?? "")
    }

    /// The relay's, for forwarders.
    ///
    /// - Parameter before: as for `mutualContext`.
    func relayContext(before: TLSContext? = nil) throws(TLSError) -> TLSContext {
        try TLSContext.server(
            certificateChain: relay.certificate ?? "", privateKey: relay.privateKey ?? "",
            clientAuthorities: relay.authorities ?? "", minimum: .tls13,
            revocations: relay.revocations ?? "\(pki.directory)/crl.pem",
            revocationsAreOptional: relay.revocations == nil && before?.revocations?.isAbsent != false
                && !CertificateAuthority.hasRevoked(in: pki.directory))
    }

    /// Submission's, for customers' applications.
    func submissionContext(before: TLSContext? = nil, ticketKeys: TicketKeys? = nil) throws(TLSError) -> TLSContext {
        try TLSContext.server(
            certificateChain: submission.certificate ?? "", privateKey: submission.privateKey ?? "",
            alternatives: try submission.certificates.map { folder throws(TLSError) in
                try TLSIdentity.all(in: folder)
            } ?? [], before: before, asksForCertificates: submission.asksForCertificates, ticketKeys: ticketKeys)
    }

    /// Whether these may take the place of `old`: no context of the roles' comes to nothing that did not before. (A file that is
    /// broken under the path it always had is no fault of the settings'.)
    ///
    /// - Parameter inUse: the contexts of now, by role; none of a role that has not begun.
    func refuseWorse(than old: Settings, _ roles: Set<Serve.Role>, inUse: [String: TLSContext]) throws(TLSError) {
        typealias Maker = (Settings, TLSContext?) throws(TLSError) -> TLSContext
        var makers: [(role: String, make: Maker)] = []
        if roles.contains(.relay) {
            makers.append(("relay", { new, before throws(TLSError) in try new.relayContext(before: before) }))
            // (Whether it is verified is for a restart to change.)
            if inUse["relay to its smarthost"] != nil {
                makers.append(
                    ("relay to its smarthost", { new, _ throws(TLSError) in try new.relay.smarthostContext() }))
            }
        }
        if roles.contains(.submission) {
            makers.append(("submission", { new, before throws(TLSError) in try new.submissionContext(before: before) }))
        }
        if roles.contains(.forwarder) {
            makers.append(("forwarder", { new, before throws(TLSError) in try new.mutualContext(before: before) }))
            makers.append(("forwarder to smarthosts", { new, _ throws(TLSError) in try new.smarthostContext() }))
        }
        for (role, make) in makers {
            let current = inUse[role]
            guard let fault = Self.fault(make, self, current) else { continue }
            if Self.fault(make, old, current) == nil { throw fault }
        }
    }

    private static func fault(
        _ make: (Settings, TLSContext?) throws(TLSError) -> TLSContext, _ settings: Settings, _ before: TLSContext?
    ) -> TLSError? {
        do throws(TLSError) {
            // Without its list a context trusts nobody.
            return try make(settings, before).revocations?.fault.map { .configuration(reason: $0) }
        } catch {
            return error
        }
    }
}

extension Settings.Relay {
    /// Whether the server of its route must show who it is.
    var verifiesSmarthost: Bool { route == .smarthost && smarthostTLS == .verify }

    /// What that is judged by.
    func smarthostContext() throws(TLSError) -> TLSContext {
        try TLSContext.client(authorities: smarthostAuthorities ?? "")
    }
}

extension Settings.Submission {
    /// As the role takes it.
    var configuration: SubmissionConfiguration {
        var made = SubmissionConfiguration(
            listen: listen.map(ListenAddress.init), listenTLS: listenTLS.map(ListenAddress.init), hostname: hostname)
        made.proxyFrom = proxyFrom
        made.maxConnections = maxConnections
        made.maxConnectionsPerAddress = maxConnectionsPerAddress
        made.maxHandshakes = maxHandshakes
        made.handshakeTimeout = handshakeTimeout
        made.authenticationTimeout = authenticationTimeout
        made.commandTimeout = commandTimeout
        made.writeTimeout = writeTimeout
        made.minDataRate = minDataRate
        made.maxMessageSize = maxMessageSize
        made.asksForCertificates = asksForCertificates
        made.maxRecipients = maxRecipients
        made.normalisesLineEndings = lineEndings == .normalise
        made.failuresPerConnection = failuresPerConnection
        made.failuresPerAddress = failuresPerAddress
        made.failuresPerLogin = failuresPerLogin
        return made
    }
}
