import Foundation
import Glibc
import Postgres
import SiteSupport
import TestSupport
import Testing

extension EndToEnd {
    /// Promise 4 at the gate, promise 5 behind it.
    @Suite struct RelayTests {
        @Test func `a stranger gets through with no trick, in the clear, over TLS, or with another authority's word`()
            async throws
        {
            let site = try await Site()
            try await site.serve("relay")
            // Another authority, with the same names in it.
            let foreign = "\(site.folder)/foreign"
            try site.gatepost("ca", "init", "--directory", foreign)
            try site.gatepost("ca", "issue", "forwarder", "--kind", "forwarder", "--directory", foreign)
            let attack = try site.run([
                "python3", Site.clients + "gate.py", "\(site.relayPort)", "\(foreign)/forwarder.pem",
                "\(foreign)/forwarder.key",
            ])
            #expect(attack.status == 0, "\(attack.standardOutput)\(attack.standardError)")
            #expect(attack.standardOutput.contains(", 0 got through"))
            // A relay's own certificate is no key to the gate either.
            let relay = try site.run([
                "python3", Site.clients + "gate.py", "\(site.relayPort)", "\(site.folder)/pki/relay.pem",
                "\(site.folder)/pki/relay.key",
            ])
            #expect(relay.status == 0, "\(relay.standardOutput)")
            #expect(site.arrived().isEmpty)
        }

