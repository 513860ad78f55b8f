import Foundation
import SiteSupport
import TestSupport
import Testing

@testable import torture

/// The rows themselves, in their short form, against the real processes.
@Suite(.serialized) struct ShortFormTests {
    @Test func `kills, a dying PostgreSQL and commits in doubt: nothing is lost or miscounted`() throws {
        for result in try run("kills", "postgres", "doubt") {
            #expect(result.verdict.counts["acknowledged", default: 0] > 50, "\(result.line)")
        }
    }

    @Test func `clocks that are set, calls that fail, shortages and a failover: nothing is lost or miscounted`() throws
    {
        for result in try run("clocks", "nth-call", "resources", "failover") {
            // A row that lacks what it needs says so in the output: failover Patroni and etcd.
            let counts = result.verdict.counts
            #expect(counts["acknowledged", default: 0] > 10 || counts["skipped"] != nil, "\(result.line)")
        }
    }

    @Test func `a few plans of steps at one tenant's meter equal some serial order, however they meet`() throws {
        for result in try run("interleavings") {
            #expect(result.verdict.counts["interleavings", default: 0] > 50, "\(result.line)")
        }
    }

    /// At the same time, all of them good.
    private func run(_ rows: String...) throws -> [ResultFile] {
        let folder = FileManager.default.temporaryDirectory.path + "/torture-short-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let process = try ChildProcess(
            [
                Site.binary.replacing(/gatepost$/, with: "torture"), "--short", "--together", "--only",
                rows.joined(separator: ","), "--patience", "12", "--results", folder,
            ], log: "\(folder)/log")
        Site.endWithTests(process)
        let status = process.wait()
        let log = readFile("\(folder)/log")
        #expect(status == 0, "\(log)")
        for line in log.split(separator: "\n") where line.contains("skipped") { print(line) }
        return try rows.map { row in
            let result = try #require(ResultFile.read(folder, row), "\(log)")
            #expect(result.isDone && result.verdict.isGood)
            return result
        }
    }

    @Test func `every fault can still be planted in the database, and has a name of its own`() throws {
        for plant in Plant.all { _ = try plant.script() }
        #expect(Set(Plant.all.map(\.name)).count == Plant.all.count)
        #expect(Plant.all.count >= 12)
    }
}
