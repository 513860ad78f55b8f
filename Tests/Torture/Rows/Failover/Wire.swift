internal import Glibc
internal import Postgres
internal import Synchronization

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
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listens = withUnsafeMutablePointer(to: &address) { [listener] pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && getsockname(listener, $0, &length) == 0 && listen(listener, 128) == 0
            }
        }
        precondition(listens, "a wire cannot listen")
        port = Int(UInt16(bigEndian: address.sin_port))
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

    fileprivate static func loopback(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
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
            let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = Wire.loopback(target)
            let isThrough =
                passes()
                && withUnsafeMutablePointer(to: &address) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                    }
                }
            guard isThrough else {
                close(server)
                close(client)
                return
            }
            var one: Int32 = 1
            for end in [client, server] {
                setsockopt(end, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
            }
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
        reading: while case let count = recv(source, &chunk, chunk.count, 0), count > 0, passes() {
            var sent = 0
            while sent < count {
                let more = chunk[sent..<count].withUnsafeBytes {
                    send(target, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard more > 0 else { break reading }
                sent += more
            }
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
