import Foundation
import Postgres
import Tenancy
import TestSupport
import Testing

@testable import gatepost

/// The operator's commands against a database of the test's own, by the built binary.
@Suite struct `An operator's commands` {
    /// A database and how commands find it.
    struct Office {
        let database: PrivateDatabase

        init() async throws { database = try await PrivateDatabase.create() }

        func run(_ line: String, input: String = "") throws -> Run {
            try Run(line.split(separator: " ").map(String.init), environment: environment, input: input)
        }

        var environment: [String: String] {
            [
                "GATEPOST_DATABASE_URL": database.url(as: .node),
                "GATEPOST_DATABASE_ADMIN_URL": database.url(as: .admin),
                "GATEPOST_DATABASE_OWNER_URL": database.url(as: .superuser),
            ]
        }

        /// The one JSON object a command prints.
        func json(_ line: String) throws -> [String: Any] {
            let run = try run(line + " --json")
            try #require(run.status == 0, "\(line): \(run.errors)")
            #expect(run.errors == "", "with --json a good end says nothing else")
            #expect(run.output.split(separator: "\n").count == 1)
            return try #require(try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        }

        /// The JSON objects a list prints, a line each.
        func lines(_ line: String) throws -> [[String: Any]] {
            let run = try run(line + " --json")
            try #require(run.status == 0, "\(line): \(run.errors)")
            return try run.output.split(separator: "\n").map {
                try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
            }
        }
    }

    @Test func `hold to the letter`() async throws {
        let office = try await Office()
        let tenant = try office.json("tenant create acme --daily 300 --monthly unlimited --sessions 200 --pool default")
        #expect(tenant["daily"] as? Int == 300 && tenant["monthly"] is NSNull && tenant["sessions"] as? Int == 200)
        #expect(tenant["recipients_per_message"] as? Int == 100 && tenant["max_message_size"] as? Int == 26_214_400)
        #expect(try office.run("domain add acme acme.example --trust").status == 0)
        let issued = try office.json("credential issue acme")
        let username = try #require(issued["username"] as? String)
        #expect(username.hasPrefix("acme."))
        #expect(Secret(parsing: try #require(issued["secret"] as? String)) != nil)
        #expect(try office.run("pool create second").status == 0)
        let relay = try office.json("relay add default 127.0.0.1:10025 --protocol smtp --tls none")
        #expect(relay["protocol"] as? String == "smtp" && relay["tls"] as? String == "none")

        let usage = try office.json("usage acme")
        #expect(usage["tenant"] as? String == "acme")
        #expect(usage["used"] as? Int == 0 && usage["cap"] as? Int == 300)
        #expect((usage["day"] as? String)?.count == 10)
        #expect((usage["resets_at"] as? String)?.hasSuffix("T00:00:00+00:00") == true)
        #expect(try office.lines("queue list").isEmpty)

        #expect(try office.run("credential revoke \(username) --yes").status == 0)
        #expect(try office.run("tenant suspend acme --yes").status == 0)
        #expect(try office.json("tenant show acme")["status"] as? String == "suspended")
        #expect(try office.lines("credential list acme").first?["state"] as? String == "revoked")
    }

    @Test func `give a bare tenant the documented defaults`() async throws {
        let office = try await Office()
        let tenant = try office.json("tenant create bare")
        #expect(tenant["daily"] as? Int == 1000 && tenant["monthly"] is NSNull && tenant["rate"] is NSNull)
        #expect(tenant["sessions"] as? Int == 50 && tenant["policy"] as? String == "defer")
        #expect(tenant["max_message_size"] as? Int == 25 << 20 && tenant["recipients_per_message"] as? Int == 100)
    }

