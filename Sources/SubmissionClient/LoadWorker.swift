import Histogram
import NIOCore

/// One event loop's part of a load run: its connections and its tally. Never leaves its loop.
final class LoadWorker {
    /// Handshakes at a time: a listener's backlog holds no thousand.
    private static let maxConnecting = 64

    let shared: LoadState
    let loop: any EventLoop
    let secrets = SaltedSecrets()
    var tally = LoadReport()
    private var slots: [LoadSlot] = []
    private var connecting = 0
    private var waiting: [LoadSlot] = []

    init(_ shared: LoadState, on loop: any EventLoop) {
        self.shared = shared
        self.loop = loop
    }

    /// `promise` is fulfilled when the slot has nothing left to do.
    func add(_ promise: EventLoopPromise<Void>) {
        let slot = LoadSlot(self, promise)
        slots.append(slot)
        slot.begin()
    }

    func wantsConnection(_ slot: LoadSlot) {
        guard connecting < Self.maxConnecting else { return waiting.append(slot) }
        connecting += 1
        slot.connect()
    }

    func connectionSettled() {
        connecting -= 1
        if let next = waiting.popLast() { wantsConnection(next) }
    }

    /// The reason that several connections have in common: Gatepost's refusals end with an id of each one's own.
    private static func withoutID(_ reason: String) -> String {
        guard reason.hasSuffix(")"), let id = reason.ranges(of: " (id ").last else { return reason }
        return String(reason[..<id.lowerBound])
    }

    func count(failure: any Error) {
        tally.failures[Self.withoutID("\(failure)"), default: 0] += 1
    }
}