        @Test func `mail waits while its relay is away, arrives when it is back, and is charged once`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme", "--daily", "100")
            let front = try await site.serve("submission")
            try await site.serve("forwarder")
            let journalFile = "\(site.folder)/journal"
            try site.client(
                "load.py", journalFile, site.ca, credential.username, credential.secretFile, "2", "20", "60",
                "news@acme.example", "\(front.port)"
            ).wait()
            let journal = Journal(journalFile)
            #expect(journal.acknowledged.count == 20)
            #expect(
                await eventually(within: .seconds(20)) {
                    site.servers[1].log.contains("no relay of pool default can be reached")
                })
            #expect(site.arrived().isEmpty)
            try await site.serve("relay")
            await site.expectArrival(of: journal)
            #expect(
                await eventually(within: .seconds(20)) {
                    (try? site.gatepost("queue", "list", "--json")) == ""
                }, "nothing is left in the queue")
            try await site.judge(journal)
            let usage = try site.gatepost("usage", "acme", "--json")
            #expect(usage.contains("\"used\":20"))
        }

        @Test func `a relay's certificate is revoked: mail waits, also where a connection was open, for its new one`()
            async throws
        {
            let site = try await Site()
            let credential = try site.tenant("acme", "--daily", "100")
            let front = try await site.serve("submission")
            let forwarder = try await site.serve("forwarder")
            let relay = try await site.serve("relay")
            func send(_ journal: String) throws -> Journal {
                let file = "\(site.folder)/\(journal)"
                try site.client(
                    "load.py", file, site.ca, credential.username, credential.secretFile, "1", "1", "60",
                    "news@acme.example", "\(front.port)"
                ).wait()
                return Journal(file)
            }
            let before = try send("before")
            await site.expectArrival(of: before)
            // The forwarder's own key is no good any more, which is no reason to believe a relay.
            let key = "\(site.folder)/pki/forwarder.key"
            let kept = readFile(key)
            try readFile("\(site.folder)/pki/relay.key").write(toFile: key, atomically: false, encoding: .utf8)
            try site.gatepost("ca", "revoke", "relay", "--reason", "key-compromise", "--yes")
            #expect(await eventually { forwarder.log.contains("with the revocation list of now") }, "\(forwarder.log)")
            let after = try send("after")
            let isCondemned = await eventually(within: .seconds(20)) {
                forwarder.log.contains("the certificate of 127.0.0.1 does not count any more")
            }
            #expect(isCondemned, "\(forwarder.log)")
            try kept.write(toFile: key, atomically: false, encoding: .utf8)
            #expect(
                await eventually(within: .seconds(20)) { forwarder.log.contains("its certificate has been revoked") },
                "\(forwarder.log)")
            #expect(site.arrived().count == 1)
            try site.gatepost("ca", "renew", "relay")
            relay.process.signal(SIGHUP)
            await site.expectArrival(of: after)
            #expect(site.arrived().count == 2)
        }

        @Test func `other authorities end the connections that those of before let in, and let no new one in`()
            async throws
        {
            let site = try await Site()
            let stranger = try await Site()
            let credential = try site.tenant("acme")
            let authorities = "\(site.folder)/authorities.pem"
            func trust(_ site: Site) throws {
                try readFile("\(site.folder)/pki/ca.pem").write(toFile: authorities, atomically: true, encoding: .utf8)
            }
            try trust(site)
            let relay = try await site.serve("relay", environment: ["GATEPOST_RELAY_AUTHORITIES=\(authorities)"])
            let front = try await site.serve("submission")
            let forwarder = try await site.serve("forwarder")
            func send() throws {
                try site.client(
                    "load.py", "\(site.folder)/journal", site.ca, credential.username, credential.secretFile, "1", "1",
                    "60", "news@acme.example", "\(front.port)"
                ).wait()
            }
            try send()
            #expect(await eventually(within: .seconds(30)) { site.arrived().count == 1 }, "\(forwarder.log)")
            try trust(stranger)
            relay.process.signal(SIGHUP)
            #expect(await relay.says("does not count any more", "otherAuthorities"), "\(relay.log)")
            try send()
            #expect(await forwarder.says("does not know this forwarder's certificate"), "\(forwarder.log)")
            #expect(site.arrived().count == 1)
            try trust(site)
            relay.process.signal(SIGHUP)
            #expect(await eventually(within: .seconds(30)) { site.arrived().count == 2 }, "\(forwarder.log)")
        }

        @Test func `a certificate is revoked while a message is being taken: it is told, and not sent again`()
            async throws
        {
            let site = try await Site()
            let credential = try site.tenant("acme")
            let front = try await site.serve("submission")
            try await site.serve("forwarder")
            let (port, journal) = (FreePort.find(), "\(site.folder)/slow")
            let hop = try site.client("slow_hop.py", "\(port)", journal, "4")
            defer {
                hop.signal(SIGKILL)
                hop.wait()
            }
            let relay = try await site.serve(
                "relay",
                environment: [
                    "GATEPOST_RELAY_ROUTE=smarthost", "GATEPOST_RELAY_SMARTHOST=127.0.0.1:\(port)",
                    "GATEPOST_RELAY_SMARTHOST_TLS=none",
                ])
            try site.client(
                "load.py", "\(site.folder)/journal", site.ca, credential.username, credential.secretFile, "1", "1",
                "60",
                "news@acme.example", "\(front.port)"
            ).wait()
            #expect(await eventually(within: .seconds(20)) { readFile(journal).contains("dot") }, "\(relay.log)")
            try site.gatepost("ca", "revoke", "forwarder", "--reason", "superseded", "--yes")
            #expect(
                await eventually(within: .seconds(3)) { relay.log.contains("does not count any more") }, "\(relay.log)")
            #expect(!readFile(journal).contains("taken"), "it was revoked too late to show anything")
            let isDelivered = try await eventually(within: .seconds(20)) {
                let row = try await site.sql.query(
                    "SELECT attempts FROM gatepost.recipient WHERE state = 'delivered' AND domain <> 'acme.example'"
                ).first
                return try row?.int64("attempts") == 1
            }
            #expect(isDelivered, "\(relay.log)")
            #expect(readFile(journal) == "dot\ntaken\n")
        }

        @Test func `a relay is killed in mid-load: what it had not answered for arrives by the other`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme", "--daily", "unlimited", "--sessions", "100")
            let second = FreePort.find()
            try site.gatepost("relay", "add", "default", "127.0.0.1:\(second)", "--weight", "3")
            let front = try await site.serve("submission")
            try await site.serve("forwarder")
            let victim = try await site.serve("relay")
            try await site.serve("relay", environment: ["GATEPOST_RELAY_LISTEN=127.0.0.1:\(second)"])
            let journalFile = "\(site.folder)/journal"
            let load = try site.client(
                "load.py", journalFile, site.ca, credential.username, credential.secretFile, "8", "600", "60",
                "news@acme.example", "\(front.port)")
            #expect(await eventually(within: .seconds(30)) { site.arrived().count > 100 })
            victim.process.signal(SIGKILL)
            victim.process.wait()
            load.wait()
            let journal = Journal(journalFile)
            #expect(journal.acknowledged.count == 600)
            await site.expectArrival(of: journal)
            try await site.judge(journal)
        }
    }
}
