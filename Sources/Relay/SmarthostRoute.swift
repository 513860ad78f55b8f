package import Delivery
import NIOCore
package import SMTP

/// The `smarthost` route: everything goes on to one other mail server, while the forwarder waits, and what that server
/// says of each recipient is the answer.
package struct SmarthostRoute: Route {
    private let client: NextHopClient
    private let name: String
    /// The forwarder waits ten minutes for what is said of a message (RFC 5321 §4.5.3.2.6), and then has it tried again:
    /// what has not gone on by then must not go on, or it is delivered twice.
    private static let patience = Duration.seconds(540)

    /// - Parameter name: the server's, for the replies.
    package init(_ client: NextHopClient, name: String) {
        self.client = client
        self.name = name
    }

    @concurrent package func deliver(_ arrival: Arrival) async -> [Reply] {
        let envelope = arrival.envelope
        var content = ByteBuffer()
        // All of it at once: a buffer that grows would copy the message again.
        content.reserveCapacity(arrival.size)
        content.writeImmutableBuffer(arrival.trace)
        content.writeImmutableBuffer(arrival.content)
        let transaction = DeliveryDialogue.Transaction(
            sender: envelope.sender, submitter: nil, recipients: envelope.recipients,
            parameters: envelope.parameters, content: content,
            isEightBit: arrival.content.readableBytesView.contains { $0 >= 0x80 })
        return await client.deliver(transaction, within: Self.patience).map { Self.reply(to: $0, from: name) }
    }

    /// The remote's own code and words, or ours where it said nothing that could be passed on. 421 would end our
    /// connection, and a 5xx that is not about the message (its wish for TLS or a login, 552 to a RCPT) is no refusal of
    /// it: both become 451.
    static func reply(to outcome: DeliveryDialogue.Outcome, from name: String) -> Reply {
        let remote = outcome.reply
        let code: Int
        switch outcome {
        case .delivered, .bounced: code = remote.code
        case .deferred: code = remote.code >= 500 || remote.code == 421 ? 451 : remote.code
        }
        let enhanced = remote.enhanced.flatMap { $0.statusClass == code / 100 ? $0 : nil }
        return Reply(
            code, enhanced ?? EnhancedCode(code / 100, 0, 0),
            String(remote.words(of: name).prefix(400)))
    }
}
