internal import Glibc
internal import Postgres
internal import Synchronization

/// Stands between a node and PostgreSQL on loopback and breaks the connection where a test wants it broken.
///
/// It reads just enough of the protocol to know statements and the end of their answers.
package final class CuttingProxy: Sendable {
    package enum Fault: Sendable, CaseIterable {
        /// The server never sees the statement.
        case cutBeforeRequest
        /// It sees half of it.
        case cutInRequest
        /// It sees all of it, and may run it to its commit; the client sees nothing.
        case cutAfterRequest
        /// It has answered and is ready again, so it has committed; the client sees nothing.
        case cutBeforeReply
        /// The client sees the answer's first half.
        case cutInReply
        /// The answer waits for `release()`.
        case holdReply
    }

    package let port: Int
    private let listener: Int32
    private let shared: Shared

    /// - Parameter fault: asked for each statement: its name if it was prepared under one, else its text.
    package init(to target: Int, fault: @escaping @Sendable (_ statement: String) -> Fault? = { _ in nil }) {
        shared = Shared(target: target, fault: fault)
        (listener, port) = Loopback.listen(backlog: 64)
        startThread(name: "proxy") { [listener, shared] in
            while case let client = accept(listener, nil, nil), client >= 0 { shared.serve(client) }
        }
    }

    deinit { shutdown() }

    /// How many statements of this name (or with this text in them) have been seen.
    package func count(_ statement: String) -> Int {
        shared.state.withLock { state in state.seen.reduce(0) { $0 + ($1.key.contains(statement) ? $1.value : 0) } }
    }

    /// How often it has cut.
    package var cuts: Int { shared.state.withLock { $0.cuts } }

    /// Lets held answers go.
    package func release() { shared.state.withLock { $0.generation += 1 } }

    /// Ends every connection, and takes new ones only while `isOpen`.
    package func cutAll(thenOpen isOpen: Bool = true) {
        let links = shared.state.withLock { state in
            state.isOpen = isOpen
            return state.links
        }
        for link in links { link.cut() }
    }

    package func open() { shared.state.withLock { $0.isOpen = true } }

    package func shutdown() {
        cutAll(thenOpen: false)
        Glibc.shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }
}

/// What the proxy's threads share.
private final class Shared: Sendable {
    struct State {
        var isOpen = true
        var links: [Link] = []
        var seen: [String: Int] = [:]
        var cuts = 0
        var generation = 0
    }

    let state = Mutex(State())
    let target: Int
    let fault: @Sendable (String) -> CuttingProxy.Fault?

    init(target: Int, fault: @escaping @Sendable (String) -> CuttingProxy.Fault?) {
        self.target = target
        self.fault = fault
    }

    func serve(_ client: Int32) {
        let server = Loopback.stream()
        guard state.withLock({ $0.isOpen }), Loopback.connect(server, to: target) else {
            close(server)
            close(client)
            return
        }
        Loopback.sendAtOnce(client, server)
        let link = Link(client: client, server: server, shared: self)
        state.withLock { $0.links.append(link) }
        startThread(name: "proxy up") { link.carryRequests() }
        startThread(name: "proxy down") { link.carryReplies() }
    }

    func forget(_ link: Link) { state.withLock { state in state.links.removeAll { $0 === link } } }
}

/// One connection through the proxy, carried by two threads; the sockets are closed when both have ended.
private final class Link: Sendable {
    private let client: Int32
    private let server: Int32
    private let shared: Shared
    private let pending = Mutex<(fault: CuttingProxy.Fault, generation: Int)?>(nil)
    private let ended = Atomic<Int>(0)

    init(client: Int32, server: Int32, shared: Shared) {
        self.client = client
        self.server = server
        self.shared = shared
    }

    func cut() {
        shutdown(client, Int32(SHUT_RDWR))
        shutdown(server, Int32(SHUT_RDWR))
    }

