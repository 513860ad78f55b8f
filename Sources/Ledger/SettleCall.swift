internal import NIOCore
package import Postgres
internal import SMTP

/// Outcomes that are written together, and the report that tells of them.
package struct SettleGroup: Sendable {
    package var settlements: [Settlement]
    package var report: DeliveryReport?
}

/// One call of `ledger.settle`: outcomes of recipients that one owner holds, each recipient once.
package struct SettleCall: Sendable {
    package let owner: MessageID
    package let groups: [SettleGroup]
    package let settlements: [Settlement]
    private let reports: [DeliveryReport]

    static let statement = """
        SELECT verdict FROM ledger.settle($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
            $16)
        """

    init(owner: MessageID, groups: [SettleGroup]) {
        self.owner = owner
        self.groups = groups
        settlements = groups.flatMap(\.settlements)
        reports = groups.compactMap(\.report)
    }

    init(owner: MessageID, settlements: [Settlement]) {
        self.init(owner: owner, groups: [SettleGroup(settlements: settlements)])
    }

    func write(into writer: ParameterWriter) {
        writer.reset(
            reserving: settlements.reduce(1024) { $0 + 128 + ($1.reply?.count ?? 0) }
                + reports.reduce(0) { $0 + 256 + $1.content.readableBytes })
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
        writeReports(into: writer)
        column(.int4Array, .int4, writer) { writer.element($0.lease) }
    }

    private func writeReports(into writer: ParameterWriter) {
        guard !reports.isEmpty else {
            for type in [.int4Array, .textArray, .textArray, .byteaArray, .textArray, .boolArray] as [TypeID] {
                writer.null(type)
            }
            return
        }
        writer.array(.int4Array, of: .int4, count: settlements.count) {
            var place: Int32 = 0
            for group in groups {
                if group.report != nil { place += 1 }
                for one in group.settlements {
                    writer.element(group.report?.numbers.contains(one.number) == true ? place : 0)
                }
            }
        }
        let count = reports.count
        writer.array(.textArray, of: .text, count: count) { for one in reports { writer.element("\(one.recipient)") } }
        writer.array(.textArray, of: .text, count: count) {
            for one in reports { writer.element(one.recipient.domain.name) }
        }
        writer.array(.byteaArray, of: .bytea, count: count) {
            for one in reports { writer.element { one.content.withUnsafeReadableBytes { writer.append($0) } } }
        }
        writer.array(.textArray, of: .text, count: count) { for one in reports { writer.element(one.body.word) } }
        writer.array(.boolArray, of: .bool, count: count) {
            for one in reports { writer.element(one.isInternationalized) }
        }
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
        case .unreadable: "unreadable"
        }
    }

    fileprivate var nextAttempt: Instant? {
        switch self {
        case .delivered, .bounced: nil
        case .deferred(let until), .released(let until): until
        case .unreadable(let until): until
        }
    }
}
