import Foundation
import Postgres
import SiteSupport
import TestSupport
import Testing

extension EndToEnd {
    /// THREATS §7 and §2 with crowds: what many sessions at once do to one node, and to each other.
    @Suite struct LoadTests {
        @Test func `certificates are renewed under load and no session fails`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme", "--daily", "unlimited", "--sessions", "100")
            let server = try await site.serve("submission")
            let ready = "\(site.folder)/ready"
            let crowd = try Crowd(site, "renew", server.port, credential, sessions: 16, value: ready)
            #expect(await eventually(within: .seconds(30)) { access(ready, F_OK) == 0 })
            for number in 1...5 {
                let before = try await site.stored()
                try site.gatepost("ca", "issue", "next\(number)", "--kind", "server", "--host", "localhost")
                for kind in ["pem", "key"] {
                    rename("\(site.folder)/pki/next\(number).\(kind)", "\(site.folder)/pki/server.\(kind)")
                }
                server.process.signal(SIGHUP)
                #expect(
                    await eventually { server.log.components(separatedBy: "\"message\":\"reloaded").count > number },
                    "\(server.log.suffix(500))")
                // Sessions from before and from after both go on.
                #expect(await eventually { (try? await site.stored()) ?? 0 > before + 40 })
            }
            let result = try crowd.end()
            #expect(result.failed == 0, "\(result.failures)")
            #expect(result.serials.count == 6, "each new session has been shown the certificate in force")
            #expect(try await site.stored() == result.sent)
        }

        /// (500 of them, and 256 MiB: `Benchmarks/bodies`.)
        @Test func `100 messages of 25 MB at once are all accepted within the memory for bodies`() async throws {
            let site = try await Site()
            let credential = try site.tenant(
                "acme", "--daily", "unlimited", "--sessions", "1000", "--max-message-size", "30MiB")
            let (count, budget) = (100, 192)
            let server = try await site.serve(
                "submission", environment: ["GATEPOST_SUBMISSION_BODY_MEMORY=\(budget)MiB"])
            let atRest = try server.process.residentMebibytes()
            let crowd = try Crowd(site, "big", server.port, credential, sessions: count, value: "25000000")
            var most = 0
            #expect(
                await eventually(within: .seconds(900), every: .milliseconds(50)) {
                    most = max(most, (try? server.process.residentMebibytes()) ?? 0)
                    return !crowd.isRunning
                })
            let result = try crowd.end()
            #expect(result.sent == count, "\(result.failures)")
            #expect(try await site.stored() == count)
            // Beside what the budget counts: the copy that gets its header fields, what is on its way to PostgreSQL, and
            // 100 sessions. Two and a half gigabytes it is not.
            #expect(most - atRest < 2 * budget + 128, "\(most) MiB at most, \(atRest) MiB at rest")
        }

        @Test func `2,000 sessions that dribble do not hold up those that work`() async throws {
            let site = try await Site()
            let credential = try site.tenant("acme", "--daily", "unlimited", "--sessions", "5000")
            let server = try await site.serve("submission")
            let atRest = try server.process.residentMebibytes()
            let ready = "\(site.folder)/ready"
            let crowd = try Crowd(site, "slow", server.port, credential, sessions: 2000, value: ready)
            #expect(await eventually(within: .seconds(50)) { access(ready, F_OK) == 0 })
            let journalFile = "\(site.folder)/journal"
            let load = try site.client(
                "load.py", journalFile, site.ca, credential.username, credential.secretFile, "8", "400", "60",
                "news@acme.example", "\(server.port)")
            load.wait()
            let journal = Journal(journalFile)
            #expect(journal.acknowledged.count == 400, "every message of those that work, within a minute")
            let most = try server.process.residentMebibytes()
            #expect(most - atRest < 2000 * 64 / 1024 + 64, "\(most) MiB, \(atRest) MiB at rest")
            let result = try crowd.end()
            #expect(result.standing == 2000)
            try await site.judge(journal)
        }
    }
}

/// Sessions of `Clients/crowd.py`.
private struct Crowd {
    struct Result: Decodable {
        var sent: Int
        var failed: Int
        var failures: [String]
        var serials: [String]
        var standing: Int?
    }

    private let process: ChildProcess
    private let output: String
    private let input: Int32

    init(
        _ site: Site, _ manner: String, _ port: Int, _ credential: Site.Credential, sessions: Int, value: String
    ) throws {
        output = "\(site.folder)/crowd-\(manner)"
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        process = try ChildProcess(
            [
                "python3", Site.clients + "crowd.py", manner, "\(port)", site.ca, credential.username,
                credential.secretFile, "news@acme.example", "\(sessions)", value,
            ], log: output, input: ends[0])
        close(ends[0])
        input = ends[1]
        site.watch(process)
    }

    var isRunning: Bool { process.isRunning }

    /// Tells it to come to its end, and what it has seen.
    func end() throws -> Result {
        close(input)
        process.wait()
        let text = readFile(output)
        return try #require(
            text.split(separator: "\n").last.flatMap { try? JSONDecoder().decode(Result.self, from: Data($0.utf8)) },
            "\(text)")
    }
}

extension ChildProcess {
    /// What it holds in memory.
    fileprivate func residentMebibytes() throws -> Int {
        let line = try #require(readFile("/proc/\(id)/status").split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
        return try #require(
            line.split(separator: " ").dropLast().last.flatMap { Int($0.trimmingCharacters(in: .whitespaces)) }) / 1024
    }
}

extension Site {
    fileprivate func stored() async throws -> Int {
        Int(try await sql.query("SELECT count(*) AS n FROM gatepost.message")[0].int64("n"))
    }
}
