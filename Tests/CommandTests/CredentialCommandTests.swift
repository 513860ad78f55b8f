import Foundation
import Postgres
import TestSupport
import Testing

@testable import Tenancy
@testable import gatepost

/// `gatepost credential …` against a database of the test's own, by the built binary.
@Suite(.timeLimit(.minutes(10))) struct `A credential's commands` {
    typealias Office = `An operator's commands`.Office

    private func office() async throws -> (Office, name: String, secret: String) {
        let office = try await Office()
        _ = try office.json("tenant create acme")
        _ = try office.run("domain add acme acme.example --trust")
        let issued = try office.json("credential issue acme")
        return (office, try #require(issued["username"] as? String), try #require(issued["secret"] as? String))
    }

    private func folder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appending(path: "gatepost-cred-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }

    private func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    @Test func `settings for a client name what the credential may send as, and how it may log in`() async throws {
        let office = try await Office()
        _ = try office.run("tenant create acme")
        _ = try office.run("domain add acme acme.example --trust")
        let issue = "credential issue acme --mechanism PLAIN --for curl"
        let own = try office.run(issue + " --sender news@acme.example")
        #expect(own.output.contains("--mail-from news@acme.example "), "\(own.output)")
        #expect(own.errors.contains("STARTTLS, PLAIN."), "\(own.errors)")
        #expect(try office.run(issue + " --sender acme.example").output.contains("--mail-from app@acme.example "))
        #expect(try office.run(issue + " --sender o'b@acme.example").output.contains("--mail-from YOUR-ADDRESS "))
    }

    @Test func `take an option for everything a credential may be told, and take it back`() async throws {
        let (office, name, _) = try await office()
        let issued = try office.json(
            "credential issue acme --label shop --mode test --daily 5 --monthly 50 --rate 60 --burst 10"
                + " --bytes-daily 1GiB --message-size 10MiB --recipients-per-message 7 --sessions 3"
                + " --network 192.0.2.0/24 --network 2001:db8::/32 --sender Acme.Example --sender a.B@acme.example"
                + " --mechanism SCRAM --mechanism EXTERNAL --not-before 2026-01-01 --expires 2999-01-01")
        #expect(issued["mode"] as? String == "test" && issued["daily"] as? Int == 5 && issued["monthly"] as? Int == 50)
        #expect(issued["rate"] as? Int == 60 && issued["burst"] as? Int == 10)
        #expect(issued["bytes_daily"] as? Int == 1 << 30 && issued["message_size"] as? Int == 10 << 20)
        #expect(issued["recipients_per_message"] as? Int == 7 && issued["sessions"] as? Int == 3)
        #expect(issued["networks"] as? [String] == ["192.0.2.0/24", "2001:db8::/32"])
        #expect(issued["senders"] as? [String] == ["a.B@acme.example", "acme.example"])
        #expect(issued["mechanisms"] as? [String] == ["EXTERNAL", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
        #expect(issued["expires_at"] as? String == "2999-01-01T00:00:00Z")

        let set = try office.run("credential set \(name) --daily 500 --sender acme.example --label shop")
        #expect(
            set.output == "credential \(name) changed\n  daily: none -> 500\n  label: none -> shop\n"
                + "  senders: none -> acme.example\n")
        #expect(try office.run("credential set \(name) --daily 500").output == "credential \(name) unchanged\n")
        let lifted = try office.run("credential set \(name) --daily unlimited --sender any")
        #expect(
            lifted.output
                == "credential \(name) changed\n  daily: 500 -> none\n  senders: acme.example -> none\n")
        let other = try #require(issued["username"] as? String)
        let bare = try office.json(
            "credential set \(other) --daily unlimited --monthly unlimited --rate unlimited --bytes-daily unlimited"
                + " --message-size unlimited --recipients-per-message unlimited --sessions unlimited --network any"
                + " --sender any --mechanism any --not-before now --expires never --mode live")
        for member in [
            "daily", "monthly", "rate", "burst", "bytes_daily", "message_size", "recipients_per_message", "sessions",
            "not_before", "expires_at",
        ] { #expect(bare[member] is NSNull, "\(member)") }
        #expect(bare["networks"] as? [String] == [] && bare["senders"] as? [String] == [])
        let foreign = try office.run("credential set \(name) --sender shop@other.example")
        #expect(foreign.status == 64 && foreign.errors.contains("not within the tenant's sender domains"))
        #expect(try office.run("credential issue acme --sender other.example").status == 64)
    }

    @Test func `show where each limit comes from, and which secret is idle`() async throws {
        let (office, name, _) = try await office()
        _ = try office.json("credential set \(name) --daily 5")
        _ = try office.json("credential rotate \(name)")
        let text = try office.run("credential show \(name)").output
        #expect(text.contains(/daily +0 +5 +1000 +default/), "\(text)")
        #expect(!text.contains("idle"))
        // Made long ago and never used, beside another: it may be let go.
        let owner = office.database.connection()
        try await owner.query(
            "UPDATE gatepost.login SET created_at = created_at - interval '2 days' WHERE name = $1", [.text(name)])
        try await owner.query(
            """
            INSERT INTO gatepost.credential_use (tenant_id, credential_id, login_id, client, used_at)
            SELECT tenant_id, credential_id, id, '192.0.2.7', clock_timestamp() FROM gatepost.login WHERE name = $1
            """, [.text("\(name).2")])
        let shown = try office.json("credential show \(name)")
        let logins = try #require(shown["logins"] as? [[String: Any]])
        #expect(logins.map { $0["idle"] as? Bool } == [true, false])
        #expect(shown["used_login"] as? String == "\(name).2" && shown["used_from"] as? String == "192.0.2.7")
        let limits = try #require(shown["limits"] as? [[String: Any]])
        #expect(limits.first?["own"] as? Int == 5 && limits.first?["tenant"] as? Int == 1000)
        #expect(limits.first?["tenant_from"] as? String == "default" && limits.first?["in_force"] as? Int == 5)
    }

    @Test func `list page by page, by tenant, by use and by end`() async throws {
        let (office, name, _) = try await office()
        _ = try office.json("tenant create bolt")
        let soon = try #require(
            try office.json("credential issue bolt --expires 5d --label =1+1")["username"] as? String)
        let owner = office.database.connection()
        try await owner.query(
            """
            SELECT admin.credential_issue_many('me', array_agg('acme'::text), array_agg('acme.n' || n),
                array_agg('SCRAM-SHA-256$4096:c$a:b'::text), array_agg(NULL::bytea), array_agg('{}'::text))
            FROM generate_series(1, 1100) n
            """)
        #expect(try office.lines("credential list").count == 1102)
        let acme = try office.lines("credential list acme").compactMap { $0["credential"] as? String }
        #expect(acme.count == 1101 && Set(acme).count == 1101 && acme.first == name && acme.last == "acme.n1100")
        #expect(try office.lines("credential list --tenant bolt").count == 1)
        #expect(
            try office.lines("credential list --expires-within 14d").map { $0["credential"] as? String } == [soon])
        #expect(try office.lines("credential list --expires-within 4d").isEmpty)
        #expect(try office.lines("credential list --unused-for 30d").isEmpty, "all of them are new")
        try await owner.query(
            "UPDATE gatepost.credential SET created_at = created_at - interval '40 days' WHERE name IN ($1, $2)",
            [.text(name), .text("acme.n7")])
        try await owner.query(
            """
            INSERT INTO gatepost.credential_use (tenant_id, credential_id, login_id, used_at)
            SELECT tenant_id, credential_id, id, clock_timestamp() FROM gatepost.login WHERE name = $1
            """, [.text(name)])
        #expect(
            try office.lines("credential list --unused-for 30d").map { $0["credential"] as? String } == ["acme.n7"])
        #expect(try office.run("credential list acme --tenant bolt").status == 64)
        #expect(try office.run("credential list nobody").status == 1)
    }

    @Test func `suspend with a reason and resume`() async throws {
        let (office, name, _) = try await office()
        let suspended = try office.json("credential suspend \(name) --reason bought-list")
        #expect(
            suspended["state"] as? String == "suspended" && suspended["suspended_reason"] as? String == "bought-list")
        #expect(try office.run("credential suspend \(name) --reason bought-list").output.contains("already"))
        #expect(try office.json("credential resume \(name)")["state"] as? String == "active")
        #expect(try office.run("credential resume \(name)").output.contains("was not suspended"))
        _ = try office.run("credential revoke \(name) --yes")
        #expect(try office.run("credential resume \(name)").status == 1)
    }

    @Test func `say what a rotation ends while two secrets are valid`() async throws {
        let (office, name, _) = try await office()
        let first = try office.run("credential rotate \(name) --grace 1h")
        #expect(first.errors.contains("\(name) ends ") && !first.errors.contains("\(name).2 ends"))
        let second = try office.run("credential rotate \(name) --grace 2h")
        #expect(second.errors.contains("\(name) ends ") && second.errors.contains("\(name).2 ends "))
        let third = try office.json("credential rotate \(name) --grace 3h")
        let older = try #require(third["older"] as? [[String: Any]])
        #expect(older.map { $0["login"] as? String } == [name, "\(name).2", "\(name).3"])
        let ends = older.compactMap { $0["ends_at"] as? String }
        #expect(ends == ends.sorted() && Set(ends).count == 3, "no end is put off")
    }

    @Test func `check a secret, and never show it`() async throws {
        let (office, name, secret) = try await office()
        var outputs = ""
        func check(_ line: String, _ secret: String) throws -> Run {
            let run = try office.run("credential check " + line, input: secret + "\n")
            outputs += run.output + run.errors
            return run
        }
        let long = try office.run("credential check \(name)", input: String(repeating: "x", count: 1_000_000))
        #expect(long.status == 64 && long.errors.contains("longer than any secret"), "\(long.errors)")
        let right = try check(name, secret)
        #expect(right.status == 0 && right.output.hasPrefix("right, the secret of \(name); it could send now"))
        let mistyped = try check(name, secret.dropLast() + (secret.hasSuffix("x") ? "y" : "x"))
        #expect(mistyped.status == 1 && mistyped.output.contains("has not the form"))
        let wrong = try check(name + " --json", HelpTopic.secretExample)
        #expect(wrong.status == 1 && wrong.output.contains("\"right\":false") && wrong.errors == "")
        let second = try #require(try office.json("credential rotate \(name) --now --yes")["secret"] as? String)
        let ended = try check(name, secret)
        #expect(ended.status == 2 && ended.output.contains("this secret has ended"))
        #expect(try check(name, second).output.contains("the secret of \(name).2"))
        #expect(try check("\(name).2", second).status == 0)
        #expect(try check("\(name).2", secret).status == 1, "under that name it is wrong")
        _ = try office.run("credential set \(name) --network 192.0.2.0/24")
        #expect(try check("\(name) --ip 192.0.2.7", second).status == 0)
        let elsewhere = try check("\(name) --ip 2001:db8::1", second)
        #expect(elsewhere.status == 2 && elsewhere.output.contains("networks"))
        _ = try office.run("credential set \(name) --mechanism EXTERNAL")
        let certificatesOnly = try check(name, second)
        #expect(certificatesOnly.status == 2 && certificatesOnly.output.contains("EXTERNAL"))
        _ = try office.run("credential suspend \(name)")
        _ = try office.run("tenant suspend acme --yes")
        let suspended = try check(name + " --json", second)
        #expect(suspended.status == 2 && suspended.output.contains("tenant_suspended"))
        #expect(suspended.output.contains("credential_suspended"))
        #expect(try check(name, "").status == 64 && check("acme.nobody", second).status == 1)
        #expect(!outputs.contains(secret) && !outputs.contains(second) && !outputs.contains(HelpTopic.secretExample))

        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "secret")
        try second.write(to: file, atomically: true, encoding: .utf8)
        chmod(file.path, 0o644)
        let open = try office.run("credential check \(name) --secret-file \(file.path)")
        #expect(open.status == 77 && open.errors.contains("can be read by others"))
        chmod(file.path, 0o600)
        #expect(try office.run("credential check \(name) --secret-file \(file.path)").status == 2)
    }

    @Test func `write a secret into a new file of its owner's alone, or do nothing`() async throws {
        let (office, name, _) = try await office()
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.path + "/secret"
        let issued = try office.run("credential issue acme --secret-file \(path)")
        #expect(issued.status == 0 && !issued.output.contains("gp_"))
        #expect(try mode(path) == 0o600)
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(Secret(parsing: String(text.dropLast())) != nil && text.hasSuffix("\n"))
        let count = try office.lines("credential list acme").count
        for line in ["issue acme", "rotate \(name)"] {
            let again = try office.run("credential \(line) --secret-file \(path)")
            #expect(again.status == 1 && again.errors.contains("there is one already"))
        }
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/link", withDestinationPath: path + "2")
        #expect(try office.run("credential issue acme --secret-file \(folder.path)/link").status == 1)
        #expect(try office.lines("credential list acme").count == count)
        #expect(try office.json("credential show \(name)")["logins"].map { ($0 as? [Any])?.count } == 1)
        // What is refused leaves no empty file behind.
        #expect(try office.run("credential issue nobody --secret-file \(path)3").status == 1)
        #expect(!FileManager.default.fileExists(atPath: path + "3"))
    }

    @Test func `issue many from a file: all checked first, the secrets in a file of the owner's alone`() async throws {
        let (office, _, _) = try await office()
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        func bulk(_ csv: String, _ results: String = "out.csv", _ more: String = "") throws -> Run {
            try csv.write(to: folder.appending(path: "in.csv"), atomically: true, encoding: .utf8)
            return try office.run(
                "credential issue --from \(folder.path)/in.csv --results \(folder.path)/\(results)" + more)
        }
        let before = try office.lines("credential list").count
        let misspelt = try bulk("tenant,dayly\nacme,5\n")
        #expect(misspelt.status == 64 && misspelt.errors.contains("did you mean `daily`?"))
        let wrong = try bulk(
            "tenant,daily,senders\nacme,0,\nnobody,5,\nacme,5,other.example\nacme,many,\nacme,5\n")
        #expect(wrong.status == 64 && wrong.errors.contains("line 2: daily `0`"), "\(wrong.errors)")
        #expect(wrong.errors.contains("line 5: daily `many`") && wrong.errors.contains("line 6: 2 values"))
        let blank = try bulk("tenant,networks,senders\nacme,   ,\nacme,, \n")
        #expect(blank.status == 64 && blank.errors.contains("line 2: networks"), "\(blank.errors)")
        #expect(blank.errors.contains("line 3: senders"), "blanks alone would be anybody's: \(blank.errors)")
        let unknown = try bulk("tenant,daily,senders\nacme,5,\nnobody,5,\nacme,5,other.example\n")
        #expect(unknown.status == 64 && unknown.errors.contains("line 3: no tenant \"nobody\""), "\(unknown.errors)")
        #expect(unknown.errors.contains("line 4: \"other.example\" is not within"))
        #expect(try office.lines("credential list").count == before)
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/out.csv"))

        let good =
            "\u{feff}tenant,label,daily,networks,mechanisms,expires\r\nacme,\"web, \"\"shop\"\"\",5,192.0.2.0/24 "
            + "2001:db8::/32,SCRAM,90d\r\nacme,=cmd(),unlimited,,,never\r\n"
        let made = try bulk(good)
        #expect(made.status == 0, "\(made.errors)")
        #expect(!made.output.contains("gp_") && !made.errors.contains("%"))
        #expect(try mode(folder.path + "/out.csv") == 0o600)
        let text = try String(contentsOf: folder.appending(path: "out.csv"), encoding: .utf8)
        let rows = try CSV.rows(text)
        #expect(
            rows.map { Array($0.cells.prefix(3)) } == [
                ["line", "tenant", "label"], ["2", "acme", "web, \"shop\""], ["3", "acme", "'=cmd()"],
            ])
        for row in rows.dropFirst() {
            #expect(try office.run("credential check \(row.cells[3])", input: row.cells[4] + "\n").status == 0)
        }
        let shown = try office.json("credential show \(rows[1].cells[3])")
        #expect(shown["label"] as? String == "web, \"shop\"" && shown["daily"] as? Int == 5)
        #expect(shown["networks"] as? [String] == ["192.0.2.0/24", "2001:db8::/32"])

        // The results are not written over, and what is done is not done again.
        #expect(try bulk(good).errors.contains("there is one already"))
        #expect(try bulk(good, "out.csv", " --resume").status == 0)
        #expect(try office.lines("credential list").count == before + 2)
        chmod(folder.path + "/out.csv", 0o644)
        #expect(try bulk(good, "out.csv", " --resume").status == 77)
        chmod(folder.path + "/out.csv", 0o600)
        #expect(try bulk("tenant,label\nbolt,x\nacme,y\n", "out.csv", " --resume").status != 0)
        let edited = try bulk(good.replacing("shop", with: "shoe"), "out.csv", " --resume")
        #expect(edited.status == 1 && edited.errors.contains("the label is not the one that"), "\(edited.errors)")
    }

    @Test func `go on after an interruption at any row, and make nothing twice`() async throws {
        let (office, _, _) = try await office()
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let count = 3 * BulkIssue.batchSize + 17
        try ("tenant,label\n" + (1...count).map { "acme,n\($0)\n" }.joined())
            .write(to: folder.appending(path: "in.csv"), atomically: true, encoding: .utf8)
        let line = "credential issue --from \(folder.path)/in.csv --results \(folder.path)/out.csv"
        #expect(try office.run(line).status == 0)
        let whole = try String(contentsOf: folder.appending(path: "out.csv"), encoding: .utf8)
        let owner = office.database.connection()

        // Killed between the writing of a batch and its commit, and within a line: the last are written and not made.
        let lines = whole.split(separator: "\n", omittingEmptySubsequences: false)
        let kept = 2 * BulkIssue.batchSize
        let cut = lines.prefix(1 + kept + 5).joined(separator: "\n") + "\n" + lines[kept + 6].prefix(20)
        try cut.write(to: folder.appending(path: "out.csv"), atomically: false, encoding: .utf8)
        for table in ["login", "credential"] {
            try await owner.query(
                "DELETE FROM gatepost.\(table) WHERE name = ANY ($1)",
                [
                    .textArray(try CSV.rows(whole).dropFirst(1 + kept).map { $0.cells[3] })
                ])
        }
        let resumed = try office.run(line + " --resume")
        #expect(resumed.status == 0, "\(resumed.errors)")
        let rows = try CSV.rows(try String(contentsOf: folder.appending(path: "out.csv"), encoding: .utf8)).dropFirst()
        #expect(rows.count == count && rows.map { $0.cells[0] } == (2...count + 1).map(String.init))
        #expect(
            Array(rows.prefix(kept + 5).map(\.cells))
                == Array(try CSV.rows(whole).dropFirst().prefix(kept + 5).map(\.cells)),
            "what was written stays as it was")
        let known = try await owner.query(
            "SELECT count(*) AS n FROM gatepost.login WHERE name = ANY ($1)", [.textArray(rows.map { $0.cells[3] })])
        #expect(try known.first?.int64("n") == Int64(count))
        for row in [rows[rows.startIndex + kept + 2], rows[rows.endIndex - 1]] {
            #expect(try office.run("credential check \(row.cells[3])", input: row.cells[4] + "\n").status == 0)
        }
        #expect(try office.lines("credential list acme").count == count + 1)
    }

    @Test func `make a client certificate a login, until it ends`() async throws {
        let (office, name, _) = try await office()
        let other = try #require(try office.json("credential issue acme")["username"] as? String)
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        for line in ["ca init", "ca issue shop --kind forwarder --days 30"] {
            #expect(
                try Run(
                    line.split(separator: " ").map(String.init),
                    environment: ["GATEPOST_PKI_DIRECTORY": folder.path]
                ).status == 0)
        }
        let add = "credential certificate add \(name) --certificate \(folder.path)/shop.pem"
        let added = try office.json(add)
        #expect(added["login"] as? String == "\(name).c1" && added["created"] as? Bool == true)
        let digest = try #require(added["sha256"] as? String)
        let line = "openssl x509 -in \(folder.path)/shop.pem -outform DER | sha256sum"
        #expect(try shellOutput(line).hasPrefix(digest))
        #expect(try office.run(add).output.contains("already"))
        let taken = try office.run("credential certificate add \(other) --certificate \(folder.path)/shop.pem")
        #expect(taken.status == 1 && taken.errors.contains("the login \"\(name).c1\" already"))
        let shown = try office.json("credential show \(name)")
        let logins = try #require(shown["logins"] as? [[String: Any]])
        #expect(logins.last?["certificate"] as? String == digest)
        #expect(try office.lines("credential certificate list \(name)").first?["login"] as? String == "\(name).c1")
        #expect(try office.run("credential certificate remove \(name).c1").status == 64)
        #expect(try office.run("credential certificate remove \(name).c1 --yes").status == 0)
        let moved = try office.json(
            "credential certificate add \(other) --certificate \(folder.path)/shop.pem --expires 5d")
        #expect(moved["login"] as? String == "\(other).c1")
        #expect(try #require(moved["valid_until"] as? String) < #require(added["valid_until"] as? String))
        let key = try office.run("credential certificate add \(name) --certificate \(folder.path)/shop.key")
        #expect(key.status == 1 && key.errors.contains("no PEM certificate"))
    }

    private func shellOutput(_ line: String) throws -> String {
        let file = FileManager.default.temporaryDirectory.appending(path: "gatepost-shell-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", line + " >" + file.path]
        try process.run()
        process.waitUntilExit()
        return try String(contentsOf: file, encoding: .utf8)
    }
}

