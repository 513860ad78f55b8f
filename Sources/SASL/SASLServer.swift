/// The mechanisms of RFC 4616, draft-murchison-sasl-login and RFC 7677 that a client may be offered.
package enum SASLMechanism: String, CaseIterable, Sendable, Hashable {
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
    package let mechanisms: [SASLMechanism] = []
    package static func shared() throws(SASLError) -> SASLServer { throw SASLError(description: "not built yet") }
}