    func carryRequests() {
        var messages = MessageReader(startsPlain: true)
        var text = ""
        reading: while let chunk = receive(client) {
            messages.append(chunk)
            while let message = messages.next() {
                if message.type == UInt8(ascii: "P") { text = message.strings(2).last ?? "" }
                guard message.type == UInt8(ascii: "B") else {
                    guard Loopback.send(message.octets, over: server) else { break reading }
                    let isEnd = message.type == UInt8(ascii: "S")
                    if isEnd, pending.withLock({ $0?.fault == .cutAfterRequest }) {
                        countCut()
                        break reading
                    }
                    continue
                }
                let name = message.strings(2).last ?? ""
                let statement = name.isEmpty ? text : name
                shared.state.withLock { $0.seen[statement, default: 0] += 1 }
                let fault = shared.fault(statement)
                switch fault {
                case .cutBeforeRequest:
                    countCut()
                    break reading
                case .cutInRequest:
                    countCut()
                    _ = Loopback.send(message.octets.prefix(message.octets.count / 2), over: server)
                    break reading
                case .cutAfterRequest, .cutBeforeReply, .cutInReply, .holdReply, nil:
                    let generation = shared.state.withLock { $0.generation }
                    pending.withLock { $0 = fault.map { ($0, generation) } }
                    guard Loopback.send(message.octets, over: server) else { break reading }
                }
            }
        }
        end()
    }

    func carryReplies() {
        var messages = MessageReader(startsPlain: false)
        var answer: [UInt8] = []
        reading: while let chunk = receive(server) {
            guard let (fault, generation) = pending.withLock({ $0 }), fault != .cutAfterRequest else {
                guard Loopback.send(chunk, over: client) else { break }
                continue
            }
            messages.append(chunk)
            answer += chunk
            while let type = messages.nextType() {
                guard type == UInt8(ascii: "Z") else { continue }
                switch fault {
                case .holdReply:
                    while shared.state.withLock({ $0.generation == generation && $0.isOpen }) { usleep(1000) }
                    pending.withLock { $0 = nil }
                    guard Loopback.send(answer, over: client) else { break reading }
                    answer = []
                case .cutInReply:
                    countCut()
                    _ = Loopback.send(answer.prefix(answer.count / 2), over: client)
                    break reading
                case .cutBeforeReply, .cutBeforeRequest, .cutInRequest, .cutAfterRequest:
                    countCut()
                    break reading
                }
            }
        }
        end()
    }

    private func countCut() { shared.state.withLock { $0.cuts += 1 } }

    private func end() {
        cut()
        guard ended.add(1, ordering: .sequentiallyConsistent).newValue == 2 else { return }
        shared.forget(self)
        close(client)
        close(server)
    }
}

/// Cuts a stream into the protocol's messages: a type, a length, the rest. The first of a client has no type.
private struct MessageReader {
    struct Message {
        let type: UInt8
        let octets: [UInt8]

        /// The first zero-terminated strings after the length.
        func strings(_ count: Int) -> [String] {
            var rest = octets.dropFirst(5)
            return (0..<count).map { _ in
                let text = rest.prefix { $0 != 0 }
                rest = rest.dropFirst(text.count + 1)
                return String(decoding: text, as: UTF8.self)
            }
        }
    }

    private var buffer: [UInt8] = []
    private var isPlain: Bool

    init(startsPlain: Bool) { isPlain = startsPlain }

    mutating func append(_ octets: [UInt8]) { buffer += octets }

    mutating func next() -> Message? {
        guard let count else { return nil }
        let message = Message(type: isPlain ? 0 : buffer[0], octets: Array(buffer[..<count]))
        buffer.removeFirst(count)
        isPlain = false
        return message
    }

    /// The same for whoever does not want the octets. (Swift 6.3.1, -O: a copy that nobody reads is released before it is
    /// filled, and what has its memory by then is written over.)
    mutating func nextType() -> UInt8? {
        guard let count else { return nil }
        let type = isPlain ? 0 : buffer[0]
        buffer.removeFirst(count)
        isPlain = false
        return type
    }

    /// Octets of the first message; nil while it is not all here.
    private var count: Int? {
        let head = isPlain ? 0 : 1
        guard buffer.count >= head + 4 else { return nil }
        let length = buffer[head..<(head + 4)].reduce(0) { $0 << 8 | Int($1) }
        return buffer.count >= head + length ? head + length : nil
    }
}

private func receive(_ socket: Int32) -> [UInt8]? {
    var chunk = [UInt8](repeating: 0, count: 65536)
    let count = recv(socket, &chunk, chunk.count, 0)
    return count > 0 ? Array(chunk[..<count]) : nil
}
