import ArgumentParser
import Foundation
import Postgres
import TestSupport
import Testing

@testable import gatepost

/// `explain`, `event`, `usage` and `limits` over what the database's own functions wrote.
@Suite struct `Commands for seeing` {
    typealias Office = `An operator's commands`.Office

    /// A tenant with a domain and a credential; its name.
    private func customer(_ office: Office, _ limits: String = "--daily 5") throws -> String {
        _ = try office.run("tenant create acme \(limits)")
        _ = try office.run("domain add acme acme.example --trust")
        return try #require(try office.json("credential issue acme")["username"] as? String)
    }

    /// What accept says to a message as the credential sends it; its id.
    @discardableResult
    private func accept(
        _ office: Office, _ username: String, recipients: Int = 1, from: String = "acme.example",
        session: MessageID? = nil
    ) async throws -> (id: MessageID, verdict: String) {
        let id = MessageID(at: .now)
        let login = try #require(
            try await office.database.connection(as: .node).query("SELECT * FROM ledger.login($1)", [.text(username)])
                .first)
        let row = try await office.database.connection(as: .node).query(
            """
            SELECT verdict FROM ledger.accept($1, NULL, ARRAY[$2], ARRAY[$3], ARRAY[$4], ARRAY[$5],
                ARRAY['a@acme.example'], ARRAY['acme.example'], ARRAY[$6], ARRAY['x'::bytea], ARRAY[1000::bigint],
                ARRAY[NULL::bytea], ARRAY['192.0.2.1'], ARRAY[NULL::bytea], ARRAY[NULL::text], $7, $8, $9)
            """,
            [
                .uuid(MessageID(at: .now)), .uuid(id), .int64(try login.int64("tenant_id")),
                .int64(try login.int64("credential_id")), .int64(try login.int64("login_id")), .text(from),
                .int32Array((0..<recipients).map { _ in 1 }),
                .textArray((0..<recipients).map { "r\($0)@example.net" }),
                .textArray((0..<recipients).map { _ in "example.net" }),
            ]
        ).first
        return (id, try row?.string("verdict") ?? "")
    }

    /// Events as accept and settle write them.
    private func event(
        _ office: Office, _ kind: String, of message: MessageID?, session: MessageID? = nil, detail: String? = nil,
        reply: String? = nil
    ) async throws {
        try await office.database.connection().query(
            """
            INSERT INTO gatepost.event (tenant_id, id, at, kind, message_id, session, detail, number, reply_code,
                                        reply_enhanced, reply)
            SELECT t.id, gatepost.uuid_new(clock_timestamp()), clock_timestamp(), $1, $2, $3, $4::text::jsonb,
                   CASE WHEN $5 IS NOT NULL THEN 1 END, CASE WHEN $5 IS NOT NULL THEN 450 END,
                   CASE WHEN $5 IS NOT NULL THEN '4.2.0' END, convert_to($5, 'UTF8')
            FROM gatepost.tenant t WHERE t.slug = 'acme'
            """,
            [.text(kind), .optional(message), .optional(session), .optional(detail), .optional(reply)])
    }

    @Test func `explain gives every rule, the exact reply and what helps, and does nothing`() async throws {
        let office = try await Office()
        let username = try customer(office)
        try await accept(office, username, recipients: 4)
        let line = "explain --credential \(username) --ip 192.0.2.1 --from a@acme.example --to"
        let passes = try office.json("\(line) b@example.net")
        #expect(
            passes["passes"] as? Bool == true && passes["reply"] is NSNull && passes["ledger"] as? String == "accepted")
        let rules = try #require(passes["rules"] as? [[String: Any]])
        #expect(
            rules.map { $0["stage"] as? String ?? "" }.reduce(into: []) { if $0.last != $1 { $0.append($1) } } == [
                "AUTH", "MAIL", "RCPT", "DATA",
            ])
        #expect(rules.contains { $0["rule"] as? String == "daily" && $0["stands"] as? String == "4 used, 1 wanted" })

        let refused = try office.json("\(line) b@example.net c@example.net --size 1000")
        #expect(refused["passes"] as? Bool == false && refused["refused_at"] as? String == "RCPT")
        #expect(refused["ledger"] as? String == "cap_daily")
        let reply = try #require(refused["reply"] as? String)
        #expect(reply.hasPrefix("450 4.7.1 Daily cap of 5 recipients reached (4 used); resets 20"), "\(reply)")
        #expect(refused["hint"] as? String == "gatepost tenant set acme --daily 6")
        let text = try office.run("\(line) b@example.net c@example.net").output
        #expect(text.contains(reply) && text.contains("refused at RCPT by daily"))

        #expect(try office.json("usage acme")["used"] as? Int == 4, "nothing was charged")
        #expect(try office.lines("queue list").count == 1, "nothing was stored")
        #expect(try office.run("tenant set acme --daily 6").status == 0)
        #expect(try office.json("\(line) b@example.net c@example.net")["passes"] as? Bool == true, "the hint helps")
    }

    @Test func `explain answers at the stage where a session meets the rule`() async throws {
        let office = try await Office()
        let username = try customer(office)
        let line = "explain --credential \(username) --from a@acme.example --to b@example.net"
        func answer(_ line: String) throws -> [String?] {
            let json = try office.json(line)
            return ["refused_at", "rule", "reply"].map { json[$0] as? String }
        }
        #expect(
            try answer("explain --credential acme.nobody --from a@acme.example --to b@example.net") == [
                "AUTH", "username", "535 5.7.8 Authentication credentials invalid.",
            ])
        #expect(
            try answer("explain --credential \(username) --from a@other.example --to b@example.net") == [
                "MAIL", "sender_domain",
                "550 5.7.1 The envelope sender names other.example, which is not a sender domain of this account; "
                    + "ask the operator to add it.",
            ])
        #expect(
            try answer("\(line) --size 30MiB") == [
                "MAIL", "message_size", "552 5.3.4 Message size exceeds the limit of 26214400 octets",
            ])
        #expect(
            try answer("\(line) --header-from a@other.example") == [
                "DATA", "from_domain",
                "550 5.7.1 The From field names other.example, which is not a sender domain of this account; "
                    + "ask the operator to add it.",
            ])
        let shouted = line.replacing(username, with: username.uppercased())
        #expect(try answer(shouted) == answer(line), "in upper case, as clients may give it")
        #expect(try office.json("credential show \(username.uppercased())")["credential"] as? String == username)
        #expect(try office.run("credential show \u{212a}.a").status == 64, "the Kelvin sign is no k")
        _ = try office.run("tenant suspend acme --reason \u{fc}berf\u{e4}llig --yes")
        #expect(
            try answer(line) == [
                "AUTH", "tenant_status", #"525 5.7.13 This account is suspended: \xc3\xbcberf\xc3\xa4llig."#,
            ])
        _ = try office.run("tenant resume acme")
        _ = try office.run("credential revoke \(username) --yes")
        #expect(try answer(line).prefix(2) == ["AUTH", "credential_revoked"])
    }

    @Test func `explain tells a message's story, and safely`() async throws {
        let office = try await Office()
        let username = try customer(office)
        let (id, verdict) = try await accept(office, username, recipients: 2)
        #expect(verdict == "accepted")
        let session = MessageID(at: .now)
        try await event(office, "accepted", of: id, session: session)
        try await event(office, "deferred", of: id, reply: "try \u{1b}[2J\u{202e}later")
        let story = try office.json("explain \(id)")
        #expect(story["tenant"] as? String == "acme" && story["credential"] as? String == username)
        #expect(story["session"] as? String == session.description)
        let charges = try #require(story["charges"] as? [[String: Any]])
        #expect(charges.first?["recipients"] as? Int == 2 && charges.first?["day_used"] as? Int == 2)
        let kinds = (story["events"] as? [[String: Any]])?.compactMap { $0["kind"] as? String } ?? []
        #expect(kinds.contains("accepted") && kinds.contains("deferred"))
        let text = try office.run("explain \(id)").output
        #expect(text.contains("450 4.2.0 try \\x1b[2J\\u{202e}later") && !text.contains("\u{1b}"))
        #expect(text.contains("charged"))
        #expect(text.contains("the day then stood at 2 of 5, the credential's at 2 (unlimited)"), "\(text)")
        let ofSession = try office.json("explain --session \(session)")
        #expect((ofSession["events"] as? [[String: Any]])?.count == 1)
        #expect(try office.run("explain --session \(session)").output.contains(id.description))

        // Its time is over: the message goes first, then the events; the ledger stays.
        try await office.database.connection().script(
            "DELETE FROM gatepost.body; DELETE FROM gatepost.recipient; DELETE FROM gatepost.message")
        let later = try office.json("explain \(id)")
        #expect(later["message"] is NSNull && (later["events"] as? [[String: Any]])?.isEmpty == false)
        #expect((later["not_known"] as? [String])?.contains { $0.contains("no longer stored") } == true)
        try await office.database.connection().script("DELETE FROM gatepost.event")
        let last = try office.json("explain \(id)")
        #expect(last["tenant"] as? String == "acme")
        #expect((last["charges"] as? [[String: Any]])?.count == 1)
        #expect(try office.run("explain \(id)").output.contains("note: its events are gone"))
        let nothing = try office.run("explain \(MessageID(at: .now))")
        #expect(nothing.status == 1 && nothing.errors.contains("nothing is known of"))
        #expect(nothing.errors.contains("of refusals before AUTH 40 a second and node at most are written down"))
    }

    @Test func `explain and event list say of a bounce by a 4xx that time ran out`() async throws {
        let office = try await Office()
        let (id, _) = try await accept(office, try customer(office))
        try await event(office, "deferred", of: id, reply: "grey")
        try await event(office, "bounced", of: id, reply: "grey")
        for command in ["explain \(id)", "event list --message \(id)"] {
            let text = try office.run(command).output
            #expect(text.components(separatedBy: "450 4.2.0 grey").count == 3, "\(text)")
            #expect(
                text.components(
                    separatedBy: "time had run out (forwarder.expire-after); the last reply: 450 4.2.0 grey"
                ).count == 2, "\(text)")
        }
    }

    @Test func `explain makes a refusal's reply again from its event`() async throws {
        let office = try await Office()
        _ = try customer(office)
        let id = MessageID(at: .now)
        try await event(
            office, "refused", of: id,
            detail: """
                {"verdict": "cap_daily", "limit_name": "daily", "cap": 5, "used": 5, "policy": "defer",
                 "resets_text": "2026-11-29T00:00:00+01:00", "sender": "a@acme.example", "recipients": 1}
                """)
        let story = try office.json("explain \(id)")
        #expect(
            story["reply"] as? String
                == "450 4.7.1 Daily cap of 5 recipients reached (5 used); resets 2026-11-29T00:00:00+01:00.")
        #expect(story["refused"] as? Bool == true && story["hint"] as? String == "gatepost usage acme")
    }

    @Test(
        arguments: [
            (#"{"verdict": "cap_credential_daily", "limit_name": "credential_daily"}"#, "credential show acme.k7m2q9"),
            (#"{"limit": "daily", "by": "node"}"#, "usage acme"),
            (#"{"limit": "recipients_per_message"}"#, "tenant set acme --recipients-per-message N"),
            (#"{"verdict": "from_domain", "detail": "other.example"}"#, "domain add acme other.example"),
            (#"{"limit": "sender_domain"}"#, "domain add acme shop.example"),
            (#"{"limit": "sender_address"}"#, "credential show acme.k7m2q9"),
            (#"{"verdict": "from_domain", "detail": "a;b.example"}"#, "domain add acme shop.example"),
            (
                #"{"verdict": "suppressed", "detail": "b@remote.example: bounced"}"#,
                "suppression remove acme b@remote.example"
            ),
            (#"{"verdict": "tenant_suspended", "detail": "unpaid"}"#, "tenant resume acme"),
            (#"{"limit": "credential_suspended"}"#, "credential resume acme.k7m2q9"),
            (#"{"limit": "mechanisms"}"#, "credential show acme.k7m2q9"),
            (#"{"limit": "credential_expired"}"#, "credential set acme.k7m2q9 --expires never"),
            (#"{"limit": "null_sender"}"#, "tenant set acme --null-sender on"),
            (#"{"limit": "foreign_names"}"#, "tenant set acme --foreign-names on"),
            (#"{"limit": "networks", "client": "192.0.2.1"}"#, "credential show acme.k7m2q9"),
            (#"{"stage": "DATA", "by": "node"}"#, nil),
        ] as [(String, String?)])
    func `a refusal's hint is of the rule that refused`(detail: String, command: String?) throws {
        let hint = RefusalHint.command(
            for: try #require(JSON(parsing: detail)),
            reply: "550 5.7.1 The envelope sender names shop.example, which is not a sender domain of this account; "
                + "ask the operator to add it.", tenant: "acme", credential: "acme.k7m2q9")
        #expect(hint == command.map { "gatepost " + $0 })
        if let command, !command.contains(where: \.isUppercase) {
            #expect(throws: Never.self) {
                _ = try Gatepost.parseAsRoot(command.split(separator: " ").map(String.init))
            }
        }
    }

    @Test func `event list and tail give what is asked for, and a place to go on from`() async throws {
        let office = try await Office()
        _ = try customer(office)
        let (one, two) = (MessageID(at: .now), MessageID(at: .now))
        try await event(office, "would_refuse", of: one, detail: #"{"limit_name": "daily", "cap": 3}"#)
        try await event(office, "deferred", of: two, reply: "busy")
        #expect(
            try office.lines("event list --tenant acme --kind would_refuse").map { $0["message"] as? String } == [
                one.description
            ])
        #expect(try office.lines("event list --message \(two)").map { $0["kind"] as? String } == ["deferred"])
        #expect(try office.lines("event list --since 1h --limit 1").count == 1)
        #expect(try office.lines("event list --until 2020-01-01").isEmpty)
        for form in ["", " --json"] {
            for list in ["event list --tenant acme", "audit list --tenant acme"] {
                let some = try office.run("\(list) --limit 1\(form)")
                #expect(some.status == 0 && some.errors == "note: the newest 1; --limit N shows more\n", "\(some)")
                let all = try office.lines(list).count
                #expect(try office.run("\(list) --limit \(all)\(form)").errors == "", "all \(all) of them")
            }
        }
        #expect(try office.run("event list --message \(two)").output.contains("450 4.2.0 busy"))
        try await event(
            office, "unreadable", of: two, detail: #"{"reason": "the address of recipient 1 cannot be read"}"#)
        for line in ["event list --tenant acme --kind unreadable", "explain \(two)"] {
            #expect(try office.run(line).output.contains("the address of recipient 1 cannot be read"), "\(line)")
        }
        #expect(try office.run("event list --tenant nobody").status == 1)

        let begin = "0:00000000-0000-0000-0000-000000000000"
        // (Another test's open transaction holds readers back for a moment.)
        let isThere = try await eventually {
            try office.run("event tail --json --once --kind deferred --after \(begin)").output.contains(two.description)
        }
        #expect(isThere)
        let run = try office.run("event tail --json --once --after \(begin)")
        #expect(run.status == 0)
        let lines = run.output.split(separator: "\n").compactMap {
            try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        }
        #expect(lines.count >= 2)
        let position = try #require(run.errors.split(separator: "\n").last?.split(separator: " ").last.map(String.init))
        #expect(lines.last?["position"] as? String == position)
        #expect(try office.run("event tail --json --once --after \(position)").output == "")
        #expect(try office.run("event tail --once").errors.hasPrefix("position "))
    }

    @Test func `usage has a history, by day, credential and domain, and everybody's day`() async throws {
        let office = try await Office()
        let username = try customer(office)
        try await accept(office, username, recipients: 3)
        let day = try #require(try office.lines("usage acme --by day").first)
        #expect(day["recipients"] as? Int == 3 && day["cap"] as? Int == 5 && day["delivered"] as? Int == 0)
        #expect(try office.run("usage acme --by day").output.contains("██████░░░░"))
        #expect(try office.lines("usage acme --by month").first?["recipients"] as? Int == 3)
        #expect(try office.lines("usage acme --by-credential").first?["credential"] as? String == username)
        #expect(try office.lines("usage acme --credential \(username) --since 7d").count == 1)
        #expect(try office.lines("usage acme --since 2020-01-01 --until 2020-02-01").isEmpty)
        #expect(try office.lines("usage").first?["month_used"] as? Int == 3)
        #expect(try office.run("usage --by day").status == 64)
        #expect(try office.run("usage acme --since yesterday").status == 64)
        #expect(try office.run("usage nobody").status == 1)
    }

    @Test func `usage verify ends with 2 where a counter is not the ledger's sum`() async throws {
        let office = try await Office()
        let username = try customer(office)
        try await accept(office, username, recipients: 3)
        let good = try office.run("usage verify --tenant acme")
        #expect(good.status == 0 && good.output.contains("are the sums of the ledger"), "\(good.output)\(good.errors)")
        try await office.database.connection().script(
            "UPDATE gatepost.usage SET recipients = 7 WHERE credential_id = 0 AND period = 'day'")
        let bad = try office.run("usage verify")
        #expect(bad.status == 2)
        #expect(bad.output.contains("recipients: the counter says 7, the ledger 3"), "\(bad.output)")
        let line = try office.run("usage verify --tenant acme --json")
        #expect(line.status == 2 && line.output.contains(#""counter":7,"ledger":3"#), "\(line.output)")
        for days in ["--since 2026-02-01 --until 2026-01-01", "--since 2999-01-01", "--until 2020-01-01"] {
            let nothing = try office.run("usage verify \(days)")
            #expect(nothing.status == 64 && nothing.output == "", "\(days): \(nothing.output)\(nothing.errors)")
        }
    }

    @Test func `explain knows what a credential may not do`() async throws {
        let office = try await Office()
        let username = try customer(office)
        let line = "explain --credential \(username) --from a@acme.example --to b@example.net"
        func reply(_ line: String) throws -> String { try office.json(line)["reply"] as? String ?? "" }
        _ = try office.run("credential set \(username) --mechanism SCRAM-SHA-256 --sender shop@acme.example")
        #expect(
            try reply(line + " --mechanism PLAIN")
                == "534 5.7.9 This credential may not log in by PLAIN; it may by SCRAM-SHA-256.")
        #expect(
            try reply(line + " --mechanism SCRAM-SHA-256-PLUS")
                == "550 5.7.1 This credential may not send as a@acme.example; ask the operator to allow it.")
        let shop = "explain --credential \(username) --from shop@acme.example --to b@example.net"
        #expect(try office.json(shop)["passes"] as? Bool == true)
        #expect(try office.json(shop + " --header-from a@acme.example")["refused_at"] as? String == "DATA")
        _ = try office.run("credential suspend \(username) --reason unpaid")
        #expect(try reply(shop) == "525 5.7.13 This credential is suspended: unpaid.")
    }

    @Test func `check says wrong of an operator's role that may read nothing`() async throws {
        let office = try await Office()
        var environment = office.environment
        environment["GATEPOST_DATABASE_ADMIN_URL"] = office.database.url(as: .node)
        let run = try Run(["check", "--skip-relays"], environment: environment)
        #expect(run.status == 2)
        #expect(
            run.output.contains("the user of database.admin-url may not read the pools and relays: permission denied"))
        #expect(run.output.contains("hint: set database.admin-url to a role in gatepost_admin or gatepost_viewer"))
        #expect(!(try office.run("check --skip-relays").output.contains("may not read the pools")))
        // A node needs none.
        environment["GATEPOST_DATABASE_ADMIN_URL"] = nil
        environment["GATEPOST_DATABASE_URL"] = office.database.url(as: .node)
        let node = try Run(["check", "--skip-relays"], environment: environment)
        #expect(node.output.contains("database.admin-url is not set: pools and relays are not looked at"), "\(node)")
        #expect(!node.output.contains("wrong  pool"), "\(node)")
    }

    @Test func `limits replay says what a cap would have refused`() async throws {
        let office = try await Office()
        let username = try customer(office, "--daily unlimited")
        var ids: [String] = []
        for recipients in [4, 3, 2, 1] {
            ids.append("\(try await accept(office, username, recipients: recipients).id)")
        }
        let lines = try office.lines("limits replay --tenant acme --daily 6 --since 1h")
        #expect(lines.filter { $0["kind"] as? String == "message" }.map { $0["id"] as? String } == [ids[1], ids[3]])
        let total = try #require(lines.last)
        #expect(total["refused_messages"] as? Int == 2 && total["refused_recipients"] as? Int == 4)
        #expect(total["recipients"] as? Int == 10)
        let text = try office.run("limits replay --tenant acme --daily 6 --since 1h --days-only").output
        #expect(text.contains("2 of 4 messages, 4 of 10 recipients would have been refused"))
        #expect(try office.run("limits replay --tenant acme --since 1h").status == 64, "a cap must be given")
    }
}
