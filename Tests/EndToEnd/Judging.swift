import SiteSupport
import TestSupport
import Testing

extension Site {
    /// The judge's word over everything a load has left behind, but for what arrives (`expectArrival`).
    func judge(_ journal: Journal) async throws {
        var evidence = Evidence()
        evidence.hasSink = false
        try await evidence.read(sql)
        let verdict = Judge.examine(journal, evidence)
        #expect(verdict.findings == [])
    }

    /// Everything that was acknowledged arrives, within a deadline.
    func expectArrival(of journal: Journal, within limit: Duration = .seconds(60)) async {
        var missing = Set(journal.acknowledged.keys)
        _ = await eventually(within: limit, every: .milliseconds(200)) {
            let all = arrived().joined()
            missing = missing.filter { !all.contains($0) }
            return missing.isEmpty
        }
        #expect(missing.isEmpty, "acknowledged and not arrived: \(missing.count) of \(journal.acknowledged.count)")
    }
}