    @Test func `take a flag for every limit`() async throws {
        let office = try await Office()
        _ = try office.json("tenant create acme")
        _ = try office.json("pool create other")
        let line =
            "tenant set acme --daily unlimited --monthly 9000 --rate 600 --burst 50 --max-message-size 10MiB"
            + " --recipients-per-message 20 --sessions unlimited --policy reject --partial on --resubmission off"
            + " --null-sender on --foreign-names off --pool other --time-zone Europe/Brussels"
        let tenant = try office.json(line)
        #expect(tenant["daily"] is NSNull && tenant["monthly"] as? Int == 9000 && tenant["rate"] as? Int == 600)
        #expect(tenant["burst"] as? Int == 50 && tenant["max_message_size"] as? Int == 10 << 20)
        #expect(tenant["recipients_per_message"] as? Int == 20 && tenant["sessions"] is NSNull)
        #expect(tenant["policy"] as? String == "reject" && tenant["partial"] as? Bool == true)
        #expect(tenant["resubmission"] as? Bool == false && tenant["null_sender"] as? Bool == true)
        #expect(tenant["foreign_names"] as? Bool == false)
        #expect(tenant["pool"] as? String == "other" && tenant["next_time_zone"] as? String == "Europe/Brussels")
        // Every column that an operator can set has been: a new limit must come with its flag.
        #expect(try office.run(line).output.hasPrefix("tenant acme unchanged"))
    }

    @Test func `show tables to people`() async throws {
        let office = try await Office()
        for line in ["tenant create acme --daily 5", "tenant create long-name-of-a-tenant --rate 60"] {
            _ = try office.run(line)
        }
        #expect(
            try office.run("tenant list").output
                == """
                TENANT                STATUS  DAILY    MONTHLY   RATE/MIN  SESSIONS  POLICY  ZONE  POOL     PLAN
                acme                  active      5  unlimited  unlimited        50  defer   UTC   default  -
                long-name-of-a-tenant  active   1000  unlimited         60        50  defer   UTC   default  -

                """.replacing("TENANT                STATUS", with: "TENANT                 STATUS")
                .replacing("acme                  active", with: "acme                   active"))
        #expect(try office.run("usage acme").output.contains("░░░░░░░░░░"))
        #expect(try office.run("queue list").errors == "the queue is empty\n")
    }

