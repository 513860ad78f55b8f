internal import Glibc
internal import Postgres
internal import Synchronization
internal import TestSupport

/// A stretch of network on loopback that can be cut: carries TCP connections to a port, or does not.
final class Wire: Sendable {
    enum State: Sendable {
        case whole
        /// As if packets were dropped: connections stay and nothing moves on them, new ones get no answer.
        case silent
        /// Every connection is reset, and new ones are closed.
        case cut
    }

    let port: Int
    private let listener: Int32
    private let shared: Shared

    init(to target: Int) {
        (listener, port) = Loopback.listen()
        shared = Shared(target: target)
        startThread(name: "wire") { [listener, shared] in
            while case let client = accept(listener, nil, nil), client >= 0 { shared.take(client) }
        }
    }

    deinit {
        shared.change(to: .cut)
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    func change(to state: State) { shared.change(to: state) }
}

/// What a wire's threads share.
private final class Shared: Sendable {
    private struct Links {
        var state = Wire.State.whole
        /// Both ends of each connection, by a number of its own.
        var open: [Int: (client: Int32, server: Int32)] = [:]
        var made = 0
    }

    private let links = Mutex(Links())
    private let target: Int

    init(target: Int) { self.target = target }

    func change(to state: Wire.State) {
        links.withLock { links in
            links.state = state
            guard state == .cut else { return }
            for (client, server) in links.open.values {
                shutdown(client, Int32(SHUT_RDWR))
                shutdown(server, Int32(SHUT_RDWR))
            }
        }
    }

    /// A new connection, on a thread of its own: while the wire is silent it must not hold up the next.
    func take(_ client: Int32) {
        startThread(name: "wire link") { [self] in
            let server = Loopback.stream()
            guard passes(), Loopback.connect(server, to: target) else {
                close(server)
                close(client)
                return
            }
            Loopback.sendAtOnce(client, server)
            let number = links.withLock { links in
                links.made += 1
                links.open[links.made] = (client, server)
                return links.made
            }
            let back = Ending()
            startThread(name: "wire back") { [self] in
                carry(from: server, to: client)
                back.finish()
            }
            carry(from: client, to: server)
            back.wait()
            _ = links.withLock { $0.open.removeValue(forKey: number) }
            close(client)
            close(server)
        }
    }

    /// Waits while the wire is silent. False when it is cut.
    private func passes() -> Bool {
        while true {
            switch links.withLock({ $0.state }) {
            case .whole: return true
            case .cut: return false
            case .silent: usleep(20_000)
            }
        }
    }

    private func carry(from source: Int32, to target: Int32) {
        var chunk = [UInt8](repeating: 0, count: 65536)
        while case let count = recv(source, &chunk, chunk.count, 0), count > 0, passes() {
            guard Loopback.send(chunk[..<count], over: target) else { break }
        }
        shutdown(source, Int32(SHUT_RDWR))
        shutdown(target, Int32(SHUT_RDWR))
    }
}

/// One thread's end that another waits for.
private final class Ending: Sendable {
    private let isOver = Mutex(false)
    func finish() { isOver.withLock { $0 = true } }
    func wait() { while !isOver.withLock({ $0 }) { usleep(2_000) } }
}
