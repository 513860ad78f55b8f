import Foundation
import Glibc
import SiteSupport
import TestSupport
import Testing

extension EndToEnd {
    /// The first thing anybody does with Gatepost, and the benchmarks on what it leaves.
    ///
    /// Its addresses are the ones everybody's quickstart has: where one runs on this machine, these tests cannot.
    @Suite(.serialized, .enabled(if: Quickstarted.portsAreFree, "ports 2587 and 2525 are in use"))
    struct QuickstartTests {
        @Test func `a message arrives, and the second run goes on where the first ended`() throws {
            let site = try Quickstarted()
            let first = try site.once()
            let arrived = try #require(first["arrived"] as? String)
            #expect(readFile(arrived).contains("Subject: It works"))
            #expect(readFile(arrived).contains("(Gatepost) with ESMTPSA"))
            #expect(first["stranger"] as? String == "550 5.7.1 Relaying denied")
            #expect(site.used(first) == 1)
            #expect(!site.isServing)

            let second = try site.once()
            #expect(second["username"] as? String == first["username"] as? String)
            #expect(second["arrived"] as? String != arrived)
            #expect(site.used(second) == 2)

            // What is not its own stays, and with it the folder.
            try Data("mine".utf8).write(to: URL(fileURLWithPath: "\(site.folder)/.gatepost/mine"))
            let kept = try site.gatepost("quickstart", "--stop", "--remove")
            #expect(kept.status == 0 && kept.text.hasSuffix("but for what is not the quickstart's\n"), "\(kept)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(site.folder)/.gatepost") == ["mine"])
            for arguments in [["--stop", "--remove"], ["--stop", "--remove", "--directory", "."]] {
                let foreign = try site.gatepost(["quickstart"] + arguments)
                #expect(foreign.status == 64 && foreign.errors.contains("is no quickstart's folder"), "\(foreign)")
            }
            #expect(readFile("\(site.folder)/.gatepost/mine") == "mine")
        }

        @Test func `a run that fails says why, and takes down what it has started`() throws {
            let site = try Quickstarted()
            _ = try site.once()
            #expect(try site.gatepost("quickstart", "--stop").status == 0)
            unlink("\(site.folder)/.gatepost/pki/server.pem")
            let output = try site.gatepost("quickstart", "--once")
            #expect(output.status == 1)
            #expect(output.errors.contains("error: the server ended at once"))
            #expect(!site.isServing)
            // What this run had started is down again; what was there before is still there.
            #expect(try site.gatepost("quickstart", "--stop").text == "nothing was up\n")
            #expect(access("\(site.folder)/.gatepost/credential", F_OK) == 0)
        }

        @Test func `nobody who reads its output leaves nothing running, and an apostrophe in the path is a letter`()
            throws
        {
            let site = try Quickstarted(named: "it's")
            let process = try ChildProcess(
                [
                    "env", "--default-signal=PIPE", "bash", "-c",
                    "cd \"$0\" && \"$1\" quickstart --once | head -2; exit ${PIPESTATUS[0]}", site.folder,
                    Site.binary,
                ],
                log: "\(site.folder)/log")
            #expect(process.wait() == 1)
            #expect(readFile("\(site.folder)/log").contains("error: standard output: Broken pipe"))
            #expect(!site.isServing)
            #expect(site.used(try site.once()) == 2, "the first one has done all it does")
        }

        @Test func `a first run that is interrupted leaves nothing behind`() throws {
            let site = try Quickstarted()
            let process = try ChildProcess(
                ["sh", "-c", "cd \"$0\" && exec \"$1\" quickstart", site.folder, Site.binary], log: "\(site.folder)/log"
            )
            let deadline = ContinuousClock.now + .seconds(60)
            while !readFile("\(site.folder)/log").contains("postgresql"), ContinuousClock.now < deadline {
                usleep(5_000)
            }
            process.signal(SIGINT)
            #expect(process.wait() == 1)
            #expect(readFile("\(site.folder)/log").contains("error: interrupted"))
            #expect(access("\(site.folder)/.gatepost", F_OK) != 0)
        }

        @Test func `settings of a quickstart serve, and load is measured over every mechanism`() throws {
            let site = try Quickstarted()
            _ = try site.once()
            let credential = readFile("\(site.folder)/.gatepost/credential").split(separator: "\n").map(String.init)
            try credential[1].write(toFile: "\(site.folder)/secret", atomically: true, encoding: .utf8)
            let server = try ChildProcess(
                [Site.binary, "serve", "--config", "\(site.folder)/.gatepost/gatepost.yaml"],
                log: "\(site.folder)/log")
            defer {
                server.signal(SIGTERM)
                server.wait()
            }
            try #require(site.waitUntilServing())

            for mechanism in ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"] {
                let report = try site.bench(mechanism, credential[0], secret: "secret", "--pipeline")
                #expect(report.status == 0, "\(mechanism): \(report.errors)")
                #expect(report.json["accepted"] as? Int == 20, "\(mechanism)")
                let latency = report.json["latency_us"] as? [String: Int] ?? [:]
                #expect(latency["p50"] ?? 0 > 0 && latency["p50"] ?? 0 <= latency["max"] ?? 0)
            }
            let foreign = try site.bench("PLAIN", credential[0], secret: "secret", "--from", "a@other.example")
            #expect(foreign.json["refusals"] as? [String: Int] == ["550 5.7.1": 20])

