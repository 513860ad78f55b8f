internal import Glibc
internal import Synchronization

/// Hears NOTIFY on a thread of its own (`poll` on the connection and a wake pipe), and reconnects by itself.
///
/// Whatever was notified while the connection was lost is lost too: after `.lost` and after each `.connected`, caches
/// must be emptied. LISTEN is never part of a transaction.
package final class Listener: Sendable {
    package enum Event: Sendable, Equatable {
        case connected
        /// The connection broke, or could not be made. Sent once per outage, with the reason for the log.
        case lost(String)
        case notification(channel: String, payload: String)
    }

    package let events: AsyncStream<Event>
    private let pipe: WakePipe

    /// - Parameter channels: constant identifiers, for LISTEN takes no parameters.
    package init(_ configuration: DatabaseConfiguration, channels: [StaticString]) {
        let (events, continuation) = AsyncStream.makeStream(of: Event.self)
        self.events = events
        let pipe = WakePipe()
        self.pipe = pipe
        startThread(name: "listener") {
            listen(configuration, channels.map { "\($0)" }, pipe) { continuation.yield($0) }
            continuation.finish()
        }
    }

    deinit { pipe.close() }

    /// Ends the thread and the stream of events.
    package func shutdown() { pipe.close() }
}

/// So many different words that come at once are told as they are; more of them as the one word `many`, which readers do not
/// know and take for a change of everything.
private let manyAtOnce = 100

/// The listener's thread: connect, listen, again, until the pipe closes.
private func listen(
    _ configuration: DatabaseConfiguration, _ channels: [String], _ pipe: WakePipe, _ emit: (Listener.Event) -> Void
) {
    var wasLost = false
    var pause = 0.1
    while !pipe.isClosed {
        do {
            let connection = try BlockingConnection(configuration)
            for channel in channels { try connection.script("LISTEN \(channel)") }
            (wasLost, pause) = (false, 0.1)
            emit(.connected)
            try follow(connection, pipe, emit)
        } catch {
            if !wasLost { emit(.lost(error.description)) }
            wasLost = true
            if pipe.wait(alongside: -1, milliseconds: Int32(pause * 1000)) == .closed { return }
            pause = min(pause * 2, 2)
        }
    }
}

private func follow(
    _ connection: BlockingConnection, _ pipe: WakePipe, _ emit: (Listener.Event) -> Void
) throws(DatabaseError) {
    while true {
        var heard: [(channel: String, payload: String)] = []
        var known: Set<String> = []
        for (channel, payload) in try connection.notifications() where known.insert(channel + " " + payload).inserted {
            heard.append((channel, payload))
        }
        if let first = heard.first, heard.count > manyAtOnce {
            // Anybody who may connect may notify: a flood is one word, ten times a second.
            emit(.notification(channel: first.channel, payload: "many"))
            if pipe.wait(alongside: -1, milliseconds: 100) == .closed { return }
        } else {
            for (channel, payload) in heard { emit(.notification(channel: channel, payload: payload)) }
        }
        switch pipe.wait(alongside: connection.socket, milliseconds: 15_000) {
        case .closed: return
        case .readable: continue
        case .timedOut:  // the time-out doubles as heartbeat
            _ = try connection.query("SELECT 1", [], deadline: .now + .seconds(10))
        }
    }
}

/// A pipe whose closing wakes a thread in `poll`.
private final class WakePipe: Sendable {
    enum Woken { case closed, readable, timedOut }

    private let reading: Int32
    private let writing: Mutex<Int32>

    init() {
        var ends: [Int32] = [-1, -1]
        precondition(pipe(&ends) == 0, "no pipe: errno \(errno)")
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        reading = ends[0]
        writing = Mutex(ends[1])
    }

    deinit {
        close()
        Glibc.close(reading)
    }

    var isClosed: Bool { writing.withLock { $0 } < 0 }

    func close() {
        writing.withLock { end in
            if end >= 0 { Glibc.close(end) }
            end = -1
        }
    }

    func wait(alongside descriptor: Int32, milliseconds: Int32) -> Woken {
        var both = [
            pollfd(fd: reading, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        ]
        let ready = poll(&both, 2, milliseconds)
        if isClosed { return .closed }
        return ready == 0 ? .timedOut : .readable
    }
}
