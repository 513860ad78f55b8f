import Glibc
import Synchronization

/// Ports on 127.0.0.1 that nothing listens on, each found once: also where test processes run beside each other, and where what
/// is to listen there does so later, or again. They lie below those that the kernel gives to connections.
package enum FreePort {
    package static func find() -> Int {
        block.withLock { block in
            while true {
                if block.isEmpty { block = reserved() }
                let port = block.removeFirst()
                if isFree(port) { return port }
            }
        }
    }

    private static let block = Mutex<Range<Int>>(0..<0)

    /// As many as one process uses up in minutes; no other process has them until this one ends.
    private static func reserved() -> Range<Int> {
        let size = 128
        for start in stride(from: 10_240, to: 32_768, by: size).shuffled() where isReserved("gatepost-ports-\(start)") {
            return start..<start + size
        }
        fatalError("every port is reserved")
    }

    /// The name is a Unix socket's without a file: it is free again when the process ends, however it ends.
    private static func isReserved(_ name: String) -> Bool {
        let holder = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        precondition(holder >= 0, "no socket")
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { path in
            for (index, octet) in name.utf8.enumerated() { path[index + 1] = octet }
        }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + 1 + name.utf8.count)
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(holder, $0, length) == 0 }
        }
        if !isBound { close(holder) }
        return isBound
    }

    private static func isFree(_ port: Int) -> Bool {
        let socket = Loopback.bound(to: port)
        if let socket { close(socket) }
        return socket != nil
    }
}
