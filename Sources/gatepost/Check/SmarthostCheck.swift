import Delivery
import TLS

/// Where this relay sends mail on to (`relay.route: smarthost`): can it be reached, has it the TLS that is demanded,
/// and does it let anyone log in?
struct SmarthostCheck {
    let settings: Settings

    func findings() async -> [Finding] {
        guard settings.relay.route == .smarthost else { return [] }
        do throws(Failure) {
            let hop = try settings.relay.smarthostHop()
            return [await probe(hop)]
        } catch {
            return [.wrong("smarthost", error.message, hint: error.hint)]
        }
    }

    private func probe(_ hop: NextHop) async -> Finding {
        let subject = "smarthost"
        let name = "relay.smarthost \(hop): TLS \(hop.tls.rawValue)"
        let tls: TLSContext?
        do throws(TLSError) {
            tls = try context(hop.tls)
        } catch {
            return .wrong(subject, "\(name): \(error)", hint: "relay.smarthost-authorities")
        }
        let probe = Probe(
            host: hop.host, port: hop.port, heloName: settings.relay.hostname, isTLSAtOnce: hop.isImplicitTLS)
        do {
            let seen = try await probe.run(tls: tls, serverName: hop.serverName)
            var text = "\(name), answers"
            if let session = seen.session { text += " with \(session.version)" }
            if seen.isGateOfOurs {
                return .wrong(
                    subject,
                    "\(text), is one of Gatepost's own relays, which take mail from forwarders alone: mail waits",
                    hint: "relay.smarthost must be a mail server that takes mail from here")
            }
            guard hop.login != nil else { return .ok(subject, text) }
            if let fault = seen.loginFault {
                return .wrong(
                    subject, "\(text), \(fault)", hint: "without relay.smarthost-username nobody logs in there")
            }
            return .ok(subject, "\(text), \(seen.untriedLogin)")
        } catch {
            if hop.tls == .opportunistic, !hop.isImplicitTLS, Probe.mayGoOnInTheClear(after: error),
                (try? await probe.run(tls: nil, serverName: hop.serverName)) != nil
            {
                return .note(subject, "\(name), answers, in the clear (\(error))")
            }
            return .wrong(subject, "\(name): \(error)", hint: "until it answers, mail waits at the forwarders")
        }
    }

    /// As the route has it.
    private func context(_ mode: TLSMode) throws(TLSError) -> TLSContext? {
        switch mode {
        case .none: nil
        case .opportunistic, .require: try TLSContext.client(authorities: nil)
        case .verify, .mutual: try TLSContext.client(authorities: settings.relay.smarthostAuthorities)
        }
    }
}
