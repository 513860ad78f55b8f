import Glibc

/// A loopback port that nothing listens on just now.
package enum FreePort {
    package static func find() -> Int {
        let (socket, port) = Loopback.bound()
        close(socket)
        return port
    }
}
