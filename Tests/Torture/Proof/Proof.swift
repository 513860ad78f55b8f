import Foundation
import SiteSupport

/// Shows that the harness can fail: each planted fault in a run of its own, until the row says by name what is wrong.
struct Proof {
    struct Outcome: Sendable {
        let plant: Plant
        let tries: Int
        let found: Set<Verdict.Fault>
        let example: String
        var isCaught: Bool { !found.isDisjoint(with: plant.expected) }

        var line: String {
            let names = found.map(\.rawValue).sorted().joined(separator: ", ")
            return "\(isCaught ? "caught" : "MISSED") \(plant.name) (\(plant.summary)), by row \(plant.row.name)"
                + ", try \(tries): \(names.isEmpty ? "nothing noticed" : names)\(example.isEmpty ? "" : "; \(example)")"
        }
    }

    static let maxTries = 5

    var seed: UInt64
    var say: @Sendable (String) -> Void

    func run(_ plant: Plant) async throws -> Outcome {
        var found: Set<Verdict.Fault> = []
        for number in 1...Self.maxTries {
            let leg = Leg(
                row: plant.row.name, rounds: plant.rounds, isShort: true, seed: seed &+ UInt64(number),
                plant: plant, say: { _ in })
            let verdict: Verdict
            do {
                verdict = try await plant.row.run(leg)
            } catch {
                // Some faults leave no system that could be judged.
                say("\(plant.name): try \(number) ended: \(error)")
                continue
            }
            found.formUnion(verdict.faults)
            if let finding = verdict.findings.first(where: { plant.expected.contains($0.fault) }) {
                return Outcome(
                    plant: plant, tries: number, found: found,
                    example: "\(finding.fault.rawValue): \(finding.details.first ?? "")")
            }
            say("\(plant.name): not noticed in try \(number)")
        }
        return Outcome(plant: plant, tries: Self.maxTries, found: found, example: "")
    }
}
