/// What a client does next.
enum Utterance {
    /// A command, with what belongs to it; who is polite waits for its reply.
    case line([UInt8])
    /// A command without which the rest makes no sense: whoever is refused gives up.
    case needed([UInt8])
    /// A message by DATA, said only where 354 was heard.
    case content([UInt8])
    /// STARTTLS, and the handshake if it is granted.
    case startTLS
}

/// One client: says its lines, hears the replies, and goes when it has no more to say.
final class Client {
    enum Manner {
        /// One thing at a time.
        case polite
        /// Many at a time, but no further than RFC 2920 allows.
        case pipelining
        /// Everything at once, content too.
        case reckless
    }

    private let world: World
    private let manner: Manner
    private var plan: ArraySlice<Utterance>
    /// Replies that are still to come, the greeting first.
    private var owed = 1
    private var lastCode = 0
    private var input: [UInt8] = []
    private var hasHeard = false
    private var isNeeded = false
    private var tls = TLS.none
    private(set) var isGone = false
    private let send: ([UInt8]) -> Void
    private let beginTLS: () -> Void
    private let leave: () -> Void

    private enum TLS { case none, asked, handshaking }

    init(
        _ world: World, manner: Manner, plan: [Utterance], send: @escaping ([UInt8]) -> Void,
        beginTLS: @escaping () -> Void, leave: @escaping () -> Void
    ) {
        self.world = world
        self.manner = manner
        self.plan = plan[...]
        self.send = send
        self.beginTLS = beginTLS
        self.leave = leave
    }

    func receive(_ octets: ArraySlice<UInt8>) {
        guard !isGone else { return }
        input.append(contentsOf: octets)
        var start = 0
        while let end = input[start...].firstIndex(of: 0x0A) {
            if end > start + 3, input[start + 3] == 0x20 {
                hear(input[start..<(start + 3)].reduce(0) { $0 * 10 + Int($1 & 0xF) })
            }
            start = end + 1
        }
        input.removeFirst(start)
        talk()
    }

    private func hear(_ code: Int) {
        owed -= 1
        lastCode = code
        hasHeard = true
        guard tls == .asked else { return }
        tls = code == 220 ? .handshaking : .none
        if code == 220 { world.after(world.latency()) { self.beginTLS() } } else { plan = [] }
    }

    func secured() {
        tls = .none
        talk()
    }

    /// The connection is gone, or it is tired of it.
    func vanish() { isGone = true }

    private func talk() {
        while !isGone, tls == .none, hasHeard {
            guard let next = plan.first else {
                guard owed <= 0 else { return }
                isGone = true
                return leave()
            }
            if isNeeded, owed <= 0 {
                isNeeded = false
                if lastCode >= 400 { plan = [.line(Array("QUIT\r\n".utf8))] }
                continue
            }
            switch next {
            case .needed(let octets):
                guard owed <= 0 else { return }
                isNeeded = true
                say(octets)
            case .startTLS:
                guard owed <= 0 else { return }
                tls = .asked
                say(Array("STARTTLS\r\n".utf8))
            case .line(let octets):
                guard owed <= 0 || (manner != .polite && !isNeeded) else { return }
                say(octets)
            case .content(let octets):
                guard manner == .reckless || owed <= 0 else { return }
                if manner == .reckless || lastCode == 354 { say(octets) } else { plan.removeFirst() }
            }
        }
    }

    private func say(_ octets: [UInt8]) {
        plan.removeFirst()
        owed += 1
        send(octets)
    }
}
