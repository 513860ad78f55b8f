import Foundation
import Testing

@testable import simulation

/// That the simulation tells the same story twice, that the server holds in it, and that it would see if it did not.
@Suite struct SimulationTests {
    @Test func `what holds in a few hundred worlds`() {
        let report = Simulation(seed: 20).run(0..<100)
        #expect(report.failures.isEmpty, "\(report.failures)")
        for part in Tally.parts {
            #expect(report.tally[keyPath: part.path] > 0, "nothing was \(part.name): what happens then is not tested")
        }
    }

    @Test(arguments: Plant.allCases)
    func `a planted fault is found`(_ plant: Plant) {
        let report = Simulation(seed: 30, plant: plant).run(0..<1_500)
        #expect(!report.failures.isEmpty, "\(plant.rawValue)")
    }

    /// Each showed a fault that has been mended. (They tell these stories for as long as nobody draws lots in another order.)
    @Test(
        arguments: [
            18_236_777_886_601_566_884, 7_509_163_300_754_205_624,  // an outcome, written again, ended the next lease
            6_414_932_966_767_231_889,  // a relay that had failed was not tried again
            1_053_725_001_061_395_099,  // no relay, for as long as retries take
        ] as [UInt64])
    func `what was found stays mended`(seed: UInt64) {
        #expect(Simulation.run(seed, plant: nil, tells: false).violation == nil)
    }

    @Test func `one seed tells one story, in every process`() throws {
        let first = try run("--sessions", "300", "--seed", "40", "--jobs", "1")
        let second = try run("--sessions", "300", "--seed", "40", "--jobs", "2")
        #expect(first.status == 0 && second.status == 0)
        let trace = try #require(first.lines.first { $0.hasPrefix("trace ") })
        #expect(second.lines.contains(trace))
        #expect(try run("--sessions", "300", "--seed", "41").lines.contains(trace) == false)
        let seed = "\(Simulation(seed: 40).seed(of: 3))"
        let told = try run("--replay", seed)
        #expect(told.lines.count > 50)
        #expect(try run("--replay", seed).lines == told.lines)
    }

    @Test func `a failure names its seed, and the seed alone brings it back`() throws {
        let failure = try run("--sessions", "5000", "--plant", Plant.replyBeforeCommit.rawValue)
        #expect(failure.status == 1)
        let command = try #require(failure.lines.first { $0.hasPrefix("replay it with: ") })
        let arguments = command.split(separator: " ").dropFirst(4).map(String.init)
        let again = try run(arguments)
        #expect(again.status == 1)
        #expect(again.lines.contains { $0.hasPrefix("violated: ") })
    }

    @Test func `what nobody understands is no option`() throws {
        for arguments in [["--sessions"], ["--sessions", "x"], ["--plant", "none"], ["--what", "1"]] {
            let refused = try run(arguments)
            #expect(refused.status == 64)
            #expect(refused.lines.first?.hasPrefix("error: ") == true)
        }
    }

    private func run(_ arguments: String...) throws -> (status: Int32, lines: [String]) { try run(arguments) }

    /// The executable beside the test bundle.
    private func run(_ arguments: [String]) throws -> (status: Int32, lines: [String]) {
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        let process = Process()
        process.executableURL = URL(fileURLWithPath: bundle).resolvingSymlinksInPath().deletingLastPathComponent()
            .appendingPathComponent("simulation")
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (
            process.terminationStatus, String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
        )
    }
}
