import NIOCore
import Postgres
import TLS
import Tenancy

/// Pools and their members, each of them connected to.
struct RelayCheck {
    let settings: Settings

    func findings(probing: Bool) async -> [Finding] {
        do {
            let connection = DatabaseConnection(try settings.database(as: .admin))
            let administration = Administration(connection, user: "check")
            let pools = try await administration.pools()
            let relays = try await administration.relays(of: nil)
            await connection.close()
            var findings = pools.map { pool in Self.finding(pool, relays.filter { $0.pool == pool.name }) }
            if probing {
                findings += await withTaskGroup(of: (Int, Finding).self) { group in
                    for (number, relay) in relays.enumerated() {
                        group.addTask { (number, await probe(relay)) }
                    }
                    var found: [(Int, Finding)] = []
                    for await finding in group { found.append(finding) }
                    return found.sorted { $0.0 < $1.0 }.map(\.1)
                }
            }
            return findings
        } catch AdministrationError.denied where !settings.database.hasAdminURL {
            return [
                .note(
                    "pool", "database.admin-url is not set: pools and relays are not looked at",
                    hint: "a node needs none; set it where operators' commands are given")
            ]
        } catch AdministrationError.denied(let message) {
            return [
                .wrong(
                    "pool", "the user of database.admin-url may not read the pools and relays: \(message)",
                    hint: "set database.admin-url to a role in gatepost_admin or gatepost_viewer")
            ]
        } catch {
            // The database has been complained of already.
            return []
        }
    }

    private static func finding(_ pool: PoolRecord, _ relays: [RelayRecord]) -> Finding {
        let active = relays.count { $0.status == "active" }
        let text = "\(pool.name): \(active) active of \(relays.count), \(pool.tenants) tenants"
        guard active == 0 else { return .ok("pool", text) }
        if pool.tenants > 0 {
            return .wrong(
                "pool", text + ": their mail waits", hint: "gatepost relay add \(pool.name) HOST:PORT")
        }
        return .note("pool", text, hint: "gatepost relay add \(pool.name) HOST:PORT")
    }

    private func probe(_ relay: RelayRecord) async -> Finding {
        let name = "\(relay.pool) \(relay.address)"
        let how = "\(relay.wire), TLS \(relay.tls)"
        if relay.port == 465, relay.wire == "smtp" {
            return .note("relay", "\(name): \(how), TLS from the first octet is not looked into")
        }
        let tls: TLSContext?
        do {
            tls = try context(relay)
        } catch {
            return .wrong("relay", "\(name): \(error)", hint: RelayRemedy.forFiles(tls: relay.tls))
        }
        // As the forwarder does it.
        let serverName = relay.serverName.isEmpty ? relay.host : relay.serverName
        let probe = Probe(host: relay.host, port: Int(relay.port), heloName: settings.submission.hostname)
        do {
            let seen = try await probe.run(tls: tls, serverName: serverName)
            var text = "\(name): \(how), answers"
            if let session = seen.session { text += " with \(session.version)" }
            if relay.wire == "smtp", seen.isGateOfOurs {
                return .wrong(
                    "relay", "\(text), is one of Gatepost's own relays and takes nothing by SMTP: mail waits",
                    hint: "`gatepost relay set \(name) --protocol lmtp --tls mutual`")
            }
            if relay.username != nil {
                if let fault = seen.loginFault {
                    return .wrong(
                        "relay", "\(text), \(fault)",
                        hint: "a delivery logs in by SCRAM-SHA-256, PLAIN or LOGIN; "
                            + "`gatepost relay set \(name) --username none` where none is asked for")
                }
                text += ", \(seen.untriedLogin)"
            } else if !seen.mechanisms.isEmpty {
                text += ", offers AUTH \(seen.mechanisms.joined(separator: " "))"
            }
            if relay.wire == "lmtp", relay.tls == "mutual", seen.mechanisms.isEmpty {
                // Where no forwarder runs there is no certificate to be known by.
                guard settings.forwarder.certificate != nil else {
                    return .note("relay", text + "; whether it knows the forwarders is for them to ask")
                }
                return .wrong(
                    "relay", "\(name): \(how), answers, and does not know the forwarder's certificate: mail waits",
                    hint:
                        "a relay of Gatepost's offers AUTH EXTERNAL to one that it knows, and denies mail to others: its "
                        + "log says why")
            }
            return relay.status == "active" ? .ok("relay", text) : .note("relay", text + "; it is draining")
        } catch {
            if relay.tls == "opportunistic", Probe.mayGoOnInTheClear(after: error),
                (try? await probe.run(tls: nil, serverName: serverName)) != nil
            {
                return .note("relay", "\(name): \(how), answers, in the clear (\(error))")
            }
            let remedy = RelayRemedy(
                member: name, wire: relay.wire, tls: relay.tls, logsIn: relay.username != nil,
                drains: relay.status != "active")
            return .wrong("relay", "\(name): \(how): \(error)", hint: remedy.hint(for: error))
        }
    }

    private func context(_ relay: RelayRecord) throws -> TLSContext? {
        switch relay.tls {
        case "none": nil
        case "opportunistic", "require": try TLSContext.client(authorities: nil)
        case "verify":
            try TLSContext.client(
                authorities: settings.forwarder.smarthostAuthorities ?? "/etc/ssl/certs/ca-certificates.crt")
        default: try settings.mutualContext()
        }
    }
}