            try "gp_wrong".write(toFile: "\(site.folder)/wrong", atomically: true, encoding: .utf8)
            let refused = try site.bench("SCRAM-SHA-256", credential[0], secret: "wrong")
            #expect(refused.status == 1)
            #expect(refused.errors.contains("535 5.7.8"))
            #expect(!refused.errors.contains("gp_wrong"))
        }

        @Test func `accept alone is measured, and what it accepted is gone afterwards`() throws {
            let site = try Quickstarted()
            _ = try site.once()
            let settings = ["--config", "\(site.folder)/.gatepost/gatepost.yaml"]
            // A customer may have such a name, and a tenant that was deleted keeps it.
            for line in [
                "tenant create bench-1 --daily 5", "domain add bench-1 b.example --trust", "tenant create bench-2",
                "tenant delete bench-2 --yes",
            ] {
                let made = try site.run([Site.binary] + line.split(separator: " ").map(String.init) + settings)
                try #require(made.status == 0, "\(line): \(made.errors)")
            }
            let output = try site.run(
                [Site.binary, "bench", "accept", "--batch", "5", "--messages", "20", "--tenants", "2", "--json"]
                    + settings)
            try #require(output.status == 0, "\(output.errors)")
            let cells = try output.text.split(separator: "\n").map { try site.json(String($0)) }
            #expect(cells.map { $0["tenants"] as? Int } == [1, 2])
            #expect(cells.allSatisfy { $0["accepted"] as? Int == 20 && $0["messages_per_second"] as? Int ?? 0 > 0 })

            for name in ["bench-3", "bench-4"] {
                let usage = try site.json(try site.run([Site.binary, "usage", name, "--json"] + settings).text)
                #expect(usage["used"] as? Int == 0)
            }
            let customer = try site.json(
                try site.run([Site.binary, "tenant", "show", "bench-1", "--json"] + settings).text)
            #expect(customer["status"] as? String == "active" && customer["daily"] as? Int == 5)
            let queue = try site.run([Site.binary, "queue", "list", "--json"] + settings)
            #expect(queue.text.isEmpty)
        }
    }
}

/// A folder with a quickstart in it, which is stopped and removed in the end.
private final class Quickstarted {
    let folder: String
    private static let ports = [2587, 2525]

    struct Output {
        let status: Int32
        let text: String
        let errors: String
        var json: [String: Any] {
            (try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]) ?? [:]
        }
    }

    init(named name: String = "quickstart") throws {
        var template = Array("/tmp/gatepost-\(name)-XXXXXX\0".utf8).map { CChar(bitPattern: $0) }
        folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        chmod(folder, 0o755)
    }

    deinit {
        _ = try? gatepost("quickstart", "--stop", "--remove")
        try? FileManager.default.removeItem(atPath: folder)
    }

    static var portsAreFree: Bool { !ports.contains(where: listens) }
    var isServing: Bool { Self.ports.contains(where: Self.listens) }

    func waitUntilServing() -> Bool {
        let deadline = ContinuousClock.now + .seconds(30)
        while !Self.ports.allSatisfy(Self.listens) {
            guard ContinuousClock.now < deadline else { return false }
            usleep(20_000)
        }
        return true
    }

    private static func listens(_ port: Int) -> Bool {
        let descriptor = Loopback.stream()
        defer { close(descriptor) }
        return Loopback.connect(descriptor, to: port)
    }

    func once() throws -> [String: Any] {
        let output = try gatepost("quickstart", "--once", "--json")
        try #require(output.status == 0, "\(output.errors)")
        return try json(output.text)
    }

    func used(_ report: [String: Any]) -> Int? { (report["usage"] as? [String: Any])?["used"] as? Int }

    func bench(_ mechanism: String, _ username: String, secret: String, _ more: String...) throws -> Output {
        try run(
            [
                Site.binary, "bench", "--port", "2587", "--ca", ".gatepost/pki/ca.pem", "--server-name", "localhost",
                "--username", username, "--secret-file", secret, "--mechanism", mechanism, "--messages", "20",
                "--connections", "4", "--messages-per-connection", "3", "--size", "2000", "--json",
            ] + (more.contains("--from") ? more : more + ["--from", "a@demo.example"]))
    }

    func gatepost(_ arguments: String...) throws -> Output { try gatepost(arguments) }
    func gatepost(_ arguments: [String]) throws -> Output { try run([Site.binary] + arguments) }

    func json(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    /// Runs a program in the folder, to its end.
    func run(_ command: [String]) throws -> Output {
        let base = "\(folder)/output"
        defer {
            unlink("\(base).out")
            unlink("\(base).err")
        }
        let script = "cd \"$0\" && exec \"$@\" >output.out 2>output.err </dev/null"
        let process = try ChildProcess(["sh", "-c", script, folder] + command)
        let status = process.wait()
        return Output(status: status, text: readFile("\(base).out"), errors: readFile("\(base).err"))
    }
}
