import Foundation
import Postgres
import TestSupport
import Testing

@testable import gatepost

/// How credentials, tenants, pools and domains come, change and go, by the built binary.
@Suite(.timeLimit(.minutes(10))) struct `Commands that change lives` {
    typealias Office = `An operator's commands`.Office

    @Test func `rotate a credential: two secrets for a time, one cap, each with its use`() async throws {
        let office = try await Office()
        _ = try office.json("tenant create acme")
        let issued = try office.json("credential issue acme --daily 10")
        let name = try #require(issued["username"] as? String)
        let rotated = try office.json("credential rotate \(name) --grace 72h")
        #expect(rotated["username"] as? String == "\(name).2")
        #expect((rotated["secret"] as? String)?.hasPrefix("gp_") == true)
        #expect(rotated["secret"] as? String != issued["secret"] as? String)
        let third = try office.json("credential rotate \(name) --now --yes")
        #expect(third["username"] as? String == "\(name).3")
        let shown = try office.json("credential show \(name)")
        let logins = try #require(shown["logins"] as? [[String: Any]])
        #expect(logins.map { $0["login"] as? String } == [name, "\(name).2", "\(name).3"])
        #expect(logins.map { $0["state"] as? String } == ["ended", "ended", "valid"])
        #expect(shown["daily"] as? Int == 10 && shown["used_today"] as? Int == 0)
        // No secret and no verifier is in what is shown, or in the audit.
        for line in ["credential show \(name)", "credential show \(name) --json", "audit list", "audit list --json"] {
            let output = try office.run(line).output
            for secret in [issued, rotated, third].compactMap({ $0["secret"] as? String }) {
                #expect(!output.contains(secret))
            }
            #expect(!output.contains("SCRAM"))
        }
        #expect(try office.run("credential rotate \(name) --now").status == 64, "without a terminal it names --yes")
        #expect(try office.run("credential revoke \(name) --yes").status == 0)
        let refused = try office.run("credential rotate \(name)")
        #expect(refused.status == 1 && refused.errors.contains("revoked"))
    }

    @Test func `set a tenant's limits, and say what was set, proposed caps apart from those in force`() async throws {
        let office = try await Office()
        let usual = "daily 300, monthly unlimited, rate unlimited, sessions 50, pool default"
        #expect(
            try office.run("tenant create acme --daily 300 --policy reject").output
                == "tenant acme created: \(usual), policy reject\n")
        for (line, said) in [
            ("--shadow-daily 200", "changed: \(usual); proposed: daily 200"),
            ("--shadow-daily 200", "unchanged: \(usual); proposed: daily 200"),
            (
                "--shadow-bytes-daily 3MiB --message-size 1MiB",
                "changed: \(usual), message_size 1MiB; proposed: daily 200, bytes_daily 3MiB"
            ),
            ("--shadow-daily none", "changed: \(usual); proposed: daily none, bytes_daily 3MiB"),
            ("--time-zone Europe/Brussels", "changed: \(usual), time zone Europe/Brussels; proposed: bytes_daily 3MiB"),
        ] {
            #expect(try office.run("tenant set acme \(line)").output == "tenant acme \(said)\n", "\(line)")
        }
        let answered = try office.json("tenant set acme --shadow-monthly 4000")
        #expect(answered["daily"] as? Int == 300 && answered["monthly"] is NSNull)
        #expect(answered["shadow_monthly"] as? Int == 4000 && answered["shadow_daily"] is NSNull)
        #expect(answered["shadow_bytes_daily"] as? Int == 3 << 20)
    }

    @Test func `delete a tenant with what waits, keep its name and its ledger`() async throws {
        let office = try await Office()
        _ = try office.json("tenant create acme")
        _ = try office.json("domain add acme acme.example --trust")
        let issued = try office.json("credential issue acme")
        let name = try #require(issued["username"] as? String)
        let operation = office.database.connection()
        try await operation.query(
            """
            SELECT verdict FROM gatepost.login l, LATERAL ledger.accept(gen_random_uuid(), NULL,
                ARRAY[gatepost.uuid_new(clock_timestamp())], ARRAY[l.tenant_id], ARRAY[l.credential_id], ARRAY[l.id],
                '{a@acme.example}', '{acme.example}', '{acme.example}', '{hi}', '{2}', '{NULL}', '{NULL}', '{NULL}',
                '{NULL}', '{1,1,1}', '{b@x.example,c@x.example,d@x.example}', '{x.example,x.example,x.example}')
            WHERE l.name = $1
            """, [.text(name)])
        let asked = try office.run("tenant delete acme")
        #expect(asked.status == 64 && asked.errors.contains("--yes"))
        #expect(try office.json("tenant show acme")["status"] as? String == "active")
        let deleted = try office.json("tenant delete acme --yes")
        #expect(deleted["cancelled"] as? Int == 3 && deleted["credentials_revoked"] as? Int == 1)
        let again = try office.json("tenant delete acme --yes")
        #expect(again["changed"] as? Bool == false && again["cancelled"] as? Int == 0)
        let row = try await operation.query(
            """
            SELECT (SELECT sum(recipients) FROM gatepost.ledger)::bigint AS ledger,
                   (SELECT sum(recipients) FROM gatepost.usage WHERE credential_id = 0 AND period = 'day')::bigint AS used,
                   (SELECT count(*) FROM gatepost.recipient WHERE state = 'cancelled') AS cancelled,
                   (SELECT count(*) FROM gatepost.ledger) AS entries,
                   (SELECT count(*) FROM gatepost.event WHERE kind = 'cancelled') AS events
            """)[0]
        #expect(try row.int64("ledger") == 0 && row.int64("used") == 0)
        #expect(try row.int64("cancelled") == 3 && row.int64("entries") == 2 && row.int64("events") == 3)
        #expect(try office.run("tenant create acme").status == 1, "the name stays taken")
        let shown = try office.run("tenant show acme").output
        #expect(shown.contains("gone") && !shown.contains("goes on"), "\(shown)")
        #expect(try !office.lines("tenant list").contains { $0["tenant"] as? String == "acme" })
        #expect(try office.run("tenant delete nobody --yes").status == 1)
        let usage = try office.run("usage acme")
        #expect(
            usage.status == 1 && usage.errors.contains("hint: `gatepost tenant export acme` has"), "\(usage.errors)")
        #expect(try office.run("tenant export acme").output.contains(#""usage":["#))
        let audit = try office.lines("audit list --tenant acme")
        #expect(audit.map { $0["action"] as? String }.prefix(2) == ["tenant purge", "tenant delete"])
        #expect(try office.lines("audit list --limit 1").count == 1)
        #expect(try office.lines("audit list --since 2099-01-01").isEmpty)
    }

    @Test func `let go of a pool only when nobody uses it, and say who does`() async throws {
        let office = try await Office()
        _ = try office.json("pool create eu")
        _ = try office.json("tenant create acme --pool eu")
        _ = try office.json("relay add eu 127.0.0.1:2525")
        var refused = try office.run("pool delete eu --yes")
        #expect(refused.status == 1 && refused.errors.contains("acme"))
        _ = try office.json("tenant set acme --pool default")
        refused = try office.run("pool delete eu --yes")
        #expect(refused.status == 1 && refused.errors.contains("127.0.0.1:2525"))
        let shown = try office.json("pool show eu")
        #expect((shown["members"] as? [Any])?.count == 1 && (shown["tenants"] as? [Any])?.isEmpty == true)
        _ = try office.json("tenant create gone --pool eu")
        _ = try office.json("tenant delete gone --yes")
        #expect(try office.run("relay remove eu 127.0.0.1:2525 --yes").status == 0)
        #expect(try office.run("pool delete eu").status == 64)
        #expect(try office.json("pool delete eu --yes")["deleted"] as? Bool == true)
        #expect(try office.run("pool delete eu --yes").status == 1)
        #expect(try office.run("pool delete default --yes").status == 1)
        #expect(try office.run("pool show eu").status == 1)
    }

    @Test func `give a smarthost everything it needs, and never show its password`() async throws {
        let office = try await Office()
        let line = "relay add default smtp.example.net:587 --protocol smtp --username u@example --password-file -"
        let added = try office.run(
            line + " --connections 3 --server-name mx.example.net --json", input: "s3cr3t-word\n")
        #expect(added.status == 0, "\(added.errors)")
        for words in ["relay list", "relay list --json", "pool show default --json", "audit list --json"] {
            #expect(try !office.run(words).output.contains("s3cr3t"))
        }
        #expect(!added.output.contains("s3cr3t"))
        let node = office.database.connection(as: .node)
        let member = try await node.query("SELECT * FROM ledger.pools()")[0]
        #expect(try member.string("secret") == "s3cr3t-word" && member.string("username") == "u@example")
        #expect(try member.string("tls") == "verify" && member.int64("connections") == 3)
        #expect(try member.string("server_name") == "mx.example.net")

        #expect(try office.run("relay drain default smtp.example.net:587").status == 0)
        let set = try office.json("relay set default smtp.example.net:587 --weight 7 --undrain --connections default")
        #expect(set["weight"] as? Int == 7 && set["status"] as? String == "active")
        #expect(set["connections"] is NSNull && set["username"] as? String == "u@example")
        let clear = try office.run("relay set default smtp.example.net:587 --tls none")
        #expect(clear.status == 64 && clear.errors.contains("TLS"))
        #expect(
            try office.json("relay set default smtp.example.net:587 --username none --tls none")["tls"] as? String
                == "none")
        #expect(try office.run("relay set default nobody.example:25 --weight 2").status == 1)
    }

    @Test func `verify a domain by what each of its own servers says`() async throws {
        let office = try await Office()
        let port = FreePort.find()
        _ = try office.json("tenant create acme")
        let added = try office.run("domain add acme acme.example")
        #expect(added.status == 0 && added.errors.contains("_gatepost.acme.example. TXT \"gatepost-verify="))
        let token = try #require(try office.lines("domain list acme").first?["token"] as? String)
        var environment = office.environment
        environment["GATEPOST_DNS_SERVERS"] = "127.0.0.1:\(port)"
        environment["GATEPOST_DNS_PORT"] = "\(port)"
        func verify(_ more: String...) throws -> Run {
            try Run(["domain", "verify", "acme", "acme.example"] + more, environment: environment)
        }
        let head = """
            @ 60 IN SOA ns1 hostmaster 1 60 60 60 60
            @ 60 IN NS ns1
            ns1 60 IN A 127.0.0.1

            """
        let wrong = try NameServerProcess("127.0.0.1", port, head + "_gatepost 60 IN TXT \"gatepost-verify=other\"\n")
        #expect(try await eventually { try verify().output.contains("gatepost-verify=other") }, "\(wrong.log)")
        let differs = try verify()
        #expect(differs.status == 2)
        #expect(differs.output.contains("ns1.acme.example") && differs.output.contains("gatepost-verify=\(token)"))
        #expect(differs.errors.contains("publish _gatepost.acme.example. TXT"))
        #expect(try office.lines("domain list acme").first?["verified"] as? Bool == false)
        wrong.stop()
        let right = try NameServerProcess(
            "127.0.0.1", port, head + "_gatepost 60 IN TXT \"gatepost-verify=\(token)\"\n")
        defer { right.stop() }
        #expect(try await eventually { try verify().status == 0 }, "\(right.log)")
        #expect(
            try verify("--json").output.contains("\"verified\": true")
                || verify("--json").output.contains("\"verified\":true"))
        let listed = try #require(try office.lines("domain list acme").first)
        #expect(listed["verified"] as? Bool == true)
        #expect(try office.run("domain verify acme other.example").status == 1)
    }

    @Test func `take a domain as people write it`() async throws {
        let office = try await Office()
        _ = try office.json("tenant create acme")
        #expect(
            try office.json("domain add acme BÜCHER.example --trust")["domain"] as? String
                == "xn--bcher-kva.example")
        #expect(try office.run("domain remove acme bücher.example --yes").status == 0)
    }

    @Test func `retry and cancel one recipient of a message`() async throws {
        let office = try await Office()
        _ = try office.json("tenant create acme")
        _ = try office.json("domain add acme acme.example --trust")
        let name = try #require(try office.json("credential issue acme")["username"] as? String)
        let operation = office.database.connection()
        let id = try await operation.query(
            """
            SELECT queue_id::text AS id FROM gatepost.login l, LATERAL ledger.accept(gen_random_uuid(), NULL,
                ARRAY[gatepost.uuid_new(clock_timestamp())], ARRAY[l.tenant_id], ARRAY[l.credential_id], ARRAY[l.id],
                '{a@acme.example}', '{acme.example}', '{acme.example}', '{hi}', '{2}', '{NULL}', '{NULL}', '{NULL}',
                '{NULL}', '{1,1}', '{b@x.example,c@x.example}', '{x.example,x.example}')
            WHERE l.name = $1
            """, [.text(name)])[0].string("id")
        try await operation.script(
            "UPDATE gatepost.recipient SET state = 'deferred', next_attempt = clock_timestamp() + interval '4 hours'")
        let retried = try office.json("queue retry \(id) b@x.example")
        #expect(retried["due"] as? Int == 1 && retried["final"] as? Int == 0)
        let due = try await operation.query(
            "SELECT number FROM gatepost.recipient WHERE next_attempt <= clock_timestamp()")
        #expect(try due.map { try $0.int64("number") } == [1])
        let cancelled = try office.json("queue cancel \(id) 2 --yes")
        #expect(cancelled["cancelled"] as? Int == 1)
        #expect(try office.json("usage acme")["used"] as? Int == 1)
        #expect(try office.json("queue retry \(id)")["final"] as? Int == 1)
        let stranger = try office.run("queue cancel \(id) nobody@x.example --yes")
        #expect(stranger.status == 1 && stranger.errors.contains("queue show"))
    }
}
