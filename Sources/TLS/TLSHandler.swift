package import NIOCore

/// TLS on one connection, on that connection's event loop.
package final class TLSHandler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    package enum Mode: Sendable, Hashable {
        case server
        /// A DNS name or an IP address. Checked against the certificate when the context has authorities.
        case client(serverName: String)
    }

    private let context: TLSContext
    private let mode: Mode
    package private(set) var session: TLSSession?

    package init(context: TLSContext, mode: Mode) {
        self.context = context
        self.mode = mode
    }

    package func exportKeyingMaterial(label: String, length: Int) throws(TLSError) -> [UInt8] { throw .notEstablished }

    package func channelBinding() throws(TLSError) -> [UInt8] {
        try exportKeyingMaterial(label: "EXPORTER-Channel-Binding", length: 32)
    }
}
