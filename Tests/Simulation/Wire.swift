import NIOCore

/// One direction of a connection: octets come in order, in any pieces, at any time, and perhaps not to the end.
final class Wire {
    private let world: World
    private var waiting: [UInt8] = []
    private var taken = 0
    private var isMoving = false
    /// How pieces are cut: whole, at random, octet by octet.
    private let style: Int
    /// Octets that still get through, where the connection is to be cut here.
    private var remaining: Int
    private let receive: (ArraySlice<UInt8>) -> Void
    private let cut: () -> Void
    /// Whether the receiver reads just now.
    var isHeld: () -> Bool = { false }
    private(set) var isCut = false

    /// - Parameter limit: octets after which the connection breaks; nil: it holds.
    init(
        _ world: World, limit: Int?, receive: @escaping (ArraySlice<UInt8>) -> Void, cut: @escaping () -> Void
    ) {
        self.world = world
        style = world.chance.below(8)
        remaining = limit ?? .max
        self.receive = receive
        self.cut = cut
    }

    func send(_ octets: some Collection<UInt8>) {
        guard !isCut else { return }
        waiting.append(contentsOf: octets)
        move()
    }

    /// What is under way is lost.
    func end() {
        isCut = true
        waiting = []
    }

    /// The receiver reads again.
    func resume() { move() }

    private func move() {
        guard !isMoving, taken < waiting.count, !isCut else { return }
        isMoving = true
        world.after(style < 6 ? Moment(world.chance.within(5...200)) : world.latency()) { [self] in arrive() }
    }

    private func arrive() {
        isMoving = false
        guard !isCut, taken < waiting.count, !isHeld() || world.chance.permille(100) else { return }
        let there = waiting.count - taken
        var count =
            switch style {
            case 0...3: there
            case 4...6: world.chance.within(1...there)
            default: min(there, world.chance.within(1...3))
            }
        // One octet at a time is for short texts.
        if there > 2000 { count = max(count, there - 1500) }
        count = min(count, remaining)
        remaining -= count
        let piece = waiting[taken..<(taken + count)]
        taken += count
        if taken == waiting.count {
            waiting = []
            taken = 0
        }
        if !piece.isEmpty { receive(piece) }
        if remaining == 0 {
            end()
            cut()
        } else {
            move()
        }
    }
}
