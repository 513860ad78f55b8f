package import NIOCore
internal import NIOPosix
internal import Network
package import TLS

/// One connection, one message: what a quickstart or a check sends.
package struct SingleMessage: Sendable {
    package let host: String
    package let port: Int
    package var configuration: ClientDialogue.Configuration
    package var tls: ClientHandler.TLSOptions?
    package var timeout: TimeAmount

    package init(
        host: String, port: Int, configuration: ClientDialogue.Configuration, tls: ClientHandler.TLSOptions?,
        timeout: TimeAmount = .seconds(30)
    ) {
        self.host = host
        self.port = port
        self.configuration = configuration
        self.configuration.keepsReplies = true
        self.tls = tls
        self.timeout = timeout
    }

    package struct Report: Sendable {
        package let outcome: ClientDialogue.Outcome
        package let session: TLSSession?
    }

    /// `content` is dot-stuffed and ends with CRLF. Throws what kept the message from being offered at all.
    package func send(_ envelope: ClientDialogue.Envelope, content: ByteBuffer) async throws -> Report {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let promise = eventLoop.makePromise(of: Report.self)
        ClientBootstrap(group: eventLoop).connectTimeout(timeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let owner = Owner(envelope, content, promise)
                    let handler = ClientHandler(
                        configuration, tls: tls, secrets: SaltedSecrets(), timeout: timeout, owner: owner)
                    owner.keepAlive = owner
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .connect(host: host, port: port).whenFailure { promise.fail(Unreachable($0, host, port)) }
        return try await promise.futureResult.get()
    }

    private final class Owner: ClientOwner {
        private let envelope: ClientDialogue.Envelope
        private let content: ByteBuffer
        private let promise: EventLoopPromise<Report>
        private var report: Report?
        /// The handler does not own its owner: this one owns itself until the connection has ended.
        var keepAlive: Owner?

        init(_ envelope: ClientDialogue.Envelope, _ content: ByteBuffer, _ promise: EventLoopPromise<Report>) {
            self.envelope = envelope
            self.content = content
            self.promise = promise
        }

        func clientIsReady(_ client: ClientHandler) {
            if report == nil { client.send(envelope, content: content) } else { client.quit() }
        }

        func client(_ client: ClientHandler, finished outcome: ClientDialogue.Outcome) {
            report = Report(outcome: outcome, session: client.session)
        }

        func client(_ client: ClientHandler, ended failure: (any Error)?) {
            if let report {
                promise.succeed(report)
            } else {
                promise.fail(failure ?? ClientHandler.ConnectionLost())
            }
            keepAlive = nil
        }
    }
}

/// A server that cannot be connected to, in few words.
package struct Unreachable: Error, CustomStringConvertible {
    package let description: String

    package init(_ error: any Error, _ host: String, _ port: Int) {
        description = "cannot connect to \(host):\(port): \(ConnectFailure(error))"
    }
}
