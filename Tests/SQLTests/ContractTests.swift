import Foundation
import Postgres
import TestSupport
import Testing

/// What each SQL function's file promises, tried with pgTAP: `Cases/*.sql`, each in a transaction that is rolled back.
///
/// By hand: `psql -f Cases/tenant.sql`, in a database with `Fixture`'s tenant and schema `test`, and pgTAP in `tap`.
@Suite struct ContractTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Cases")

    private static func cases() throws -> [URL] {
        try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "sql" }.sorted { $0.path < $1.path }
    }

    @Test func `every SQL function does what its contract says`() async throws {
        let fixture = try await Fixture()
        try await fixture.main.script("CREATE SCHEMA tap; CREATE EXTENSION pgtap SCHEMA tap")
        var subjects = Set<Substring>()
        for file in try Self.cases() {
            let output = try await Self.run(file, fixture.database.url())
            let report = TestReport(output)
            #expect(report.isComplete && report.failures.isEmpty, "\(file.lastPathComponent):\n\(output)")
            subjects.formUnion(report.passed.map { $0.prefix { $0 != ":" } })
        }
        // Each test's name begins with the function that it is about.
        let functions = try await fixture.main.query(
            """
            SELECT DISTINCT p.pronamespace::regnamespace || '.' || p.proname AS name FROM pg_proc p
            WHERE p.pronamespace::regnamespace::text IN ('gatepost', 'ledger', 'admin', 'report')
            """
        ).map { try $0.string("name") }
        #expect(functions.count > 60)
        let untried = functions.filter { !subjects.contains(Substring($0)) }.sorted()
        #expect(untried == [], "no case in Tests/SQLTests/Cases names these")
    }

    /// pgTAP's output as psql prints it. A blocked thread of its own, for psql takes a while.
    private static func run(_ file: URL, _ url: String) async throws -> String {
        try await onThread {
            let log = FileManager.default.temporaryDirectory.appending(path: "gatepost-tap-\(UUID().uuidString)").path
            defer { unlink(log) }
            let psql = try ChildProcess(
                [PrivateCluster.binary("psql"), "-X", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", file.path], log: log)
            let status = psql.wait()
            return readFile(log) + (status == 0 ? "" : "psql exited \(status)\n")
        }
    }

    @Test(arguments: [
        ("1..2\nok 1 - a: b\nok 2 - c: d\n", true, 0),
        ("1..2\nok 1 - a: b\n", false, 0),  // one was never run
        ("1..2\nok 1 - a: b\nnot ok 2 - c: d\n", true, 1),
        ("ok 1 - a: b\n", false, 0),  // no plan
        ("1..1\nok 1 - a: b\npsql exited 3\n", false, 0),
    ])
    func `a report that lacks a test or has a failed one is seen`(text: String, isComplete: Bool, failures: Int) {
        let report = TestReport(text)
        #expect(report.isComplete == isComplete)
        #expect(report.failures.count == failures)
    }
}

/// The Test Anything Protocol, as far as pgTAP speaks it.
private struct TestReport {
    private(set) var passed: [Substring] = []
    private(set) var failures: [Substring] = []
    private var planned: Int?
    private var hasEnded = true

    init(_ text: String) {
        for line in text.split(separator: "\n") {
            if let match = line.wholeMatch(of: /(not )?ok [0-9]+(?: - (.*))?/) {
                if match.1 == nil { passed.append(match.2 ?? "") } else { failures.append(line) }
            } else if let match = line.wholeMatch(of: /1\.\.([0-9]+)/) {
                planned = Int(match.1)
            } else if line.hasPrefix("psql exited") {
                hasEnded = false
            }
        }
    }

    /// All that were planned were run, to the end.
    var isComplete: Bool { hasEnded && planned == passed.count + failures.count }
}