    @Test func `say what is missing and what is near`() async throws {
        let office = try await Office()
        _ = try office.run("tenant create acme")
        let issued = try office.json("credential issue acme")
        let username = try #require(issued["username"] as? String)

        let tenant = try office.run("tenant set acmee --daily 5")
        #expect(tenant.status == 1)
        #expect(
            tenant.errors
                == "error: no tenant `acmee`\n\nhint: did you mean `acme`? `gatepost tenant list` lists them\n")
        let credential = try office.run("credential revoke \(username)x --yes")
        #expect(credential.status == 1)
        #expect(credential.errors.hasPrefix("error: no credential `\(username)x`\n\nhint: did you mean `\(username)`?"))
        let pool = try office.run("tenant set acme --pool defautl")
        #expect(pool.status == 1 && pool.errors.contains("defautl"))
        let relay = try office.run("relay add defaut 127.0.0.1:2525")
        #expect(relay.errors.contains("no pool `defaut`") && relay.errors.contains("did you mean `default`?"))
        let taken = try office.run("tenant create acme")
        #expect(taken.status == 1 && taken.errors.contains("there is a tenant `acme` already"))
        _ = try office.run("tenant delete acme --yes")
        let deleted = try office.run("tenant set acme --daily 5")
        #expect(deleted.status == 1 && deleted.errors.hasPrefix("error: the tenant \"acme\" is deleted\n"))
        let again = try office.run("tenant create acme")
        #expect(again.status == 1 && again.errors.hasPrefix("error: the tenant `acme` is deleted; its ledger stays"))
        _ = try office.run("tenant create acme-2")
        let zone = try office.run("tenant set acme-2 --time-zone Europe/Nowhere")
        #expect(zone.status == 64 && zone.errors.contains("Europe/Nowhere"))
        for (line, hint) in [
            ("--time-zone europe/brussels", "did you mean `Europe/Brussels`?"),
            ("--time-zone Europe/Brussel", "did you mean `Europe/Brussels`?"),
            ("--pool defualt", "did you mean `default`? `gatepost pool list` lists them"),
            ("--plan nope", "`gatepost plan list` lists them"),
        ] {
            let refused = try office.run("tenant set acme-2 \(line)")
            #expect(refused.status != 0 && refused.errors.contains("hint: \(hint)"), "\(line): \(refused.errors)")
        }
        let id = "01920e3c-7b1a-7c55-9d0e-2f4b8a6c1e90"
        #expect(try office.run("queue show \(id)").errors.hasPrefix("error: no message `\(id)`"))
        #expect(try office.run("queue cancel \(id) --yes").errors.hasPrefix("error: no message `\(id)`"))
    }

    @Test(arguments: [
        "tenant suspend acme", "credential revoke acme.k7m2q9", "domain remove acme acme.example",
        "relay remove default 127.0.0.1:2525", "queue cancel 01920e3c-7b1a-7c55-9d0e-2f4b8a6c1e90",
    ])
    func `do not bite without --yes where nobody can be asked`(line: String) async throws {
        let office = try await Office()
        _ = try office.run("tenant create acme")
        _ = try office.run("domain add acme acme.example --trust")
        let run = try office.run(line, input: "y\n")
        #expect(run.status != 0)
        if !line.hasPrefix("credential") {
            #expect(run.status == 64)
            #expect(run.errors.contains("--yes"))
        }
        #expect(try office.json("tenant show acme")["status"] as? String == "active")
        #expect(try office.lines("domain list acme").count == 1)
    }

    @Test func `list a domain that nobody vouched for, and say that it is refused`() async throws {
        let office = try await Office()
        _ = try office.run("tenant create acme")
        let run = try office.run("domain add acme Unproven.Example.")
        #expect(run.status == 0)
        #expect(run.output == "domain unproven.example added to acme, not verified\n")
        #expect(run.errors.contains("is refused until it is verified") && run.errors.contains("--trust"))
        #expect(try office.lines("domain list acme").first?["verified"] as? Bool == false)
        _ = try office.run("domain add acme unproven.example --trust")
        #expect(try office.lines("domain list acme").first?["verified"] as? Bool == true)
    }

    @Test func `manage relays`() async throws {
        let office = try await Office()
        let added = try office.json("relay add default [::1]:2525 --weight 3")
        #expect(added["address"] as? String == "[::1]:2525" && added["weight"] as? Int == 3)
        for (options, told) in [
            ("", "was in default already"), (" --weight 2", "of default changed"),
            (" --weight 2", "was in default already"),
        ] {
            #expect(
                try office.run("relay add default [::1]:2525\(options)").output == "relay [::1]:2525 \(told)\n")
        }
        #expect(try office.json("relay drain default [::1]:2525")["status"] as? String == "draining")
        #expect(try office.lines("relay list default").count == 1)
        #expect(try office.lines("pool list").first?["members"] as? Int == 1)
        #expect(try office.run("relay remove default [::1]:2525 --yes").status == 0)
        #expect(try office.run("relay remove default [::1]:2525 --yes").status == 1)
    }

    @Test func `migrate an empty database once, after showing the SQL`() async throws {
        let empty = try await PrivateDatabase.createEmpty()
        let environment = [
            "GATEPOST_DATABASE_URL": empty.url(as: .superuser),
            "GATEPOST_DATABASE_OWNER_URL": empty.url(as: .superuser),
        ]
        let before = try Run(["tenant", "list"], environment: environment)
        #expect(before.status == 1 && before.errors.contains("hint: bring it up to date with `gatepost migrate`"))
        let dry = try Run(["migrate", "--dry-run"], environment: environment)
        #expect(dry.status == 0 && dry.output.contains("CREATE TABLE gatepost.tenant"))
        #expect(try Run(["tenant", "list"], environment: environment).status == 1)
        #expect(try Run(["migrate"], environment: environment).status == 0)
        #expect(try Run(["migrate", "--json"], environment: environment).output == "{\"applied\":[]}\n")
        #expect(try Run(["migrate", "--dry-run"], environment: environment).output == "-- nothing to do\n")
        #expect(try Run(["pool", "list", "--json"], environment: environment).output.contains("\"pool\":\"default\""))
    }

    @Test func `keep the database up`() async throws {
        let office = try await Office()
        let done = try office.json("maintain")
        #expect(done["rows_deleted"] as? Int == 0 && done["unfinished"] as? Bool == false)
    }

    @Test func `end with 69 where the database is away and 77 where it says no`() async throws {
        let office = try await Office()
        let port = FreePort.find()
        let away = try Run(
            ["tenant", "list"],
            environment: ["GATEPOST_DATABASE_URL": "postgresql://gatepost_admin@127.0.0.1:\(port)/gatepost"])
        #expect(away.status == 69)
        #expect(away.errors.hasPrefix("error: the database is not reachable"))
        #expect(!away.errors.contains("\\x"), "libpq's lines are shown as one")
        let denied = try Run(
            ["tenant", "create", "acme"], environment: ["GATEPOST_DATABASE_URL": office.database.url(as: .node)])
        #expect(denied.status == 77)
        #expect(denied.errors.contains("database.admin-url"))
        let nobody = office.database.cluster.url(user: "nobody", database: office.database.name)
        let unknown = try Run(["tenant", "list"], environment: ["GATEPOST_DATABASE_URL": nobody])
        let migrate = try Run(["migrate"], environment: ["GATEPOST_DATABASE_OWNER_URL": nobody])
        for run in [unknown, migrate] {
            #expect(run.status == 77 && run.errors.hasPrefix("error: the database does not let this user in: "))
        }
    }

    @Test func `never show a secret or a password but for the one line that hands it out`() async throws {
        let office = try await Office()
        _ = try office.run("tenant create acme")
        let run = try office.run("credential issue acme")
        let secret = try #require(run.output.split(separator: " ").last?.split(separator: "\n").first.map(String.init))
        try #require(Secret(parsing: secret) != nil)
        #expect(!run.errors.contains(secret))
        let username = try #require(try office.lines("credential list acme").first?["credential"] as? String)
        var everything = ""
        for line in [
            "credential list acme", "credential list acme --json", "tenant show acme", "usage acme", "queue list",
            "credential revoke \(username) --yes --json", "credential revoke \(username)", "credential list acme",
        ] {
            let run = try office.run(line)
            everything += run.output + run.errors
        }
        let connection = office.database.connection()
        let relations = try await connection.query(
            """
            SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname IN ('gatepost', 'admin') AND c.relkind IN ('r', 'v')
            """)
        for relation in relations {
            let name = try relation.string("name")
            let rows = try await connection.query("SELECT string_agg(t::text, ' ') AS rows FROM \(name) t")
            everything += try rows.first?.stringOrNil("rows") ?? ""
        }
        #expect(everything.contains(username))
        #expect(!everything.contains(secret))

        var environment = office.environment
        environment["GATEPOST_DATABASE_PASSWORD"] = "hunter2"
        environment["GATEPOST_DATABASE_ADMIN_URL"] =
            "postgresql://gatepost_admin:hunter3@127.0.0.1:\(FreePort.find())/x"
        let away = try Run(["tenant", "list"], environment: environment)
        environment["GATEPOST_DATABASE_ADMIN_URL"] = "postgresql://gatepost_admin:hunter3@:::/x"
        let unreadable = try Run(["tenant", "list"], environment: environment)
        for run in [away, unreadable] {
            #expect(run.status != 0)
            #expect(!(run.output + run.errors).contains("hunter"), "\(run.errors)")
        }
    }

    @Test func `write down who was at the keyboard`() async throws {
        let office = try await Office()
        var environment = office.environment
        environment["SUDO_USER"] = "alice"
        _ = try Run(["tenant", "create", "acme"], environment: environment)
        let rows = try await office.database.connection().query("SELECT os_user FROM admin.audit")
        let user = try #require(try rows.first?.string("os_user"))
        #expect(user.hasPrefix("alice as "))
    }
}
