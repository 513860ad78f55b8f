// Small parts of a server's path of a message, each alone in memory: processor time and allocations.
//
//   microbench                       a table of all
//   microbench NAME…                 of those whose name begins so
//   microbench --check FILE [NAME…]  ends with 1 where one is over its threshold
//   microbench --write FILE          writes the thresholds: allocations as counted, time with room for a slower machine

import Foundation

@main
struct Microbenchmarks {
    /// How much slower a machine may be, or how busy, before time is taken for a fault: this finds what has become
    /// another order of work. What has become a little slower shows in the allocations, which are exact.
    static let room = 5.0

    static func main() throws {
        var arguments = Array(CommandLine.arguments.dropFirst())
        var checked: String?
        var written: String?
        if let mode = arguments.first, ["--check", "--write"].contains(mode) {
            guard arguments.count > 1 else { fail("\(mode) needs a file") }
            if mode == "--check" { checked = arguments[1] } else { written = arguments[1] }
            arguments.removeFirst(2)
        }
        let thresholds = try checked.map(Thresholds.read)

        print(row("", "ns", "allocations", "octets"))
        var results: [String: Benchmark.Result] = [:]
        var faults: [String] = []
        let all = try Dialogues.all() + Messages.all() + Records.all() + Logins.all()
        for benchmark in all where arguments.isEmpty || arguments.contains(where: benchmark.name.hasPrefix) {
            let result = try benchmark.measure()
            results[benchmark.name] = result
            print(
                row(
                    benchmark.name, String(format: "%.0f", result.nanoseconds),
                    String(format: "%.1f", result.allocations), String(format: "%.0f", result.octets)))
            fflush(nil)
            if let thresholds { faults += thresholds.faults(of: benchmark.name, result) }
        }
        if let written { try Thresholds(results, room: room).write(to: written) }
        guard faults.isEmpty else { fail(faults.joined(separator: "\n")) }
    }

    private static func row(_ name: String, _ columns: String...) -> String {
        name.padding(toLength: 40, withPad: " ", startingAt: 0)
            + columns.map { String(repeating: " ", count: max(1, 13 - $0.count)) + $0 }.joined()
    }

    private static func fail(_ message: String) -> Never {
        FileHandle.standardError.write(Data("error: \(message)\n".utf8))
        exit(1)
    }
}

/// What a benchmark may cost at most.
struct Thresholds {
    private struct Limit: Codable {
        var allocations: Double
        var nanoseconds: Double
    }

    private var limits: [String: Limit]

    /// Half an allocation: a table or a pool that grows now and then.
    private static let allocationRoom = 0.5

    init(_ results: [String: Benchmark.Result], room: Double) {
        limits = results.mapValues {
            Limit(
                allocations: ($0.allocations * 10).rounded() / 10,
                nanoseconds: ($0.nanoseconds * room / 100).rounded(.up) * 100)
        }
    }

    static func read(_ file: String) throws -> Thresholds {
        var thresholds = Thresholds([:], room: 1)
        thresholds.limits = try JSONDecoder().decode(
            [String: Limit].self, from: Data(contentsOf: URL(fileURLWithPath: file)))
        return thresholds
    }

    func write(to file: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try (encoder.encode(limits) + Data("\n".utf8)).write(to: URL(fileURLWithPath: file))
    }

    func faults(of name: String, _ result: Benchmark.Result) -> [String] {
        guard let limit = limits[name] else { return ["\(name): no threshold; make bench-thresholds writes it"] }
        var faults: [String] = []
        if result.allocations > limit.allocations + Self.allocationRoom {
            faults.append("\(name): \(result.allocations) allocations, at most \(limit.allocations)")
        }
        if result.nanoseconds > limit.nanoseconds {
            faults.append("\(name): \(Int(result.nanoseconds)) ns, at most \(Int(limit.nanoseconds))")
        }
        return faults
    }
}
