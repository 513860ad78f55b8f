internal import Glibc
internal import Synchronization

/// Lets other threads interrupt one that waits for a socket.
final class WakePipe: Sendable {
    enum Woken: UInt8 {
        case startAgain = 1
        case end, readable
    }

    private let reading: Int32
    private let writing: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        precondition(pipe(&ends) == 0, "no pipe: errno \(errno)")
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        (reading, writing) = (ends[0], ends[1])
    }

    deinit {
        close(reading)
        close(writing)
    }

    func post(_ message: Woken) {
        var octet = message.rawValue
        _ = write(writing, &octet, 1)
    }

    /// A message first, then `.readable` for the socket; nil when the time has passed.
    func wait(alongside descriptor: Int32, atMost limit: Duration) -> Woken? {
        var both = [
            pollfd(fd: reading, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        ]
        let ready = poll(&both, 2, Int32(clamping: Int64(limit / .milliseconds(1))))
        guard ready > 0 else { return nil }
        guard both[0].revents != 0 else { return .readable }
        var octet: UInt8 = 0
        return read(reading, &octet, 1) == 1 ? Woken(rawValue: octet) : nil
    }
}
