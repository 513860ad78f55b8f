import Glibc

/// The totals of many runs, in a file that people read: a line for each run, and their sum.
enum Record {
    static func add(_ report: Simulation.Report, _ options: Options, to path: String) {
        let lines = read(path).split(separator: "\n", omittingEmptySubsequences: true).map(String.init)
        var runs = lines.filter { $0.hasPrefix("run ") }
        let counts = Tally.parts.map { "\($0.name) \(report.tally[keyPath: $0.path])" }.joined(separator: ", ")
        runs.append(
            "run seed \(options.seed), worlds from \(options.from), \(report.worlds) worlds, violations "
                + "\(report.failures.count), trace \(Command.hexadecimal(report.trace)): \(counts)")
        let total = Tally.parts.map { part in "\(part.name) \(runs.reduce(0) { $0 + count(part.name, in: $1) })" }
        let head = lines.filter { $0.hasPrefix("#") }
        let text =
            (head + runs + ["total of \(runs.count) runs: " + total.joined(separator: ", ")])
            .joined(separator: "\n") + "\n"
        guard let file = fopen(path, "w") else { return }
        fputs(text, file)
        fclose(file)
    }

    private static func count(_ name: String, in run: String) -> Int {
        guard let counts = run.split(separator: ":").last else { return 0 }
        for part in counts.split(separator: ",") {
            let trimmed = part.drop { $0 == " " }
            if trimmed.hasPrefix(name + " ") { return Int(trimmed.dropFirst(name.count + 1)) ?? 0 }
        }
        return 0
    }

    private static func read(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var text: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = fread(&piece, 1, piece.count, file)
            if count == 0 { break }
            text += piece.prefix(count)
        }
        return String(decoding: text, as: UTF8.self)
    }
}
