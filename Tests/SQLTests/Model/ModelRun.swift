import Foundation
import Postgres
import TestSupport

/// A database, the model beside it, two nodes, and what to do next.
struct ModelRun {
    private(set) var faults: [String] = []
    private(set) var heard: [String: Int] = [:]
    private var model = CapModel()
    private let fixture: Fixture
    private let nodes: [(session: DatabaseConnection, owner: MessageID)]
    private var generator: SeededGenerator
    private var secrets = 0
    private var sent: [String] = []

    private static let zones = [
        "acme": "Europe/Brussels", "bolt": "America/New_York", "cove": "Australia/Lord_Howe", "dune": "UTC",
    ]

    init(seed: UInt64) async throws {
        generator = SeededGenerator(state: seed)
        fixture = try await Fixture(tenant: false)
        try await fixture.main.script(Self.scratch)
        var nodes: [(DatabaseConnection, MessageID)] = []
        for name in ["one", "two"] {
            let session = fixture.session()
            let owner = MessageID(at: .now, using: &generator)
            try await session.query("SELECT ledger.owner_start($1, $2)", [.uuid(owner), .text(name)])
            nodes.append((session, owner))
        }
        self.nodes = nodes
        // A Saturday before clocks change in two of the zones, a day before a month ends in all of them.
        try await moveTo("2026-10-24 20:00:00+00")
        for (slug, zone) in Self.zones.sorted(by: { $0.key < $1.key }) {
            try await fixture.tenant(slug, limits: #"{"zone": "\#(zone)", "daily": 40, "warn": [50, 80]}"#)
            model.tenants[slug] = CapModel.Tenant()
            model.tenants[slug]?.caps = CapModel.Caps(daily: 40, size: 26_214_400, recipients: 100)
            for name in ["a", "b"] { add(credential: "\(slug).\(name)", to: slug) }
        }
        // One counts by the last day, and who was never written to.
        try await fixture.set(#"{"window": "rolling", "first_time_daily": 12}"#, "bolt")
        model.tenants["bolt"]?.isRolling = true
        model.tenants["bolt"]?.firstTime = 12
        try await fixture.main.query(Self.set("cove.a", #"{"rate": 30, "burst": 6}"#))
        model.credentials["cove.a"]?.caps.rate = CapModel.Rate(rate: 30, burst: 6)
        try await fixture.main.query(
            Self.set("cove.b", #"{"mode": "test", "rate": 20, "burst": 9, "monthly": 90}"#))
        model.credentials["cove.b"]?.isTest = true
        model.credentials["cove.b"]?.caps.rate = CapModel.Rate(rate: 20, burst: 9)
        model.credentials["cove.b"]?.caps.monthly = 90
        // And one as most are: several credentials, room for most of what they send, nothing that few have.
        try await fixture.set(#"{"daily": 300, "warn": []}"#, "dune")
        model.tenants["dune"]?.caps.daily = 300
        for name in ["dune.c", "dune.d", "dune.e"] {
            try await fixture.main.query(
                "SELECT admin.credential_issue('tester', 'dune', $1, 'SCRAM-SHA-256$4096:c2FsdA==$a:b', sha256('x'))",
                [.text(name)])
            add(credential: name, to: "dune")
        }
        try await readCalendar()
    }

    private mutating func add(credential: String, to tenant: String) {
        model.credentials[credential] = CapModel.Credential(tenant: tenant)
        model.credentials[credential]?.logins[credential] = .some(nil)
    }

    // MARK: The two ways to run

    /// One step after the other.
    mutating func alone(_ steps: Int) async throws {
        for step in 1...steps where faults.isEmpty {
            if Int.random(in: 0..<100, using: &generator) < 60 {
                let node = Int.random(in: 0..<2, using: &generator)
                let batch = batch(from: node)
                let said = try await Self.send(batch, fixture.main, owner(of: batch))
                judge([batch], [said], [nil])
            } else {
                try await other()
            }
            if step % 100 == 0 { try await audit() }
        }
        try await audit()
    }

    /// Both nodes send at the same time, and now and then an operator changes something meanwhile.
    mutating func together(_ rounds: Int) async throws {
        for round in 1...rounds where faults.isEmpty {
            let batches = [batch(from: 0), batch(from: 1)]
            let change = Int.random(in: 0..<3, using: &generator) == 0 ? change() : nil
            let (one, two) = (nodes[0].session, nodes[1].session)
            let owners = batches.map { owner(of: $0) }
            async let first = Self.send(batches[0], one, owners[0])
            async let second = Self.send(batches[1], two, owners[1])
            if let change { try await fixture.main.query(change.sql) }
            judge(batches, [try await first, try await second], [change])
            if Int.random(in: 0..<3, using: &generator) == 0 { try await other() }
            if round % 50 == 0 { try await audit() }
        }
        try await audit()
    }

    func plant(_ fault: String) async throws { try await fixture.main.query(fault) }

    // MARK: Sending

    private struct Batch {
        var messages: [CapModel.Message]
        var node: Int
    }

    private mutating func batch(from node: Int) -> Batch {
        let isOwned = Bool.random(using: &generator)
        let isMixed = Int.random(in: 0..<3, using: &generator) == 0
        let lone = pick(Array(Self.zones.keys.sorted()))
        let messages = (0..<Int.random(in: 1...4, using: &generator)).map { _ in
            let tenant = isMixed ? pick(Array(Self.zones.keys.sorted())) : lone
            let login = pick(
                model.credentials.filter { $0.value.tenant == tenant }
                    .flatMap { name, credential in credential.logins.keys.map { (name, $0) } }
                    .sorted { $0.1 < $1.1 })
            let count = Int.random(in: 1...5, using: &generator)
            let start = Int.random(in: 0..<60, using: &generator)
            return CapModel.Message(
                id: MessageID(at: Instant(microseconds: model.now), using: &generator).description, tenant: tenant,
                credential: login.0, login: login.1,
                to: (start..<start + count).map { "r\($0)@remote.example" },
                size: Int64.random(in: 1...400, using: &generator) * 10,
                digest: Int.random(in: 0..<4, using: &generator) == 0
                    ? "\(Int.random(in: 0..<6, using: &generator))" : nil,
                owner: isOwned ? node : nil)
        }
        return Batch(messages: messages, node: node)
    }

    private func owner(of batch: Batch) -> MessageID? {
        batch.messages.first?.owner == nil ? nil : nodes[batch.node].owner
    }

    /// What accept said; nil where it gave up waiting for a busy meter, which writes nothing.
    private static func send(
        _ batch: Batch, _ session: DatabaseConnection, _ owner: MessageID?
    ) async throws -> [Verdict]? {
        let json = batch.messages.map { message -> [String: Any] in
            var fields: [String: Any] = [
                "id": message.id, "tenant": message.tenant, "login": message.login, "to": message.to,
                "size": message.size,
            ]
            fields["digest"] = message.digest
            return fields
        }
        let text = String(decoding: try JSONSerialization.data(withJSONObject: json), as: UTF8.self)
        do {
            return try await session.query(
                "SELECT * FROM test.deliver($1::jsonb, $2, $3)",
                [.json(text), .uuid(MessageID(at: .now)), .optional(owner)]
            ).map(Verdict.init)
        } catch let error as DatabaseError where error.sqlState == "55P03" {
            return nil
        }
    }

    /// Looks for an order of the batches and the change in which the model says the same.
    private mutating func judge(_ batches: [Batch], _ said: [[Verdict]?], _ changes: [Change?]) {
        typealias Event = (inout CapModel) -> String?
        var events: [Event] = []
        for (batch, verdicts) in zip(batches, said) {
            guard let verdicts else { continue }
            events.append { model in
                guard verdicts.count == batch.messages.count else { return "\(verdicts.count) verdicts" }
                for (place, (message, verdict)) in zip(batch.messages, verdicts).enumerated() {
                    // What is left may be told as after this message, or as after the batch that it is committed with.
                    let behind = zip(batch.messages, verdicts).dropFirst(place + 1)
                        .filter { $0.0.tenant == message.tenant && $0.1.verdict == "accepted" }
                        .reduce(Int64(0)) { $0 + Int64(model.left($1.0).count) }
                    if let fault = model.judge(message, verdict, behind: behind) {
                        return "\(message.tenant) \(message.login) to \(message.to.count): \(verdict), but \(fault)"
                    }
                }
                return nil
            }
            for verdict in verdicts {
                heard[verdict.verdict, default: 0] += 1
                if verdict.verdict == "accepted" { sent.append(verdict.id) }
            }
        }
        for change in changes.compactMap({ $0 }) {
            events.append { model in
                change.apply(&model)
                return nil
            }
        }
        var complaints: [String] = []
        for order in Self.permutations(Array(events.indices)) {
            var attempt = model
            var fault: String?
            for event in order where fault == nil { fault = events[event](&attempt) }
            guard let fault else {
                model = attempt
                return
            }
            complaints.append(fault)
        }
        faults.append(contentsOf: complaints)
    }

    private static func permutations(_ items: [Int]) -> [[Int]] {
        guard !items.isEmpty else { return [[]] }
        return items.flatMap { item in permutations(items.filter { $0 != item }).map { [item] + $0 } }
    }

    // MARK: Everything else that happens

    private struct Change {
        var sql: String
        var apply: @Sendable (inout CapModel) -> Void
    }

    private mutating func other() async throws {
        switch Int.random(in: 0..<100, using: &generator) {
        case 0..<30:
            let change = change()
            try await fixture.main.query(change.sql)
            change.apply(&model)
        case 30..<45: try await cancel()
        case 45..<65: try await forward()
        case 65..<70:
            let said = try await fixture.number("SELECT ledger.upkeep_cancelled(100000)")
            let expected = model.upkeep()
            if said != expected { faults.append("upkeep finished \(said), not \(expected)") }
        case 70..<75: try await rotate()
        default: try await wait()
        }
    }

    /// A change of an operator's, with what it does to the model.
    private mutating func change() -> Change {
        let slug = pick(Array(Self.zones.keys.sorted()))
        // (A credential that was revoked can be changed no more; one that has expired may be.)
        let name = pick(model.credentials.filter { $0.value.tenant == slug && !$0.value.isRevoked }.keys.sorted())
        func set(_ limit: String, _ value: Int64?) -> String {
            "SELECT admin.tenant_set('tester', '\(slug)', '{\"\(limit)\": \(value.map(String.init) ?? "null")}')"
        }
        func own(_ limit: String, _ value: Int64?) -> String {
            Self.set(name, "{\"\(limit)\": \(value.map(String.init) ?? "null")}")
        }
        func cap(_ range: ClosedRange<Int64>) -> Int64? {
            Int.random(in: 0..<5, using: &generator) == 0 ? nil : .random(in: range, using: &generator)
        }
        // Whatever is broken is mended sooner than it breaks, or nothing would be accepted in the end.
        let unchanged = Change(sql: set("daily", 50)) { $0.tenants[slug]?.caps.daily = 50 }
        func isSeldom() -> Bool { Int.random(in: 0..<4, using: &generator) == 0 }
        if let slug = model.tenants.first(where: { $0.value.isSuspended })?.key, !isSeldom() {
            return Change(sql: "SELECT admin.tenant_resume('tester', '\(slug)')") {
                $0.tenants[slug]?.isSuspended = false
            }
        }
        switch Int.random(in: 0..<16, using: &generator) {
        case 14, 15:
            let start = Int.random(in: 0..<60, using: &generator)
            let addresses = (start..<start + 4).map { "r\($0)@remote.example" }
            let isOn = model.tenants[slug]?.suppressed.isEmpty ?? true || isSeldom()
            let all = isOn ? addresses : (model.tenants[slug]?.suppressed.sorted() ?? [])
            let list = "'{\(all.joined(separator: ","))}'"
            let sql =
                isOn
                ? "SELECT admin.suppression_add('tester', '\(slug)', \(list), 'why', NULL)"
                : "SELECT admin.suppression_remove('tester', '\(slug)', \(list))"
            return Change(sql: sql) { model in
                if isOn {
                    model.tenants[slug]?.suppressed.formUnion(all)
                } else {
                    model.tenants[slug]?.suppressed.subtract(all)
                }
            }
        case 0, 1:
            let value = cap(10...60)
            return Change(sql: set("daily", value)) { $0.tenants[slug]?.caps.daily = value }
        case 2:
            let value = cap(40...200)
            return Change(sql: set("monthly", value)) { $0.tenants[slug]?.caps.monthly = value }
        case 3:
            let value = cap(2_000...40_000)
            return Change(sql: set("bytes_daily", value)) {
                $0.tenants[slug]?.caps.bytes = value
            }
        case 4:
            let rate = cap(10...120)
            return Change(sql: set("rate", rate)) {
                $0.setRate(slug, rate.map { CapModel.Rate(rate: $0, burst: $0) })
            }
        case 5:
            let value = Int64.random(in: 2...6, using: &generator)
            return Change(sql: set("recipients_per_message", value)) { $0.tenants[slug]?.caps.recipients = value }
        case 6:
            let value = cap(5...30)
            return Change(sql: own("daily", value)) {
                $0.credentials[name]?.caps.daily = value
            }
        case 7:
            let value = cap(10...60)
            return Change(sql: own("monthly", value)) {
                $0.credentials[name]?.caps.monthly = value
            }
        case 8:
            let value = cap(1_000...20_000)
            return Change(sql: own("bytes_daily", value)) {
                $0.credentials[name]?.caps.bytes = value
            }
        case 9:
            guard model.tenants[slug]?.isSuspended == true else {
                guard isSeldom() else { return unchanged }
                return Change(sql: "SELECT admin.tenant_suspend('tester', '\(slug)', 'why', false)") {
                    $0.tenants[slug]?.isSuspended = true
                }
            }
            return Change(sql: "SELECT admin.tenant_resume('tester', '\(slug)')") {
                $0.tenants[slug]?.isSuspended = false
            }
        case 10:
            guard model.tenants[slug]?.hasDomain == false else {
                guard isSeldom() else { return unchanged }
                return Change(sql: "SELECT admin.domain_remove('tester', '\(slug)', '\(slug).example')") {
                    $0.tenants[slug]?.hasDomain = false
                }
            }
            return Change(sql: "SELECT admin.domain_add('tester', '\(slug)', '\(slug).example', true)") {
                $0.tenants[slug]?.hasDomain = true
            }
        case 11:
            let isSuspended = model.credentials[name]?.isSuspended == false && isSeldom()
            let call = isSuspended ? "suspend('tester', '\(name)', 'why')" : "resume('tester', '\(name)')"
            return Change(sql: "SELECT admin.credential_\(call)") { $0.credentials[name]?.isSuspended = isSuspended }
        case 12:
            guard isSeldom() else { return unchanged }
            let until = Int64.random(in: 600...90_000, using: &generator)
            let sql = """
                SELECT admin.credential_set('tester', '\(name)', jsonb_build_object('expires',
                    to_char((ledger.clock() + interval '\(until) seconds') AT TIME ZONE 'UTC',
                        'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))
                """
            return Change(sql: sql) { model in
                model.credentials[name]?.expires = model.now + until * 1_000_000
            }
        default:
            // For good, so seldom, and somebody new comes.
            guard isSeldom() else { return unchanged }
            secrets += 1
            let next = "\(slug).n\(secrets)"
            let sql = """
                SELECT admin.credential_revoke('tester', '\(name)', NULL),
                       (SELECT count(*) FROM admin.credential_issue('tester', '\(slug)', '\(next)',
                            'SCRAM-SHA-256$4096:c2FsdA==$n\(secrets):b', NULL))
                """
            return Change(sql: sql) {
                $0.credentials[name]?.isRevoked = true
                $0.credentials[next] = CapModel.Credential(tenant: slug)
                $0.credentials[next]?.logins[next] = .some(nil)
            }
        }
    }

    /// A change of a credential's.
    private static func set(_ credential: String, _ changes: String) -> String {
        "SELECT admin.credential_set('tester', '\(credential)', '\(changes)')"
    }

    private mutating func cancel() async throws {
        guard let id = sent.randomElement(using: &generator), let stored = model.stored[id] else { return }
        if model.credentials[stored.credential]?.isTest == true { return }
        try await fixture.main.query("SELECT ledger.cancel('tester', ARRAY[$1::uuid], 'test')", [.text(id)])
        model.cancel(id)
    }

    /// A node claims what is free, and some of what it has is delivered, deferred, bounced or given back.
    private mutating func forward() async throws {
        let node = Int.random(in: 0..<2, using: &generator)
        for row in try await nodes[node].session.query(
            """
            SELECT c.id::text AS id, c.numbers::bigint[] AS numbers FROM ledger.claim($1, 3, 1000000) c
            """, [.uuid(nodes[node].owner)])
        {
            let id = try row.string("id")
            for number in try row.int64s("numbers") {
                if model.stored[id]?.recipients[Int(number) - 1] != .free {
                    faults.append("claimed \(id) \(number), which was not free")
                }
                model.stored[id]?.recipients[Int(number) - 1] = .leased(node)
            }
        }
        let held = sent.flatMap { id in
            (model.stored[id]?.recipients ?? []).enumerated().filter { $0.element.isHeld(by: node) }.map {
                (id, $0.offset)
            }
        }
        for (id, place) in held.shuffled(using: &generator).prefix(4) {
            let outcome = pick(["delivered", "deferred", "bounced", "released"])
            let said = try await fixture.text(
                """
                SELECT s.verdict FROM gatepost.message m, ledger.settle($1, ARRAY[m.tenant_id], ARRAY[m.id],
                    ARRAY[$3::int], ARRAY[$4], '{250}', '{2.0.0}', '{ok}', ARRAY[NULL::timestamptz]) s
                WHERE m.id = $2::uuid
                """, [.uuid(nodes[node].owner), .text(id), .int64(Int64(place + 1)), .text(outcome)])
            if said != "settled" { faults.append("settle said \(said ?? "nothing")") }
            model.settle(id, place, outcome)
        }
    }

    private mutating func rotate() async throws {
        let name = pick(model.credentials.keys.sorted())
        guard let credential = model.credentials[name], !credential.isRevoked, !credential.isSuspended,
            (credential.expires ?? .max) > model.now
        else { return }
        secrets += 1
        let grace = pick([0, 600, 90_000])
        let row = try await fixture.main.query(
            """
            SELECT r.login FROM admin.credential_rotate('tester', $1, 'SCRAM-SHA-256$4096:c2FsdA==$r' || $2 || ':b', NULL,
                make_interval(secs => $3)) r
            """, [.text(name), .text("\(secrets)"), .int64(Int64(grace))]
        ).first
        let ends = model.now + Int64(grace) * 1_000_000
        for (login, until) in credential.logins {
            model.credentials[name]?.logins[login] = .some(min(until ?? .max, ends))
        }
        if let login = try row?.string("login") { model.credentials[name]?.logins[login] = .some(nil) }
    }

    // MARK: Time

    /// On by a little, by much, or to either side of a midnight.
    private mutating func wait() async throws {
        let seconds =
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<5: "\(Int.random(in: 0...30, using: &generator)) seconds"
            case 5, 6: "\(Int.random(in: 1...50, using: &generator)) minutes"
            case 7: "\(Int.random(in: 1...9, using: &generator)) hours"
            default: ""
            }
        guard seconds.isEmpty else {
            try await moveTo("(ledger.clock() + interval '\(seconds)')", isExpression: true)
            return
        }
        let zone = pick(Self.zones.values.sorted())
        let offset = pick(["- interval '1 microsecond'", "", "+ interval '1 second'"])
        try await moveTo(
            """
            greatest(ledger.clock(), (((ledger.clock() AT TIME ZONE '\(zone)')::date + 1)::timestamp
                AT TIME ZONE '\(zone)') \(offset))
            """, isExpression: true)
    }

    private mutating func moveTo(_ instant: String, isExpression: Bool = false) async throws {
        try await fixture.main.query("SELECT test.at(\(isExpression ? instant : "'\(instant)'")::timestamptz)")
        model.now = try await fixture.number("SELECT extract(epoch FROM ledger.clock()) * 1000000")
        try await readCalendar()
    }

    /// What day it is, by the calendar of PostgreSQL itself.
    private mutating func readCalendar() async throws {
        let zones = Self.zones.sorted { $0.key < $1.key }
        for row in try await fixture.main.query(
            "SELECT z.slug, (ledger.clock() AT TIME ZONE z.zone)::date::text AS day FROM unnest($1, $2) AS z (slug, zone)",
            [.textArray(zones.map(\.key)), .textArray(zones.map(\.value))])
        {
            let day = try row.string("day")
            model.calendar[try row.string("slug")] = (day, day.prefix(7) + "-01")
        }
    }

    // MARK: What must be so

    /// used = Σ ledger = stored − refunded, for every tenant, credential, day and month, and it is the model's.
    private mutating func audit() async throws {
        var usage: [CapModel.Row: CapModel.Counter] = [:]
        for row in try await fixture.main.query(
            """
            SELECT t.slug, coalesce(c.name, '') AS credential, u.period, u.starts::text AS starts, u.recipients,
                   u.messages, u.bytes, CASE u.period WHEN 'day' THEN u.first_time ELSE 0 END AS first_time
            FROM gatepost.usage u JOIN gatepost.tenant t ON t.id = u.tenant_id
            LEFT JOIN gatepost.credential c ON c.tenant_id = u.tenant_id AND c.id = u.credential_id
            """)
        {
            let key = CapModel.Row(
                tenant: try row.string("slug"), credential: try row.string("credential"),
                period: try row.string("period"), starts: try row.string("starts"))
            usage[key] = CapModel.Counter(
                recipients: try row.int64("recipients"), messages: try row.int64("messages"),
                bytes: try row.int64("bytes"), firstTime: try row.int64("first_time"))
        }
        for key in Set(usage.keys).union(model.usage.keys) {
            var expected = model.usage[key] ?? CapModel.Counter()
            if key.period != "day" { expected.firstTime = 0 }
            if usage[key] ?? CapModel.Counter() != expected {
                faults.append("\(key): \(usage[key] ?? CapModel.Counter()), not \(expected)")
            }
        }
        let off = try await fixture.main.query("SELECT test.off() AS what").map { try $0.string("what") }
        faults.append(contentsOf: off)
    }

    private mutating func pick<T>(_ items: [T]) -> T { items[Int.random(in: 0..<items.count, using: &generator)] }

    /// A batch, each message with its login and its recipients; and what does not add up in the tables.
    private static let scratch = """
        CREATE FUNCTION test.deliver(messages jsonb, batch uuid, owner uuid) RETURNS SETOF ledger.verdict
        LANGUAGE plpgsql AS $$
        DECLARE
            m record;
        BEGIN
            SELECT array_agg((e ->> 'id')::uuid ORDER BY q.ord) AS ids,
                   array_agg(l.tenant_id ORDER BY q.ord) AS tenants,
                   array_agg(l.credential_id ORDER BY q.ord) AS credentials, array_agg(l.id ORDER BY q.ord) AS logins,
                   array_agg((e ->> 'tenant') || '.example' ORDER BY q.ord) AS domains,
                   array_agg('a@' || (e ->> 'tenant') || '.example' ORDER BY q.ord) AS senders,
                   array_agg((e ->> 'size')::bigint ORDER BY q.ord) AS sizes,
                   array_agg('\\x6869'::bytea ORDER BY q.ord) AS bodies,
                   array_agg(sha256(convert_to(e ->> 'digest', 'UTF8')) ORDER BY q.ord) AS digests,
                   array_agg(NULL::text ORDER BY q.ord) AS nothing, array_agg(NULL::bytea ORDER BY q.ord) AS nothings
            INTO m
            FROM jsonb_array_elements(messages) WITH ORDINALITY AS q (e, ord)
            JOIN gatepost.login l ON l.name = q.e ->> 'login';
            RETURN QUERY SELECT * FROM ledger.accept(batch => deliver.batch, owner => deliver.owner, ids => m.ids,
                tenant_ids => m.tenants, credential_ids => m.credentials, login_ids => m.logins, senders => m.senders,
                sender_domains => m.domains, from_domains => m.domains, bodies => m.bodies, sizes => m.sizes,
                digests => m.digests, clients => m.nothing, helos => m.nothings, message_id_headers => m.nothing,
                recipient_messages => ARRAY(
                    SELECT q.ord::int FROM jsonb_array_elements(messages) WITH ORDINALITY AS q (e, ord),
                        jsonb_array_elements_text(q.e -> 'to') WITH ORDINALITY AS r (address, number)
                    ORDER BY q.ord, r.number),
                recipient_addresses => ARRAY(
                    SELECT r.address FROM jsonb_array_elements(messages) WITH ORDINALITY AS q (e, ord),
                        jsonb_array_elements_text(q.e -> 'to') WITH ORDINALITY AS r (address, number)
                    ORDER BY q.ord, r.number),
                recipient_domains => ARRAY(
                    SELECT 'remote.example' FROM jsonb_array_elements(messages) AS q (e),
                        jsonb_array_elements_text(q.e -> 'to') AS r (address)));
        END
        $$;
        CREATE FUNCTION test.off() RETURNS SETOF text LANGUAGE sql AS $$
            SELECT format('%s %s %s: the counter says %s, the ledger %s', q.tenant_id, q.credential_id, q.day, q.used, q.sum)
            FROM (
                SELECT tenant_id, credential_id, day, sum(used) AS used, sum(sum) AS sum FROM (
                    SELECT u.tenant_id, u.credential_id, u.starts AS day, u.recipients AS used, 0 AS sum
                    FROM gatepost.usage u WHERE u.period = 'day'
                    UNION ALL
                    SELECT l.tenant_id, x.credential_id, l.day, 0, l.recipients
                    FROM gatepost.ledger l, LATERAL (VALUES (0), (l.credential_id)) AS x (credential_id)) AS r
                GROUP BY tenant_id, credential_id, day) AS q
            WHERE q.used <> q.sum
            UNION ALL
            SELECT format('%s %s: the month says %s, the ledger %s', u.tenant_id, u.starts, u.recipients, s.sum)
            FROM gatepost.usage u, LATERAL (SELECT coalesce(sum(l.recipients), 0) AS sum FROM gatepost.ledger l
                WHERE l.tenant_id = u.tenant_id AND l.month = u.starts) AS s
            WHERE u.period = 'month' AND u.recipients <> s.sum
            UNION ALL
            SELECT format('%s: the ledger says %s, stored and not cancelled are %s', m.id, m.sum, m.stored)
            FROM (SELECT m.id, (SELECT coalesce(sum(l.recipients), 0) FROM gatepost.ledger l
                                WHERE l.tenant_id = m.tenant_id AND l.message_id = m.id) AS sum,
                         (SELECT count(*) FROM gatepost.recipient r WHERE r.tenant_id = m.tenant_id
                            AND r.message_id = m.id AND r.state <> 'cancelled') AS stored
                  FROM gatepost.message m) AS m
            WHERE m.sum <> m.stored
        $$;
        """
}

extension CapModel.State {
    func isHeld(by node: Int) -> Bool { self == .leased(node) || self == .marked(node) }
}

/// SplitMix64: the same numbers for the same seed, everywhere.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
