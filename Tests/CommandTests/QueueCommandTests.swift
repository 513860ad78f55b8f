import Foundation
import Postgres
import TestSupport
import Testing

@testable import gatepost

/// `queue` and `usage` over messages that the database's own accept stored.
@Suite struct `The queue's commands` {
    private func accept(
        _ database: PrivateDatabase, _ username: String, id: MessageID, recipients: [String]
    ) async throws {
        let login = try #require(
            try await database.connection(as: .node).query("SELECT * FROM ledger.login($1)", [.text(username)]).first)
        let domains = recipients.map { String($0.drop { $0 != "@" }.dropFirst()) }
        let answer = try await database.connection(as: .node).query(
            """
            SELECT verdict FROM ledger.accept($1, NULL, ARRAY[$2], ARRAY[$3], ARRAY[$4], ARRAY[$5],
                ARRAY['a@acme.example'], ARRAY['acme.example'], ARRAY['acme.example'], ARRAY[$6], ARRAY[12::bigint],
                ARRAY[NULL::bytea], ARRAY['192.0.2.1'], ARRAY[$7], ARRAY[NULL::text],
                $8, $9, $10)
            """,
            [
                .uuid(MessageID(at: .now)), .uuid(id), .int64(try login.int64("tenant_id")),
                .int64(try login.int64("credential_id")), .int64(try login.int64("login_id")),
                .bytes(Array("Subject: x\r\n".utf8)), .bytes([0x1B, 0x5B, 0x32, 0x4A]),
                .int32Array(recipients.map { _ in 1 }), .textArray(recipients), .textArray(domains),
            ])
        #expect(try answer.first?.string("verdict") == "accepted")
    }

    @Test func `list, show and cancel what was accepted`() async throws {
        let office = try await `An operator's commands`.Office()
        _ = try office.run("tenant create acme --daily 10")
        _ = try office.run("domain add acme acme.example --trust")
        let username = try #require(try office.json("credential issue acme")["username"] as? String)
        let id = MessageID(at: .now)
        try await accept(office.database, username, id: id, recipients: ["b@example.net", "\"c\u{7f}\"@example.net"])

        let listed = try #require(try office.lines("queue list").first)
        #expect(listed["id"] as? String == id.description && listed["tenant"] as? String == "acme")
        #expect(listed["state"] as? String == "queued" && listed["recipients"] as? Int == 2)
        #expect(try office.json("usage acme")["used"] as? Int == 2)
        #expect(try office.run("usage acme").output.contains("██░░░░░░░░"))

        let shown = try office.json("queue show \(id)")
        #expect((shown["recipients"] as? [[String: Any]])?.map { $0["state"] as? String } == ["queued", "queued"])
        let text = try office.run("queue show \(id)").output
        #expect(text.contains(#"\x1b[2J"#) && text.contains(#"\x7f"#))
        #expect(!text.contains("\u{1b}") && !text.contains("\u{7f}"))

        let cancelled = try office.json("queue cancel \(id) --yes")
        #expect(cancelled["cancelled"] as? Int == 2)
        #expect(try office.json("usage acme")["used"] as? Int == 0)
        #expect(try office.lines("queue list").isEmpty)
        #expect(try office.lines("queue list --all").first?["state"] as? String == "cancelled")
        #expect(try office.lines("queue list --all --tenant acme").count == 1)
    }

    @Test func `say that the tenant's queue is held, and try nothing of it again`() async throws {
        let office = try await `An operator's commands`.Office()
        _ = try office.run("tenant create acme")
        _ = try office.run("domain add acme acme.example --trust")
        let username = try #require(try office.json("credential issue acme")["username"] as? String)
        let id = MessageID(at: .now)
        try await accept(office.database, username, id: id, recipients: ["b@example.net"])
        #expect(try office.json("queue show \(id)")["queue_held"] as? Bool == false)
        #expect(try office.run("queue retry \(id)").status == 0)
        #expect(try office.lines("queue list").first?["queue_held"] as? Bool == false)
        #expect(try office.run("tenant suspend acme --hold-queue --yes").status == 0)
        #expect(try office.lines("queue list").first?["queue_held"] as? Bool == true)

        let refused = try office.run("queue retry \(id)")
        #expect(refused.status == 1, "\(refused.output)")
        #expect(
            refused.errors.contains(
                "the queue of the tenant \"acme\" is held; `gatepost tenant resume acme` lets it go"),
            "\(refused.errors)")
        #expect(try office.json("queue show \(id)")["queue_held"] as? Bool == true)
        for line in ["queue show \(id)", "explain \(id)"] {
            let text = try office.run(line).output
            #expect(text.contains("queue  held, nothing is tried; `gatepost tenant resume acme`"), "\(line): \(text)")
        }
        for list in ["queue list", "queue list --json"] {
            #expect(try office.run(list).errors.contains("the queue of acme is held"), "\(list)")
        }

        #expect(try office.run("tenant resume acme").status == 0)
        #expect(try office.json("queue retry \(id)")["due"] as? Int == 1)
        let shown = try office.run("queue show \(id)").output
        #expect(!shown.contains("held"), "\(shown)")
        #expect(try office.run("queue list").errors.isEmpty)
    }

    @Test func `go through a queue of several pages`() async throws {
        let office = try await `An operator's commands`.Office()
        _ = try office.run("tenant create acme --daily unlimited")
        _ = try office.run("domain add acme acme.example --trust")
        let username = try #require(try office.json("credential issue acme")["username"] as? String)
        // As many as a page holds, and one more.
        try await office.database.connection().query(
            """
            WITH ids AS (SELECT gatepost.uuid_new(clock_timestamp()) AS id FROM generate_series(1, 501))
            SELECT count(*) FROM ledger.login($1) l, LATERAL (SELECT array_agg(id) AS ids FROM ids) i,
            LATERAL ledger.accept(gen_random_uuid(), NULL, i.ids, array_fill(l.tenant_id, ARRAY[501]),
                array_fill(l.credential_id, ARRAY[501]), array_fill(l.login_id, ARRAY[501]),
                array_fill('a@acme.example'::text, ARRAY[501]), array_fill('acme.example'::text, ARRAY[501]),
                array_fill('acme.example'::text, ARRAY[501]), array_fill('x'::bytea, ARRAY[501]),
                array_fill(1::bigint, ARRAY[501]), array_fill(NULL::bytea, ARRAY[501]),
                array_fill(NULL::text, ARRAY[501]), array_fill(NULL::bytea, ARRAY[501]),
                array_fill(NULL::text, ARRAY[501]), (SELECT array_agg(n::int) FROM generate_series(1, 501) n),
                array_fill('b@example.net'::text, ARRAY[501]), array_fill('example.net'::text, ARRAY[501])) v
            """, [.text(username)])
        let ids = try office.lines("queue list").compactMap { $0["id"] as? String }
        #expect(ids.count == 501 && Set(ids).count == 501)
        #expect(ids == ids.sorted())
    }
}
