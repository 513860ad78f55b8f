import Glibc

/// The command line.
struct Options {
    var sessions = 1_000_000
    var seed: UInt64 = 1
    var from = 0
    var replay: UInt64?
    var plant: Plant?
    var jobs = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    var file: String?

    static let usage = """
        usage: simulation [--sessions N] [--seed N] [--from WORLD] [--jobs N] [--plant FAULT] [--record FILE]
               simulation --replay SEED [--plant FAULT]

          --sessions N   about so many client sessions, ten to a world (default 1000000)
          --seed N       which worlds; the same number, the same worlds (default 1)
          --from WORLD   the number of the first world (default 0)
          --jobs N       threads, each with worlds of its own (default: a thread for each processor)
          --record FILE  add this run to the totals that are kept there
          --replay SEED  one world, told step by step
          --plant FAULT  put a fault in that must be found: \(Plant.allCases.map(\.rawValue).joined(separator: ", "))
        """

    struct Misuse: Error { var what: String }

    init(_ arguments: [String]) throws(Misuse) {
        var rest = arguments[...]
        func number<Number: FixedWidthInteger>(_ text: String) throws(Misuse) -> Number {
            guard let number = Number(text), number >= 0 else { throw Misuse(what: "`\(text)` is no number") }
            return number
        }
        while let option = rest.popFirst() {
            guard let value = rest.popFirst() else { throw Misuse(what: "`\(option)` stands alone") }
            switch option {
            case "--sessions": sessions = try number(value)
            case "--seed": seed = try number(value)
            case "--from": from = try number(value)
            case "--jobs": jobs = max(1, try number(value))
            case "--replay": replay = try number(value)
            case "--record": file = value
            case "--plant":
                guard let known = Plant(rawValue: value) else { throw Misuse(what: "no fault is called `\(value)`") }
                plant = known
            default: throw Misuse(what: "unknown option `\(option)`")
            }
        }
    }

    /// How to see it again.
    func replay(of seed: UInt64) -> String {
        ".build/release/simulation --replay \(seed)" + (plant.map { " --plant \($0.rawValue)" } ?? "")
    }
}
