import Glibc

@main
struct Command {
    static func main() async {
        let options: Options
        do throws(Options.Misuse) {
            options = try Options(Array(CommandLine.arguments.dropFirst()))
        } catch {
            complain("error: \(error.what)\n\n\(Options.usage)")
            exit(64)
        }
        if let seed = options.replay {
            let world = Simulation.run(seed, plant: options.plant, tells: true)
            print("trace \(hexadecimal(world.trace)), \(world.tally.sessions) sessions")
            guard let violation = world.violation else { return }
            complain("violated: \(violation)")
            exit(1)
        }
        let begun = ContinuousClock.now
        let report = await run(options)
        let seconds = Double((ContinuousClock.now - begun).inMicroseconds) / 1e6
        print(describe(report, options))
        print("\(report.tally.sessions) sessions in \(Int(seconds * 10) / 10) s")
        for (seed, violation) in report.failures {
            complain("violated with seed \(seed): \(violation)\nreplay it with: \(options.replay(of: seed))")
        }
        if let file = options.file { Record.add(report, options, to: file) }
        if !report.failures.isEmpty { exit(1) }
    }

    private static func run(_ options: Options) async -> Simulation.Report {
        // Ten sessions to a world, a few more worlds so that it is never less.
        let worlds = options.sessions * 100 / 990 + 1
        let simulation = Simulation(seed: options.seed, plant: options.plant)
        return await withTaskGroup(of: Simulation.Report.self) { group in
            for job in 0..<options.jobs {
                group.addTask {
                    simulation.run(
                        stride(from: options.from + job, to: options.from + worlds, by: options.jobs))
                }
            }
            return await group.reduce(into: Simulation.Report()) { $0 += $1 }
        }
    }

    private static func describe(_ report: Simulation.Report, _ options: Options) -> String {
        let counts = Tally.parts.map { "\($0.name) \(report.tally[keyPath: $0.path])" }.joined(separator: ", ")
        return "seed \(options.seed), worlds \(options.from)..<\(options.from + report.worlds): \(counts)\n"
            + "trace \(hexadecimal(report.trace))"
    }

    private static func complain(_ text: String) {
        fflush(nil)
        var copy = text + "\n"
        copy.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
    }

    static func hexadecimal(_ word: UInt64) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
