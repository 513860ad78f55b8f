package import NIOCore

/// One timer for a whole session: moving the deadline costs a store, not a rescheduling.
///
/// Bound to the event loop it was made on.
package final class Deadline {
    private let eventLoop: any EventLoop
    private let expired: () -> Void
    private var expiry: NIODeadline
    /// When the timer fires: not after `expiry`.
    private var armed: NIODeadline
    private var timer: Scheduled<Void>?

    /// Calls `expired` once, on the loop, when the deadline has passed without having been moved.
    package init(after interval: TimeAmount, on eventLoop: any EventLoop, expired: @escaping () -> Void) {
        self.eventLoop = eventLoop
        self.expired = expired
        expiry = .now() + interval
        armed = expiry
        schedule()
    }

    /// Moves the deadline; a later one is noticed when the running timer fires.
    package func move(to interval: TimeAmount) {
        let moved = NIODeadline.now() + interval
        expiry = moved
        if moved < armed {
            timer?.cancel()
            schedule()
        }
    }

    package func cancel() {
        timer?.cancel()
        timer = nil
    }

    private func schedule() {
        armed = expiry
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        timer = eventLoop.scheduleTask(deadline: expiry) { bound.value.fired() }
    }

    private func fired() {
        guard timer != nil else { return }
        if NIODeadline.now() < expiry {
            schedule()
        } else {
            timer = nil
            expired()
        }
    }
}
