/// A comparison that takes a millisecond: run it on a worker thread, hand its result to `SASLExchange.derived(_:)`.
package struct PasswordCheck: Sendable {
    private let secret: [UInt8]
    private let verifier: SCRAMVerifier

    init(secret: [UInt8], verifier: SCRAMVerifier) {
        self.secret = secret
        self.verifier = verifier
    }

    package func run() -> Bool { verifier.matches(secret: secret) }
}

extension PasswordCheck: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "PasswordCheck(redacted)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// One AUTH, on one event loop. It never blocks and never outlives its answer: let go of it after
/// `succeeded` or `failed`.
package final class SASLExchange {
    package enum Step {
        /// Send these octets in a `334`, give the client's answer to `respond(_:)`.
        case challenge([UInt8])
        /// Find this login's verifier, or make one up if there is none, and give it to `provide(_:)`. The name is
        /// canonical: `[a-z0-9.-]`, at most 64. What a client sends that cannot be a name comes as a stand-in that
        /// begins with `?`: no login has it, and it is answered like any other unknown name.
        /// With no database: drop the exchange and answer `454 4.7.0`.
        case lookUp(loginName: String)
        /// Run the check on a worker thread and give its result to `derived(_:)`.
        case derive(PasswordCheck)
        case succeeded(loginName: String)
        case failed(SASLFailure)
    }

    /// `channelBinding`: the connection's `tls-exporter` data (RFC 9266); nil takes -PLUS away.
    package init(server: SASLServer, mechanism: SASLMechanism, channelBinding: [UInt8]?) {}

    /// `initialResponse`: nil if the client sent none, empty if it sent `=`.
    package func start(initialResponse: [UInt8]?) -> Step { unbuilt }
    package func respond(_ response: [UInt8]) -> Step { unbuilt }
    package func provide(_ verifier: StoredVerifier) -> Step { unbuilt }
    package func derived(_ matches: Bool) -> Step { unbuilt }

    private var unbuilt: Step {
        .failed(SASLFailure(kind: .mechanismUnavailable, reason: "not built yet", loginName: nil))
    }
}
