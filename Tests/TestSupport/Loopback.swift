import Glibc

/// TCP on 127.0.0.1, by sockets alone: for proxies and clients that must not know more of it than a test does.
package enum Loopback {
    /// A socket that listens on a free port.
    package static func listen(backlog: Int32 = 128) -> (socket: Int32, port: Int) {
        while true {
            let port = FreePort.find()
            // (A stranger may have been faster.)
            guard let listener = bound(to: port) else { continue }
            precondition(Glibc.listen(listener, backlog) == 0, "it cannot listen")
            return (listener, port)
        }
    }

    /// A socket that has the port and does nothing with it; nil: another has it.
    static func bound(to port: Int) -> Int32? {
        let one = stream()
        precondition(one >= 0, "no socket")
        var address = address(port: port)
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(one, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isBound else {
            close(one)
            return nil
        }
        return one
    }

    package static func stream() -> Int32 { socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) }

    /// Whether it is connected; one that must not block is not yet.
    @discardableResult
    package static func connect(_ socket: Int32, to port: Int) -> Bool {
        var address = address(port: port)
        return withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    /// What is written goes at once, in pieces as small as it was written in.
    package static func sendAtOnce(_ sockets: Int32...) {
        var one: Int32 = 1
        for socket in sockets {
            setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    /// All of it; false where the connection has ended.
    package static func send(_ octets: some RandomAccessCollection<UInt8>, over socket: Int32) -> Bool {
        let all = Array(octets)
        var sent = 0
        while sent < all.count {
            let count = all[sent...].withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    private static func address(port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }
}
