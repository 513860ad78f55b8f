import Postgres
import TLS

/// Whether this node does what its settings say: for load balancers and supervisors.
struct Readiness {
    let settings: Settings

    func tell(_ output: Output) async throws {
        var faults: [String] = []
        if settings.submission.certificate == nil, settings.forwarder.certificate == nil,
            settings.relay.certificate == nil
        {
            faults.append("the settings name no certificate: no role can be served")
        }
        if settings.submission.certificate != nil {
            faults += await unanswered("submission", settings.submission.listen)
            faults += await unanswered("submission, TLS", settings.submission.listenTLS, isImplicitTLS: true)
        }
        if settings.relay.certificate != nil { faults += await unanswered("relay", settings.relay.listen) }
        if settings.submission.certificate != nil || settings.forwarder.certificate != nil {
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
        _ role: String, _ addresses: [HostPort], isImplicitTLS: Bool = false
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
                    host: host, port: address.port, heloName: "localhost", isTLSAtOnce: isImplicitTLS
                ).run(tls: tls, serverName: host)
            } catch {
                faults.append("\(role): \("\(error)".printable)")
            }
        }
        return faults
    }
}
