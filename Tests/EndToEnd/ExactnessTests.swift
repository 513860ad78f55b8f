import Foundation
import Glibc
import Postgres
import SiteSupport
import TestSupport
import Testing

extension EndToEnd {
    /// Promises 1, 2 and 5 under load and death.
    @Suite struct ExactnessTests {
        @Test func `two nodes, 64 sessions, a low cap and a SIGKILL: nothing is lost or miscounted`() async throws {
            let site = try await Site()
            let cap: Int64 = 400
            let credential = try site.tenant(
                "acme", "--daily", "\(cap)", "--sessions", "200", "--monthly", "unlimited", "--policy", "defer")
            let first = try await site.serve()
            let second = try await site.serve("submission")
            let journalFile = "\(site.folder)/journal"
            let load = try site.client(
                "load.py", journalFile, site.ca, credential.username, credential.secretFile, "64", "1000", "90",
                "news@acme.example", "\(first.port)", "\(second.port)")
            // In the middle: some are in, and the cap is not reached.
            #expect(
                await eventually(within: .seconds(60)) { Journal(journalFile).acknowledged.count > 100 })
            second.process.signal(SIGKILL)
            second.process.wait()
            load.wait()
            let journal = Journal(journalFile)
            #expect(journal.isDone)
            #expect(journal.refusals.contains { $0.hasPrefix("450 4.7.1") } || journal.tries.count < 1000)
            try await site.judge(journal)
            // The cap was reached to the last recipient: the room of what died is not lost.
            let used = try await site.sql.query(
                "SELECT recipients FROM gatepost.usage WHERE credential_id = 0 AND period = 'day'")
            #expect(try used.first?.int64("recipients") == cap)
            await site.expectArrival(of: journal)
        }
    }
}

extension EndToEnd.ExactnessTests {
    @Test func `the connection to PostgreSQL is cut before the reply to COMMIT, again and again`() async throws {
        let site = try await Site()
        let cap: Int64 = 900
        let credential = try site.tenant("acme", "--daily", "\(cap)", "--sessions", "200")
        let proxyPort = FreePort.find()
        let cutting = "\(site.folder)/cutting"
        let proxy = try site.client(
            "proxy.py", "\(proxyPort)", "\(site.cluster.port)", "12", "4711", cutting)
        defer {
            proxy.signal(SIGKILL)
            proxy.wait()
        }
        let server = try await site.serve(databasePort: proxyPort)
        try "".write(toFile: cutting, atomically: true, encoding: .utf8)
        let journalFile = "\(site.folder)/journal"
        let load = try site.client(
            "load.py", journalFile, site.ca, credential.username, credential.secretFile, "16", "600", "120",
            "news@acme.example", "\(server.port)")
        load.wait()
        let cuts = Int(readFile(cutting + ".count")) ?? 0
        #expect(cuts >= 10, "the proxy cut \(cuts) times")
        unlink(cutting)
        let journal = Journal(journalFile)
        #expect(journal.isDone)
        #expect(journal.acknowledged.count > 100)
        try await site.judge(journal)
        await site.expectArrival(of: journal, within: .seconds(90))
    }

    @Test func `PostgreSQL stops and starts in mid-load: 4xx meanwhile, back by itself, nothing lost`() async throws {
        let site = try await Site()
        let credential = try site.tenant("acme", "--daily", "unlimited", "--sessions", "200")
        let server = try await site.serve()
        let journalFile = "\(site.folder)/journal"
        try "".write(toFile: journalFile + ".go", atomically: true, encoding: .utf8)
        let load = try site.client(
            "load.py", journalFile, site.ca, credential.username, credential.secretFile, "16", "1000000", "150",
            "news@acme.example", "\(server.port)")
        for signal in [SIGINT, SIGQUIT, SIGKILL] {
            let before = Journal(journalFile).acknowledged.count
            #expect(await eventually(within: .seconds(30)) { Journal(journalFile).acknowledged.count > before + 30 })
            site.cluster.stop(signal)
            let login = try site.run([
                "swaks", "--server", "localhost:\(server.port)", "--tls", "--auth", "PLAIN", "--auth-user",
                "somebody.else", "--auth-password", "x", "--from", "news@acme.example", "--to", "a@remote.example",
            ])
            #expect(login.standardOutput.contains("454 4.7.0"), "\(login.standardOutput)")
            try site.cluster.start()
        }
        let before = Journal(journalFile).acknowledged.count
        #expect(
            await eventually(within: .seconds(30)) { Journal(journalFile).acknowledged.count > before + 30 },
            "it is back by itself")
        unlink(journalFile + ".go")
        load.wait()
        let journal = Journal(journalFile)
        #expect(journal.isDone)
        #expect(journal.refusals.allSatisfy { $0.hasPrefix("4") }, "\(Set(journal.refusals))")
        try await site.judge(journal)
        await site.expectArrival(of: journal, within: .seconds(90))
    }

    @Test func `everything at once is killed and started again: what was acknowledged arrives`() async throws {
        let site = try await Site()
        let credential = try site.tenant("acme", "--daily", "unlimited", "--sessions", "200")
        let journalFile = "\(site.folder)/journal"
        let port = FreePort.find()
        let server = try await site.serve(port: port)
        let load = try site.client(
            "load.py", journalFile, site.ca, credential.username, credential.secretFile, "8", "400", "60",
            "news@acme.example", "\(port)")
        #expect(await eventually(within: .seconds(60)) { Journal(journalFile).acknowledged.count > 100 })
        server.process.signal(SIGKILL)
        server.process.wait()
        try await site.serve(port: port)
        load.wait()
        let journal = Journal(journalFile)
        try await site.judge(journal)
        await site.expectArrival(of: journal)
    }
}
