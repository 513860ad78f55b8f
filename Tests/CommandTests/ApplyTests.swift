import Foundation
import Postgres
import Tenancy
import TestSupport
import Testing

@testable import gatepost

/// `gatepost apply` and `gatepost export`, by the built binary.
@Suite struct `A file of tenants` {
    struct Office {
        let database: PrivateDatabase
        let folder: URL

        init() async throws {
            database = try await PrivateDatabase.create()
            folder = FileManager.default.temporaryDirectory.appending(path: "gatepost-apply-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        }

        func run(_ line: String, as role: PrivateDatabase.Role = .admin) throws -> Run {
            try Run(
                line.split(separator: " ").map(String.init),
                environment: [
                    "GATEPOST_DATABASE_URL": database.url(as: .node),
                    "GATEPOST_DATABASE_ADMIN_URL": database.url(as: role),
                ], folder: folder)
        }

        func write(_ text: String) throws {
            try text.write(to: folder.appending(path: "t.yaml"), atomically: true, encoding: .utf8)
        }

        func audited() async throws -> Int64 {
            try await database.connection().query("SELECT count(*) AS n FROM admin.audit").first?.int64("n") ?? -1
        }

        func end() { try? FileManager.default.removeItem(at: folder) }
    }

    @Test func `is applied, changes nothing the second time, and comes back as it was exported`() async throws {
        let office = try await Office()
        defer { office.end() }
        let example = try String(contentsOf: Golden.root.appending(path: "Config/tenants.yaml"), encoding: .utf8)
        try office.write(example)
        let dry = try office.run("apply -f t.yaml --dry-run")
        #expect(dry.status == 2, "\(dry.errors)")
        #expect(
            dry.output.contains("+ tenant acme\n    time-zone: Europe/Brussels") || dry.output.contains("+ tenant acme")
        )
        #expect(try await office.audited() == 0)
        #expect(try office.run("apply -f t.yaml").status == 64, "nobody to ask")
        let applied = try office.run("apply -f t.yaml --yes")
        #expect(applied.status == 0, "\(applied.errors)")
        #expect(applied.output.hasSuffix("= 0 unchanged, ~ 0 changed, + 8 added, - 0 removed\n"), "\(applied.output)")
        let audited = try await office.audited()

        let again = try office.run("apply -f t.yaml --dry-run")
        #expect(again.status == 0 && again.output.hasPrefix("= 4 unchanged"), "\(again.output)\(again.errors)")
        #expect(try office.run("apply -f t.yaml --yes").status == 0)
        #expect(try await office.audited() == audited, "a second time writes nothing")

        let asJSON = try office.run("export --json")
        #expect(asJSON.status == 64 && asJSON.output == "" && asJSON.errors.contains("it writes YAML"))
        let exported = try office.run("export")
        #expect(exported.status == 0)
        try office.write(exported.output)
        let round = try office.run("apply -f t.yaml --dry-run --prune")
        #expect(round.status == 0 && round.output.hasPrefix("= 4 unchanged"), "\(exported.output)\n\(round.output)")
        #expect(try office.run("tenant export bolt --yaml").output.contains("unproven-domains: [bolt-shop.example]"))

        // The same file makes the same database elsewhere.
        let other = try await Office()
        defer { other.end() }
        try other.write(exported.output)
        #expect(try other.run("apply -f t.yaml --yes").status == 0)
        #expect(try other.run("export").output == exported.output)
    }

    @Test func `changes only what differs, and gives back what it no longer names`() async throws {
        let office = try await Office()
        defer { office.end() }
        try office.write("plans: {p: {rate: 60, burst: 5}}\ntenants: {acme: {daily: 5, sessions: 9}, bolt: {plan: p}}")
        #expect(try office.run("apply -f t.yaml --yes").status == 0)
        try office.write("plans: {p: {rate: 80, burst: 5}}\ntenants: {acme: {daily: 7}, bolt: {plan: p}}")
        let dry = try office.run("apply -f t.yaml --dry-run")
        #expect(
            dry.output == """
                ~ plan p
                    rate: 60 -> 80
                    burst: 5 -> 5
                ~ tenant acme
                    daily: 5 -> 7
                    sessions: 9 -> inherit
                = 1 unchanged, ~ 2 changed, + 0 added, - 0 removed

                """, "\(dry.errors)")
        #expect(try office.run("apply -f t.yaml --yes").status == 0)
        let admin = Administration(office.database.connection(as: .admin), user: "tester")
        let acme = try await admin.tenant("acme")
        #expect(acme.daily == 7 && acme.sessions == 50 && acme.own == ["daily"])
        let bolt = try await admin.tenant("bolt")
        #expect(bolt.rate == 80 && bolt.burst == 5 && bolt.origin(of: .rate) == .plan("p"))
    }

