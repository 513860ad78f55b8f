internal import Postgres

/// One call of `ledger.settle`: outcomes of recipients that one owner holds, each recipient once.
struct SettleCall {
    let owner: MessageID
    let settlements: [Settlement]

    static let statement = "SELECT verdict FROM ledger.settle($1, $2, $3, $4, $5, $6, $7, $8, $9)"

    func write(into writer: ParameterWriter) {
        writer.reset(reserving: settlements.reduce(1024) { $0 + 128 + ($1.reply?.count ?? 0) })
        writer.uuid(owner)
        column(.int8Array, .int8, writer) { writer.element($0.tenantID) }
        column(.uuidArray, .uuid, writer) { writer.element($0.messageID) }
        column(.int4Array, .int4, writer) { writer.element($0.number) }
        column(.textArray, .text, writer) { writer.element($0.outcome.name) }
        column(.int4Array, .int4, writer) {
            if let code = $0.replyCode { writer.element(code) } else { writer.elementNull() }
        }
        column(.textArray, .text, writer) { writer.element($0.replyEnhanced) }
        column(.byteaArray, .bytea, writer) { writer.element($0.reply) }
        column(.timestamptzArray, .timestamptz, writer) { writer.element($0.outcome.nextAttempt) }
    }

    private func column(
        _ type: TypeID, _ element: TypeID, _ writer: ParameterWriter, _ write: (Settlement) -> Void
    ) {
        writer.array(type, of: element, count: settlements.count) { for one in settlements { write(one) } }
    }
}

extension Settlement.Outcome {
    fileprivate var name: String {
        switch self {
        case .delivered: "delivered"
        case .bounced: "bounced"
        case .deferred: "deferred"
        case .released: "released"
        }
    }

    fileprivate var nextAttempt: Instant? {
        switch self {
        case .delivered, .bounced: nil
        case .deferred(let until), .released(let until): until
        }
    }
}
