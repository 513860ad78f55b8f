package import NIOCore
import NIOPosix
import Network
package import SMTP
import TLS

/// What a connection has to tell, in its order.
package enum DeliveryEvent: Sendable {
    /// Greeted, secured and logged in, or done with the last transaction: may deliver.
    case ready
    /// One for each recipient, in order; nil for those nobody was asked about. `ready`, `exhausted` or `failed` follows.
    case outcomes([DeliveryDialogue.Outcome?])
    /// Closed because nothing was to be delivered for a while.
    case retired
    /// Closed because the peer takes no more in one connection. Nobody is to blame.
    case exhausted
    /// Stopped before the final dot, for the lease is not ours beyond doubt: nothing was sent, no one is to blame.
    case abandoned
    /// The connection is of no more use; whoever has no outcome has none. Nothing comes after it.
    case failed(reason: String)
}

/// A connection to a next hop, as who delivers over it sees it: tells its events in order, on one loop.
package protocol Hop: AnyObject {
    /// What TLS was agreed on, for the outcome's log line; nil in the clear.
    var tlsVersion: String? { get }
    /// What the peer offers, once it is ready.
    var capabilities: DeliveryCapabilities? { get }
    func open()
    /// Only after `ready`.
    func deliver(_ transaction: DeliveryDialogue.Transaction)
    /// Takes leave and closes, reporting nothing; a transaction under way is the caller's to wait for first.
    func quit()
}

/// One connection to a next hop, opened, secured and logged in by itself. Bound to one event loop; after `ready` it takes
/// one message at a time.
package final class DeliveryConnection: Hop {
    private static let connectLimit = TimeAmount.seconds(10)

    package let hop: NextHop
    private let hostname: String
    private let tls: NextHopTLS
    private let eventLoop: any EventLoop
    private let mayFinish: () -> Bool
    private let report: (DeliveryEvent) -> Void
    private var handler: DeliveryHandler?
    private var isClosed = false

    /// - Parameters:
    ///   - hostname: ours, for EHLO.
    ///   - mayFinish: asked before the content is sent: is the message still ours to deliver?
    ///   - report: called on the loop.
    package init(
        to hop: NextHop, hostname: String, tls: NextHopTLS, on eventLoop: any EventLoop,
        mayFinish: @escaping () -> Bool, report: @escaping (DeliveryEvent) -> Void
    ) {
        self.hop = hop
        self.hostname = hostname
        self.tls = tls
        self.eventLoop = eventLoop
        self.mayFinish = mayFinish
        self.report = report
    }

    package var tlsVersion: String? { handler?.tlsVersion }
    package var capabilities: DeliveryCapabilities? { handler?.capabilities }

    package func open() { open(hop.tls) }

    package func deliver(_ transaction: DeliveryDialogue.Transaction) {
        guard let handler else { return report(.failed(reason: "the connection was closed")) }
        // The list by which its certificate was good may be another one by now.
        if let peer = handler.peer, tls.context(for: hop.tls)?.revocations?.condemnation(of: peer) != nil {
            return handler.fail("TLS: the certificate of \(hop.serverName) does not count any more")
        }
        handler.deliver(transaction)
    }

    package func quit() {
        isClosed = true
        handler?.quit()
    }

    private func open(_ mode: TLSMode) {
        let context = tls.context(for: mode)
        guard mode == .none || context != nil else {
            return report(
                .failed(reason: "TLS \(mode.rawValue) without certificates for it: see the forwarder's settings"))
        }
        let dialogue = DeliveryDialogue(
            wire: hop.wire, hostname: hostname, tls: mode.requirement, isImplicit: hop.isImplicitTLS && mode != .none,
            authenticates: hop.login != nil)
        let handler = DeliveryHandler(
            dialogue: dialogue, hop: hop, tls: context, mayFinish: mayFinish,
            report: { [weak self] event in self?.report(event) },
            handshakeFailed: { [weak self] reason in self?.handshakeFailed(reason, mode) })
        self.handler = handler
        let bound = NIOLoopBound(handler, eventLoop: eventLoop)
        let this = NIOLoopBound(self, eventLoop: eventLoop)
        ClientBootstrap(group: eventLoop)
            .connectTimeout(Self.connectLimit)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelOption(.recvAllocator, value: ReceiveAllocator())
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(bound.value)
                }
            }
            .connect(host: hop.host, port: hop.port)
            .whenFailure { error in
                guard !this.value.isClosed else { return }
                this.value.report(.failed(reason: "connect: \(ConnectFailure(error))"))
            }
    }

    /// Nothing was sent yet but hellos: where the clear will do, it is tried (RFC 7435 §3).
    private func handshakeFailed(_ reason: String, _ mode: TLSMode) {
        if mode == .opportunistic, !hop.isImplicitTLS, !isClosed {
            open(.none)
        } else {
            report(.failed(reason: reason))
        }
    }
}
