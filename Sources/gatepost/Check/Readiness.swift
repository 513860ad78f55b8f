import Postgres
import Submission
import TLS

/// Whether this node does what its settings say: for load balancers and supervisors.
struct Readiness {
    let settings: Settings
    /// Nil: whatever the settings hold a certificate for.
    var role: Serve.Role?

    private func certificate(of role: Serve.Role) -> String? {
        switch role {
        case .submission: settings.submission.certificate
        case .forwarder: settings.forwarder.certificate
        case .relay: settings.relay.certificate
        }
    }

    func tell(_ output: Output) async throws {
        var faults: [String] = []
        let roles = (role.map { [$0] } ?? Serve.Role.allCases).filter { certificate(of: $0) != nil }
        if roles.isEmpty {
            faults.append(
                role.map { "\($0).certificate is not set: the role cannot be served" }
                    ?? "the settings name no certificate: no role can be served")
        }
        if roles.contains(.submission) {
            faults += await unanswered("submission", settings.submission.listen)
            faults += await unanswered("submission, TLS", settings.submission.listenTLS, isImplicitTLS: true)
        }
        if roles.contains(.relay) { faults += await unanswered("relay", settings.relay.listen, isRelay: true) }
        if roles.contains(.submission) || roles.contains(.forwarder) {
            if let fault = await database() { faults.append(fault) }
        }
        guard faults.isEmpty else {
            if output.isJSON {
                output.show(["ready": .bool(false), "faults": .strings(faults)], "")
            }
            throw Failure("not ready: \(faults.joined(separator: "; "))", .differs)
        }
        output.show(["ready": .bool(true), "faults": .array([])], "ready\n")
    }

    private func database() async -> String? {
        do {
            let connection = DatabaseConnection(try settings.database(as: .node))
            try await Migrator.embedded.checkServes(connection)
            await connection.close()
            return nil
        } catch let failure as Failure {
            return failure.message
        } catch let error as MigrationError {
            return error.message.printable
        } catch {
            return "\(error)".printable
        }
    }

    private func unanswered(
        _ role: String, _ addresses: [HostPort], isImplicitTLS: Bool = false, isRelay: Bool = false
    ) async -> [String] {
        var faults: [String] = []
        for address in addresses {
            let host =
                switch address.host {
                case "0.0.0.0": "127.0.0.1"
                case "::": "::1"
                default: address.host
                }
            do {
                // Whether it answers, not who it is: `check` judges certificates.
                let tls = isImplicitTLS ? try TLSContext.client(authorities: nil) : nil
                _ = try await Probe(
                    host: host, port: address.port, heloName: "localhost", isTLSAtOnce: isImplicitTLS,
                    // Of one's own addresses one reaches each from itself.
                    isBalancer: !isRelay && settings.submission.configuration.isBalancer(host)
                ).run(tls: tls, serverName: host)
            } catch {
                faults.append("\(role): \("\(error)".printable)")
            }
        }
        return faults
    }
}