@Suite struct `A secret's documentation` {
    @Test func `finds every secret by its regular expression, and checks it as it says`() throws {
        let pattern = try Regex(HelpTopic.secretPattern)
        for text in [HelpTopic.secretExample] + (0..<200).map({ _ in Secret.make().exposed }) {
            #expect(text.wholeMatch(of: pattern) != nil)
            #expect(Self.checksum(String(text.prefix(33))) == text.suffix(6))
        }
        #expect(Secret(parsing: HelpTopic.secretExample) != nil)
        #expect(String(Self.crc32(HelpTopic.secretExample.prefix(33).utf8)) == HelpTopic.secretExampleChecksum)
        #expect(Self.crc32("123456789".utf8) == 0xCBF4_3926, "the check value of CRC-32/ISO-HDLC")
    }

    @Test func `is the same in the README`() throws {
        let readme = try String(contentsOf: Golden.root.appending(path: "README.md"), encoding: .utf8)
        for text in [HelpTopic.secretPattern, HelpTopic.secretExample, HelpTopic.secretExampleChecksum] {
            #expect(readme.contains(text), "\(text)")
        }
    }

    private static func checksum(_ text: String) -> String {
        let digits = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
        let number = Int(crc32(text.utf8))
        // Horner's scheme backwards, by powers: another way than the program's.
        return String([916_132_832, 14_776_336, 238_328, 3844, 62, 1].map { digits[number / $0 % 62] })
    }