    @Test func `takes back the operator's word for a domain, and leaves a proof alone`() async throws {
        let office = try await Office()
        defer { office.end() }
        #expect(try office.run("tenant create acme").status == 0)
        for domain in ["acme.example --trust", "proven.example", "further.example --trust"] {
            #expect(try office.run("domain add acme \(domain)").status == 0)
        }
        try await office.database.connection().query(
            "UPDATE gatepost.sender_domain SET verified_at = now(), verified_by = 'dns' WHERE domain = 'proven.example'"
        )
        try office.write("tenants: {acme: {domains: [], unproven-domains: [acme.example, proven.example]}}")
        let applied = try office.run("apply -f t.yaml --yes")
        #expect(
            applied.output == "~ domain acme.example of acme: trusted -> unproven\n"
                + "= 0 unchanged, ~ 1 changed, + 0 added, - 0 removed\n", "\(applied)")
        let listed = try office.run("export").output
        #expect(listed.contains("unproven-domains: [acme.example]"), "\(listed)")
        let again = try office.run("apply -f t.yaml --dry-run")
        #expect(again.status == 0 && again.output.hasPrefix("= 1 unchanged"), "\(again)")
    }

    @Test(arguments: [
        ("tenants:\n  acme:\n    daly: 5\n", "t.yaml:3:5: unknown key of a tenant 'daly'; did you mean 'daily'?"),
        ("tenant:\n  acme: {}\n", "t.yaml:1:1: unknown section 'tenant'; did you mean 'tenants'?"),
        ("tenants:\n  acme:\n    daily: 0\n", "t.yaml:3:12: bad value '0' for 'daily'"),
        ("tenants:\n  acme:\n    pool: defalt\n", "t.yaml:3: there is no relay pool `defalt`; did you mean `default`?"),
        ("tenants:\n  acme:\n    time-zone: Mars/Phobos\n", "t.yaml:3: there is no time zone `Mars/Phobos`"),
        ("tenants:\n  acme:\n    burst: 5\n", "t.yaml:3: a burst needs a rate"),
        (
            "tenants:\n  acme:\n    daily: 7\n    plan: smal\n",
            "t.yaml:4: there is no plan `smal`; did you mean `small`?"
        ),
        ("plans:\n  small:\n    contact: a@b.example\n", "t.yaml:3:5: unknown key of a plan 'contact'"),
        ("tenants:\n  Acme: {}\n", "t.yaml:2:3: 'Acme' cannot be a tenant's name"),
        ("tenants:\n  acme: &a {}\n", "t.yaml:2:9: anchors and aliases are not taken"),
        ("tenants:\n  acme: {}\n  acme: {}\n", "'acme' is given more than once"),
        ("tenants:\n  acme:\n    domains: [localhost]\n", "bad domain 'localhost'"),
        ("plans: {}\ntenants:\n", "t.yaml:2:1: nothing below 'tenants:'; write 'tenants: {}' where there are none"),
        ("tenants: null\n", "t.yaml:1:1: nothing below 'tenants:'"),
        ("plans:\ntenants: {}\n", "t.yaml:1:1: nothing below 'plans:'; write 'plans: {}'"),
        ("tenants:\n  acme:\n    domains:\n", "nothing below the key; write '[]' where there are no domains"),
        (
            "tenants:\n  acme:\n    domains: [a.example]\n    unproven-domains: [b.example, A.example]\n",
            "'a.example' is in 'domains' and in 'unproven-domains'"
        ),
        ("tenants:\n  acne: {}\n", "t.yaml:2: there is no tenant `acne`; did you mean `acme`?"),
    ])
    func `with a slip changes nothing at all, and says where it is`(text: String, error: String) async throws {
        let office = try await Office()
        defer { office.end() }
        #expect(try office.run("plan create small --daily 5").status == 0)
        #expect(try office.run("tenant create acme").status == 0)
        let audited = try await office.audited()
        try office.write(text)
        let run = try office.run("apply -f t.yaml --yes")
        #expect(run.status == 64 && run.errors.contains(error), "\(run.errors)")
        #expect(try await office.audited() == audited)
    }

    @Test func `makes a new name that looks like another only with --create, and removes only with --prune`()
        async throws
    {
        let office = try await Office()
        defer { office.end() }
        #expect(try office.run("tenant create acme").status == 0)
        #expect(try office.run("domain add acme old.example --trust").status == 0)
        try office.write("tenants: {acne: {domains: [new.example]}}")
        #expect(try office.run("apply -f t.yaml --yes --create").status == 0)
        #expect(try office.run("tenant show acme").status == 0, "nothing is removed")

        try office.write("tenants: {acme: {domains: [new.example]}}")
        let kept = try office.run("apply -f t.yaml --yes")
        #expect(kept.status == 0 && kept.errors.contains("2 domains, tenants or plans that the file does not name"))
        #expect(try office.run("domain list acme").output.contains("old.example"))
        let pruned = try office.run("apply -f t.yaml --yes --prune")
        #expect(pruned.output.contains("- domain old.example of acme\n- tenant acne\n"), "\(pruned.output)")
        #expect(try office.run("tenant list").output.contains("acne") == false)
        #expect(try office.run("domain list acme").output.contains("old.example") == false)

        try office.write("tenants:\n")
        #expect(try office.run("apply -f t.yaml --yes --prune").status == 64, "cut off, it may have had tenants")
        try office.write("plans: {}\n")
        #expect(try office.run("apply -f t.yaml --yes --prune").status == 0)
        #expect(try office.run("tenant list").output.contains("acme"), "the file does not speak of tenants")
        try office.write("tenants: {}\n")
        #expect(try office.run("apply -f t.yaml --yes --prune").output.contains("- tenant acme\n"))
    }

    @Test func `refuses what cannot be before it deletes: a deleted tenant, a plan that goes and is used`() async throws
    {
        let office = try await Office()
        defer { office.end() }
        for line in [
            "plan create small --daily 5", "plan create large --daily 50", "tenant create acme --plan small",
            "tenant create other", "tenant create gone", "tenant delete gone --yes",
        ] {
            #expect(try office.run(line).status == 0)
        }
        let audited = try await office.audited()
        for (text, error) in [
            ("tenants:\n  acme: {plan: small}\n  gone: {}\n", "t.yaml:3: the tenant `gone` is deleted"),
            ("plans: {large: {daily: 50}}\ntenants:\n  acme: {plan: small}\n", "t.yaml:3: there is no plan `small`"),
            ("plans: {large: {daily: 50}}\n", "the plan `small` is not in it, and the tenant `acme` has it"),
        ] {
            try office.write(text)
            for options in ["--dry-run", "--yes"] {
                let run = try office.run("apply -f t.yaml --prune --create \(options)")
                #expect(run.status == 64 && run.errors.contains(error), "\(run.errors)")
            }
        }
        #expect(try await office.audited() == audited)
        try office.write("plans: {large: {daily: 50}}\ntenants:\n  acme: {plan: large}\n")
        #expect(try office.run("apply -f t.yaml --prune --yes").status == 0)
        #expect(try office.run("plan list").output.contains("small") == false)
    }

    @Test func `is read and compared by who may only read, and changed by nobody else than an operator`() async throws {
        let office = try await Office()
        defer { office.end() }
        try office.write("tenants: {acme: {daily: 5, domains: [acme.example]}}")
        #expect(try office.run("apply -f t.yaml --yes").status == 0)
        for line in [
            "tenant list", "tenant show acme", "plan list", "domain list acme", "credential list acme", "audit list",
            "queue list", "pool list", "relay list", "export", "tenant export acme", "apply -f t.yaml --dry-run",
        ] {
            let run = try office.run(line, as: .viewer)
            #expect(run.status == 0, "\(line): \(run.errors)")
        }
        #expect(try office.run("domain list acme --json", as: .viewer).output.contains("\"token\":null"))
        for line in [
            "tenant create bolt", "tenant set acme --daily 6", "tenant suspend acme --yes", "tenant delete acme --yes",
            "plan create p", "domain add acme b.example", "credential issue acme", "pool create eu",
            "tenant report-login acme --role acme_reports", "domain verify acme acme.example",
        ] {
            let run = try office.run(line, as: .viewer)
            #expect(run.status == 77, "\(line): \(run.status) \(run.errors)")
        }
    }

    @Test func `is not all there is: a tenant's export has what is held on it, in one JSON object without secrets`()
        async throws
    {
        let office = try await Office()
        defer { office.end() }
        #expect(try office.run("tenant create acme --daily 5").status == 0)
        #expect(try office.run("domain add acme acme.example --trust").status == 0)
        #expect(try office.run("credential issue acme --json").status == 0)
        let run = try office.run("tenant export acme")
        let object = try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        #expect(
            Set(object.keys) == [
                "settings", "domains", "credentials", "limits", "usage", "usage_domains", "outcomes", "warnings",
                "suppressions", "report_logins", "ledger", "messages", "recipients", "events", "audit",
            ])
        #expect((object["credentials"] as? [Any])?.count == 1 && (object["audit"] as? [Any])?.count == 3)
        #expect(!run.output.contains("SCRAM-SHA-256$") && !run.output.contains("gp_"))
    }
}
