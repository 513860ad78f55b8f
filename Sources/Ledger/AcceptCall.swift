package import NIOCore
package import Postgres
internal import SMTP

/// One call of `ledger.accept`: which messages, under which ids. Sent again, it is another call.
package struct AcceptCall: Sendable {
    package let batch: MessageID
    package let owner: MessageID?
    package let items: [AcceptItem]
    /// One for each item.
    package let ids: [MessageID]
    private let traces: [ByteBuffer]

    static let statement = """
        SELECT * FROM ledger.accept($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
            $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29)
        """

    /// - Parameters:
    ///   - owner: whom what is accepted is leased to; nil: it is stored free.
    ///   - now: by the database's clock.
    ///   - makeID: a new id for the moment.
    package init(
        _ items: [AcceptItem], owner: MessageID?, now: Instant,
        makeID: (Instant) -> MessageID = { MessageID(at: $0) }
    ) {
        let seconds = now.microseconds / 1_000_000
        self.owner = owner
        self.items = items
        batch = makeID(now)
        ids = items.map { _ in makeID(now) }
        traces = zip(ids, items).map { $1.request.trace($0, seconds) }
    }

    /// Column by column, each value written once from where it is.
    func write(into writer: ParameterWriter) {
        let cost = items.reduce(4096) { $0 + $1.cost + $1.request.recipients.count * 128 }
        writer.reset(reserving: cost)
        writer.uuid(batch)
        if let owner { writer.uuid(owner) } else { writer.null(.uuid) }
        writer.array(.uuidArray, of: .uuid, count: ids.count) { for id in ids { writer.element(id) } }
        column(.int8Array, .int8, writer) { writer.element($0.request.tenantID) }
        column(.int8Array, .int8, writer) { writer.element($0.request.credentialID) }
        column(.int8Array, .int8, writer) { writer.element($0.request.loginID) }
        column(.textArray, .text, writer) { writer.element($0.request.sender.description) }
        column(.textArray, .text, writer) { writer.element($0.request.senderDomain) }
        column(.textArray, .text, writer) { writer.element($0.request.fromDomain.name) }
        writer.array(.byteaArray, of: .bytea, count: items.count) {
            for (item, trace) in zip(items, traces) {
                writer.element {
                    trace.withUnsafeReadableBytes { writer.append($0) }
                    item.request.content.withUnsafeReadableBytes { writer.append($0) }
                }
            }
        }
        column(.int8Array, .int8, writer) { writer.element(Int64($0.request.size)) }
        column(.byteaArray, .bytea, writer) { writer.element($0.request.resubmissionDigest) }
        column(.textArray, .text, writer) { writer.element($0.request.clientAddress) }
        column(.byteaArray, .bytea, writer) { item in
            writer.element { item.request.heloName.withBytes { writer.append($0) } }
        }
        column(.textArray, .text, writer) { writer.element($0.request.messageIDHeader) }

        let recipients = items.reduce(0) { $0 + $1.request.recipients.count }
        writer.array(.int4Array, of: .int4, count: recipients) {
            for (index, item) in items.enumerated() {
                for _ in item.request.recipients { writer.element(Int32(index + 1)) }
            }
        }
        writer.array(.textArray, of: .text, count: recipients) {
            for item in items { for one in item.request.recipients { writer.element(one.mailbox.description) } }
        }
        writer.array(.textArray, of: .text, count: recipients) {
            for item in items { for one in item.request.recipients { writer.element(one.mailbox.domain.name) } }
        }
        writeExtensions(into: writer, recipients: recipients)
    }

    /// What travels with a message (RFC 6152, 3030, 6531, 3461), and the authors beside the first.
    private func writeExtensions(into writer: ParameterWriter, recipients: Int) {
        column(.textArray, .text, writer) { writer.element($0.request.parameters.body.word) }
        column(.boolArray, .bool, writer) { writer.element($0.request.parameters.isInternationalized) }
        column(.textArray, .text, writer) { writer.element($0.request.parameters.returnContent?.word) }
        column(.textArray, .text, writer) { writer.element($0.request.parameters.envelopeID) }
        writer.array(.int4Array, of: .int4, count: recipients) {
            for item in items {
                for one in item.request.recipients {
                    if let notify = one.notify { writer.element(Int32(notify.rawValue)) } else { writer.elementNull() }
                }
            }
        }
        writer.array(.textArray, of: .text, count: recipients) {
            for item in items { for one in item.request.recipients { writer.element(one.originalRecipient) } }
        }
        let authors = items.reduce(0) { $0 + $1.request.otherAuthorDomains.count }
        writer.array(.int4Array, of: .int4, count: authors) {
            for (index, item) in items.enumerated() {
                for _ in item.request.otherAuthorDomains { writer.element(Int32(index + 1)) }
            }
        }
        writer.array(.textArray, of: .text, count: authors) {
            for item in items { for domain in item.request.otherAuthorDomains { writer.element(domain.name) } }
        }
        writeOrigin(into: writer)
    }

    /// The sessions, and the addresses that headers speak for.
    private func writeOrigin(into writer: ParameterWriter) {
        column(.uuidArray, .uuid, writer) { writer.element($0.request.session) }
        let addresses = items.reduce(0) { $0 + $1.request.fromAddresses.count }
        writer.array(.int4Array, of: .int4, count: addresses) {
            for (index, item) in items.enumerated() {
                for _ in item.request.fromAddresses { writer.element(Int32(index + 1)) }
            }
        }
        writer.array(.textArray, of: .text, count: addresses) {
            for item in items { for address in item.request.fromAddresses { writer.element(address) } }
        }
    }

    /// (It is given the item, for a request is twenty references to count where it is copied.)
    private func column(
        _ type: TypeID, _ element: TypeID, _ writer: ParameterWriter, _ write: (AcceptItem) -> Void
    ) {
        writer.array(type, of: element, count: items.count) { for item in items { write(item) } }
    }

    /// A message as it is stored: our Received field, then what the client sent.
    package func content(_ index: Int) -> ByteBuffer {
        let request = items[index].request
        var content = traces[index]
        content.reserveCapacity(minimumWritableBytes: request.content.readableBytes)
        content.writeImmutableBuffer(request.content)
        return content
    }

    /// A message that was accepted, as the forwarder of this node takes it from memory. Nil if it was stored free.
    ///
    /// - Parameter dropped: the numbers of recipients that were not stored: it goes to the others.
    func queued(_ index: Int, without dropped: [Int], acceptedAt: Instant) -> QueuedMessage? {
        guard let owner else { return nil }
        let request = items[index].request
        return QueuedMessage(
            id: ids[index], owner: owner, tenantID: request.tenantID, tenantSlug: request.tenantSlug,
            credentialName: request.credentialName, poolID: request.poolID, sender: request.sender,
            recipients: stored(index, without: dropped).map {
                QueuedMessage.Recipient(
                    number: Int32($0 + 1), envelope: request.recipients[$0], attempts: 0, lease: 0)
            },
            parameters: request.parameters, content: content(index), isEightBit: request.isEightBit,
            acceptedAt: acceptedAt,
            messageIDHeader: request.messageIDHeader, clientAddress: request.clientAddress)
    }

    /// What gives a message's recipients back to whoever claims them first.
    func releases(_ index: Int, without dropped: [Int]) -> [Settlement] {
        guard let owner else { return [] }
        return stored(index, without: dropped).map {
            Settlement(
                releasing: Owner.LeasedRecipient(messageID: ids[index], number: Int32($0 + 1), lease: 0),
                tenant: items[index].request.tenantID, owner: owner)
        }
    }

    /// The places, from 0, of the recipients that accept stored.
    private func stored(_ index: Int, without dropped: [Int]) -> [Int] {
        let all = items[index].request.recipients.indices
        return dropped.isEmpty ? Array(all) : all.filter { !dropped.contains($0 + 1) }
    }
}

extension AcceptRequest {
    fileprivate var senderDomain: String {
        switch sender {
        case .null: ""
        case .mailbox(let mailbox): mailbox.domain.name
        }
    }
}

extension String {
    fileprivate func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
        var copy = self
        copy.withUTF8 { body(UnsafeRawBufferPointer($0)) }
    }
}