    /// By its definition, most significant bit first with polynomial 0x04C11DB7: another way than the program's.
    private static func crc32(_ octets: some Sequence<UInt8>) -> UInt32 {
        func reversed(_ value: UInt32, _ bits: Int) -> UInt32 {
            (0..<bits).reduce(0) { $0 | (value >> UInt32($1) & 1) << UInt32(bits - 1 - $1) }
        }
        var rest: UInt32 = 0xFFFF_FFFF
        for octet in octets {
            rest ^= reversed(UInt32(octet), 8) << 24
            for _ in 0..<8 { rest = rest & 0x8000_0000 != 0 ? rest << 1 ^ 0x04C1_1DB7 : rest << 1 }
        }
        return ~reversed(rest, 32)
    }
}

@Suite struct `Comma-separated values` {
    @Test(arguments: [
        ("a,b\n1,2\n", [["a", "b"], ["1", "2"]]), ("a\r\n1\r\n\r\n", [["a"], ["1"]]),
        ("a,\n,b", [["a", ""], ["", "b"]]),
        ("\"a\"\"b\",\"c,\nd\"\r\n", [["a\"b", "c,\nd"]]), ("\u{feff}a\n", [["a"]]), ("\"\"\n", []), ("", []),
        ("a, b \n", [["a", " b "]]),
    ])
    func `are read as RFC 4180 has them`(text: String, cells: [[String]]) throws {
        #expect(try CSV.rows(text).map(\.cells) == cells)
    }

