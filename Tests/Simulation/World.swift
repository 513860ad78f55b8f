import Ledger
import NIOCore
import NIOEmbedded
import Postgres

/// One simulated cluster from its seed to its end: clock, chance, agenda, and what is told of it. Everything in it runs
/// on one thread, in an order that the seed alone decides.
final class World {
    let seed: UInt64
    let plant: Plant?
    /// Writes the story down, for whoever replays it.
    private let tells: Bool
    var chance: Generator
    /// Nothing runs on it; those who ask whether they are on theirs are.
    let eventLoop = EmbeddedEventLoop()
    private(set) var now: Moment = 0
    private var agenda = Agenda()
    /// Everything that happened, in order (FNV-1a over words): two runs with one hash are one run.
    private(set) var trace: UInt64 = 0xCBF2_9CE4_8422_2325
    /// The first thing that must not be.
    private(set) var violation: String?
    var tally = Tally()

    /// Faults happen in the first part of a world only: then it must come to rest.
    var areFaultsOver = false
    private(set) var isOver = false

    init(seed: UInt64, plant: Plant?, tells: Bool) {
        self.seed = seed
        self.plant = plant
        self.tells = tells
        chance = Generator(seed: seed)
    }

    // MARK: Time

    func at(_ time: Moment, _ event: @escaping () -> Void) { agenda.add(at: max(time, now), event) }
    func after(_ delay: Moment, _ event: @escaping () -> Void) { agenda.add(at: now + delay, event) }

    /// What happens in a world that ends: a few thousand things, some ten thousand where retries take days.
    private static let most: UInt64 = 300_000

    /// Until nothing is left to happen, or something happened that must not.
    func run() {
        while violation == nil, let (time, number, event) = agenda.next() {
            now = time
            note(UInt64(bitPattern: time) ^ number << 40)
            if number > Self.most { violate("it never comes to rest") }
            event()
        }
        isOver = true
        // What never happens goes, once the agenda is not being changed any more: what goes may have a last word.
        let rest = agenda
        agenda = Agenda()
        withExtendedLifetime(rest) {}
    }

    var instant: Instant { Calendar.instant(now) }
    var continuous: ContinuousClock.Instant { Calendar.continuous(now) }

    // MARK: Chance

    /// A delay as networks and machines have them, mostly short.
    func latency() -> Moment {
        switch chance.below(64) {
        case 0: Moment(chance.within(1_000...2_000_000))
        case 1...4: Moment(chance.within(500...20_000))
        default: Moment(chance.within(5...500))
        }
    }

    func makeID(_ instant: Instant) -> MessageID { MessageID(at: instant, using: &chance) }

    // MARK: What is told

    func note(_ word: UInt64) { trace = (trace ^ word) &* 0x100_0000_01B3 }

    func tell(_ line: @autoclosure () -> String) {
        guard tells else { return }
        let milliseconds = String(now / 1000)
        let rest = String(now % 1000)
        print("\(milliseconds).\(String(repeating: "0", count: 3 - rest.count) + rest) ms  \(line())")
    }

    func violate(_ what: @autoclosure () -> String) {
        guard violation == nil else { return }
        violation = what()
        tell("VIOLATED: \(violation ?? "")")
    }

    func check(_ holds: Bool, _ what: @autoclosure () -> String) {
        if !holds { violate(what()) }
    }

}

/// What a run has seen, so that nobody has to believe that it saw anything.
struct Tally {
    var sessions = 0
    var cuts = 0
    var replies = 0
    var messages = 0
    var acknowledged = 0
    var refused = 0
    var unknown = 0
    var resubmitted = 0
    var doubts = 0
    var fenced = 0
    var foundCommitted = 0
    var claimed = 0
    var delivered = 0
    var bounced = 0
    var duplicates = 0
    var kills = 0
    var stalls = 0

    static var parts: [(name: String, path: WritableKeyPath<Tally, Int>)] {
        [
            ("sessions", \.sessions), ("cut", \.cuts), ("replies", \.replies), ("messages", \.messages),
            ("acknowledged", \.acknowledged), ("refused", \.refused), ("unknown", \.unknown),
            ("resubmitted", \.resubmitted), ("doubts", \.doubts), ("fenced", \.fenced),
            ("found committed", \.foundCommitted), ("claimed", \.claimed), ("delivered", \.delivered),
            ("bounced", \.bounced), ("duplicates", \.duplicates), ("kills", \.kills), ("stalls", \.stalls),
        ]
    }

    static func += (sum: inout Tally, other: Tally) {
        for part in parts { sum[keyPath: part.path] += other[keyPath: part.path] }
    }
}
