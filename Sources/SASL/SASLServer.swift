internal import CLibSASL

// SASL: Cyrus SASL's server with nothing of its own behind it: no password files, no plugins but the three mechanisms'
// own, no configuration from disk. It never looks anybody up and never waits: an exchange asks for a verifier and goes
// on when it is given one.
//
// RFC 4422, 4616 (PLAIN), 5802 and 7677 (SCRAM), 9266 (tls-exporter); THREATS of AUTH are answered here where
// libsasl2 does not answer them.

/// The mechanisms of RFC 4422 (appendix A), 4616, draft-murchison-sasl-login and RFC 7677 that a client may be offered.
package enum SASLMechanism: String, CaseIterable, Sendable, Hashable {
    /// By the TLS certificate that the client showed.
    case external = "EXTERNAL"
    case plain = "PLAIN"
    case login = "LOGIN"
    case scramSHA256 = "SCRAM-SHA-256"
    case scramSHA256Plus = "SCRAM-SHA-256-PLUS"
}

/// Why libsasl2 cannot be used here, in words for an operator.
package struct SASLError: Error, Sendable, Hashable, CustomStringConvertible {
    package let description: String
}

/// Why an exchange ended without a login. `reason` is for our log; a client is told the kind alone.
package struct SASLFailure: Error, Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        /// `535 5.7.8`
        case credentials
        /// `501 5.5.2`
        case malformed
        /// `504 5.5.4`
        case mechanismUnavailable
        /// `454 4.7.0`
        case temporary
    }

    package let kind: Kind
    package let reason: String
    /// Who it was said to be, in canonical form, where that was said and could be one: for throttles and logs.
    package let loginName: String?
}

/// libsasl2, started once per process, with nothing but our own store behind it.
package final class SASLServer: Sendable {
    /// What this machine's libsasl2 can do, the strongest first. -PLUS needs a channel binding besides; EXTERNAL, which
    /// needs a client's certificate and no libsasl2, is not among them.
    package let mechanisms: [SASLMechanism]

    /// The one server of this process.
    package static func shared() throws(SASLError) -> SASLServer { try started.get() }

    private static let started = Result<SASLServer, SASLError> { () throws(SASLError) in try SASLServer() }

    private init() throws(SASLError) {
        try Self.checkVersion()
        // libsasl2 keeps the name's address, and reads there with each exchange.
        let status = sasl_server_init(globalCallbacks.pointer, applicationNameText.pointer)
        guard status == SASL_OK else {
            throw SASLError(description: "libsasl2 does not start: \(Self.words(for: status))")
        }
        guard sasl_auxprop_add_plugin(auxpropName, initializeAuxprop) == SASL_OK,
            sasl_server_add_plugin(randomnessMechanismName, initializeRandomnessMechanism) == SASL_OK
        else { throw SASLError(description: "libsasl2 does not take Gatepost's store") }
        let loaded = Self.loadedMechanisms()
        let missing = [SASLMechanism.plain, .login, .scramSHA256].filter { !loaded.contains($0.rawValue) }
        guard missing.isEmpty else {
            let names = missing.map(\.rawValue).joined(separator: ", ")
            throw SASLError(
                description: "libsasl2 has no \(names) in \(pluginFolder); install the package libsasl2-modules")
        }
        mechanisms = [.scramSHA256Plus, .scramSHA256, .plain, .login]
    }

    /// Of libsasl2, `2.1.28`.
    package static var libraryVersion: String {
        let (major, minor, step) = version
        return "\(major).\(minor).\(step)"
    }

    private static var version: (Int32, Int32, Int32) {
        var (major, minor, step): (Int32, Int32, Int32) = (0, 0, 0)
        sasl_version_info(nil, nil, &major, &minor, &step, nil)
        return (major, minor, step)
    }

    /// Earlier ones are open to CVE-2022-24407 and know no SCRAM-SHA-256.
    private static func checkVersion() throws(SASLError) {
        guard version >= (2, 1, 28) else {
            throw SASLError(description: "libsasl2 is \(libraryVersion), expected 2.1.28 or later")
        }
    }

    private static func loadedMechanisms() -> Set<String> {
        guard var entry = sasl_global_listmech() else { return [] }
        var names: Set<String> = []
        while let name = entry.pointee {
            names.insert(String(cString: name))
            entry += 1
        }
        return names
    }

    static func words(for status: Int32) -> String {
        sasl_errstring(status, nil, nil).map { String(cString: $0) } ?? "error \(status)"
    }
}
