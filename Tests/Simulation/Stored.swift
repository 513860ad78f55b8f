import Ledger
import NIOCore
import Postgres
import SMTP

/// A row of `message` with its recipients'.
struct StoredMessage {
    enum State: Equatable { case queued, deferred, delivered, bounced }

    struct Recipient {
        var envelope: EnvelopeRecipient
        var state = State.queued
        var owner: MessageID?
        var lease: Int32 = 0
        var attempts: Int32 = 0
        var next: Moment

        var isFinal: Bool { state == .delivered || state == .bounced }
    }

    let id: MessageID
    let tenant: Int
    /// Which session's, and which of its messages.
    let origin: MessageID
    var recipients: [Recipient]
    /// Without our Received field, and with it.
    let content: ByteBuffer
    let whole: ByteBuffer
    let request: AcceptRequest
    let acceptedAt: Moment

    init(_ call: AcceptCall, _ index: Int, at moment: Moment) {
        request = call.items[index].request
        id = call.ids[index]
        tenant = call.items[index].tenant
        origin = request.session ?? MessageID(high: 0, low: 0)
        recipients = request.recipients.map { Recipient(envelope: $0, owner: call.owner, next: moment) }
        content = request.content
        whole = call.content(index)
        acceptedAt = moment
    }

    /// Those of its recipients that are leased to `owner`, as claim reads them back.
    func queued(_ numbers: [Int], owner: MessageID) -> QueuedMessage {
        QueuedMessage(
            id: id, owner: owner, tenantID: request.tenantID, tenantSlug: request.tenantSlug,
            credentialName: request.credentialName, poolID: request.poolID, sender: request.sender,
            recipients: numbers.map {
                QueuedMessage.Recipient(
                    number: Int32($0 + 1), envelope: recipients[$0].envelope, attempts: recipients[$0].attempts,
                    lease: recipients[$0].lease)
            }, parameters: request.parameters, content: whole, isEightBit: request.isEightBit,
            acceptedAt: Calendar.instant(acceptedAt), messageIDHeader: request.messageIDHeader,
            clientAddress: request.clientAddress)
    }
}
