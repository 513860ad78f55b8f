package import NIOCore
import Synchronization

/// The live connections of one role: counted, reachable by an event, waited for at shutdown.
package final class ChannelRegistry: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter = 0
    }

    private let state = Mutex(State())
    private let limit: Int

    /// - Parameter limit: connections at a time; `admit` refuses what comes beyond.
    package init(limit: Int) { self.limit = limit }

    package var count: Int { state.withLock { $0.channels.count } }

    /// Takes the channel in until it closes; false when the limit is reached.
    package func admit(_ channel: any Channel) -> Bool {
        let admitted = state.withLock { state in
            guard state.channels.count < limit else { return false }
            state.channels[ObjectIdentifier(channel)] = channel
            return true
        }
        if admitted {
            channel.closeFuture.whenComplete { _ in self.remove(channel) }
        }
        return admitted
    }

    /// Fires a user inbound event in every channel, in one go for each event loop.
    package func broadcast(_ event: some Sendable) {
        let channels = state.withLock { Array($0.channels.values) }
        for (_, group) in Dictionary(grouping: channels, by: { ObjectIdentifier($0.eventLoop) }) {
            group[0].eventLoop.execute {
                for channel in group where channel.isActive {
                    channel.pipeline.syncOperations.fireUserInboundEventTriggered(event)
                }
            }
        }
    }

    /// How long they have to say their last words, and to be heard.
    private static let lastWords = Duration.seconds(1)

    /// Waits until the last channel has closed, `grace` at most; then tells what is left, and closes it.
    package func drain(within grace: Duration) async {
        await untilEmpty(for: grace)
        if count > 0 {
            broadcast(ShutdownOverdue())
            await untilEmpty(for: Self.lastWords)
        }
        let left = state.withLock { Array($0.channels.values) }
        for channel in left {
            try? await channel.close().get()
        }
    }

    private func remove(_ channel: any Channel) {
        let waiting = state.withLock { state in
            state.channels[ObjectIdentifier(channel)] = nil
            guard state.channels.isEmpty else { return [CheckedContinuation<Void, Never>]() }
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for continuation in waiting { continuation.resume() }
    }

    private func untilEmpty(for patience: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.untilEmpty() }
            group.addTask { try? await Task.sleep(for: patience) }
            await group.next()
            group.cancelAll()
        }
    }

    private func untilEmpty() async {
        let ticket = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDone = state.withLock { state in
                    if state.channels.isEmpty || Task.isCancelled { return true }
                    state.waiting[ticket] = continuation
                    return false
                }
                if isDone { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: ticket) }?.resume()
        }
    }
}

/// Sent to every channel when the role shuts down: end what is idle, finish what is under way.
package struct ShutdownRequested: Sendable {
    package init() {}
}

/// Sent to every channel that is left when the time for that is over: say why, and end.
package struct ShutdownOverdue: Sendable {
    package init() {}
}
