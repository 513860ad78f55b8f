// The proof by simulation: the submission dialogue, the acceptor and the forwarder as they are in the server, over a
// clock, sockets and a database that are simulated. One seed tells one story, bit for bit.

/// Many worlds, one after the other.
struct Simulation {
    /// What a number of worlds came to.
    struct Report {
        var tally = Tally()
        var worlds = 0
        /// The sum of the worlds' traces: the same whoever ran which of them.
        var trace: UInt64 = 0
        var failures: [(seed: UInt64, violation: String)] = []

        static func += (sum: inout Report, other: Report) {
            sum.tally += other.tally
            sum.worlds += other.worlds
            sum.trace &+= other.trace
            sum.failures += other.failures
        }
    }

    var seed: UInt64
    var plant: Plant?

    /// The seed of one of the worlds.
    func seed(of world: Int) -> UInt64 {
        Generator.scramble(seed &+ Generator.scramble(UInt64(truncatingIfNeeded: world)))
    }

    /// These worlds, until one of them goes wrong.
    func run(_ worlds: some Sequence<Int>) -> Report {
        var report = Report()
        for index in worlds {
            let seed = seed(of: index)
            let world = Self.run(seed, plant: plant, tells: false)
            report.worlds += 1
            report.tally += world.tally
            report.trace &+= Generator.scramble(world.trace ^ seed)
            if let violation = world.violation {
                report.failures.append((seed, violation))
                return report
            }
        }
        return report
    }

    static func run(_ seed: UInt64, plant: Plant?, tells: Bool) -> World {
        let world = World(seed: seed, plant: plant, tells: tells)
        let cluster = Cluster(world)
        cluster.begin()
        world.run()
        if world.violation == nil { cluster.judge() } else { cluster.tellOpen() }
        cluster.dissolve()
        return world
    }
}
