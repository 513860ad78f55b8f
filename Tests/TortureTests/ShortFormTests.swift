import Foundation
import SiteSupport
import TestSupport
import Testing

@testable import torture

/// The rows themselves, in their short form, against the real processes.
@Suite struct ShortFormTests {
    @Test func `kills, a dying PostgreSQL and commits in doubt: nothing is lost or miscounted`() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/torture-short-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let process = try ChildProcess(
            [
                Site.binary.replacing(/gatepost$/, with: "torture"), "--short", "--together", "--only",
                "kills,postgres,doubt", "--patience", "5", "--results", folder,
            ], log: "\(folder)/log")
        Site.endWithTests(process)
        let status = process.wait()
        #expect(status == 0, "\(readFile("\(folder)/log"))")
        for row in ["kills", "postgres", "doubt"] {
            let result = try #require(ResultFile.read(folder, row))
            #expect(result.isDone && result.verdict.isGood)
            #expect(result.verdict.counts["acknowledged", default: 0] > 50, "\(result.line)")
        }
    }

    @Test func `every fault can still be planted in the database, and has a name of its own`() throws {
        for plant in Plant.all { _ = try plant.script() }
        #expect(Set(Plant.all.map(\.name)).count == Plant.all.count)
        #expect(Plant.all.count >= 12)
    }
}
