import Glibc

/// What systemd wants to hear, and the sockets it hands over: datagrams and descriptors, without its library
/// (sd_notify(3), sd_listen_fds(3)).
enum ServiceManager {
    /// Tells the manager, where there is one. A path that begins with `@` is an abstract socket.
    static func notify(_ state: String, socketPath: String? = environment("NOTIFY_SOCKET")) {
        guard let path = socketPath, path.hasPrefix("/") || path.hasPrefix("@") else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var octets = Array(path.utf8)
        guard octets.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        if octets[0] == UInt8(ascii: "@") { octets[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: octets) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + octets.count)
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let message = Array(state.utf8)
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, message, message.count, Int32(MSG_NOSIGNAL), $0, length)
            }
        }
    }

    static func ready() { notify("READY=1") }
    static func stopping() { notify("STOPPING=1") }

    /// With the monotonic time, which `Type=notify-reload` asks for.
    static func reloading() {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        notify("RELOADING=1\nMONOTONIC_USEC=\(Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000)")
    }

    /// Half of the time within which the manager wants a sign of life; nil where it wants none.
    static var watchdogInterval: Duration? {
        guard let text = environment("WATCHDOG_USEC"), let microseconds = Int64(text), microseconds > 0 else {
            return nil
        }
        if let process = environment("WATCHDOG_PID"), process != "\(getpid())" { return nil }
        return .microseconds(microseconds / 2)
    }

    static func alive() { notify("WATCHDOG=1") }

    /// Descriptors of listening sockets that the manager has opened, by their names: `submission`, `submissions`,
    /// `relay`. Each is taken once.
    static func takeSockets(
        _ environment: (String) -> String? = Self.environment, process: Int32 = getpid()
    ) throws(Failure) -> [String: [Int32]] {
        guard environment("LISTEN_PID") == "\(process)", let text = environment("LISTEN_FDS"),
            let count = Int32(text), (1...1000).contains(count)
        else { return [:] }
        let names = (environment("LISTEN_FDNAMES") ?? "").split(separator: ":", omittingEmptySubsequences: false)
        var sockets: [String: [Int32]] = [:]
        for index in 0..<count {
            let name = names.indices.contains(Int(index)) ? String(names[Int(index)]) : ""
            guard ["submission", "submissions", "relay"].contains(name) else {
                throw Failure(
                    "socket \(index + 1) of the service manager is named `\(name.printable)`",
                    hint: "in the .socket unit, FileDescriptorName= must be submission, submissions or relay")
            }
            let descriptor = 3 + index
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            sockets[name, default: []].append(descriptor)
        }
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsetenv(name) }
        return sockets
    }

    static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