    @Test(arguments: [("a\n\"b", 2), ("a\n\"b\"c\n", 2), ("a\nb\"c\"\n", 2)])
    func `are refused with their line where they are broken`(text: String, line: Int) {
        #expect { try CSV.rows(text) } throws: { ($0 as? CSV.ParsingError)?.line == line }
    }

    @Test func `tell the line a row begins in`() throws {
        #expect(try CSV.rows("a\n\n\"b\nc\"\nd\n").map(\.line) == [1, 3, 5])
    }

    @Test(arguments: ["plain", "a,b", "a\"b", "two\nlines", "", "ä"])
    func `come back as they were written`(text: String) throws {
        #expect(try CSV.rows(CSV.row([text, "x"])).map(\.cells) == [[text, "x"]])
    }

    @Test(arguments: ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
    func `never hold what a spreadsheet takes for a formula`(text: String) throws {
        #expect(try CSV.rows(CSV.row([text])).map(\.cells) == [["'" + text]])
    }

    @Test func `progress says how far and how fast`() {
        #expect(
            Progress.line("credentials", 3400, of: 10_000, in: .seconds(4))
                == "credentials  ███░░░░░░░  3400 of 10000  850/s, 7 s left")
        #expect(Progress.line("x", 0, of: 5, in: .zero) == "x  ░░░░░░░░░░  0 of 5")
    }
}
