package import Postgres

/// Something that happened: a row of `event`.
package struct EventRecord: Sendable, Hashable {
    /// Where it stands in the order of transactions; a reader goes on from it.
    package var position: String
    package var id: MessageID
    package var at: Instant
    package var kind: String
    package var tenant, credential: String?
    /// Of a refusal: the id that its reply names.
    package var message: MessageID?
    package var number: Int64?
    package var session: MessageID?
    package var replyCode: Int64?
    package var replyEnhanced: String?
    /// The remote's words as they came.
    package var reply: [UInt8]?
    /// A JSON object.
    package var detail: String?
}

/// Which events are wanted; nil: any.
package struct EventFilter: Sendable {
    package var tenant, credential, kind: String?
    package var message, session: MessageID?
    package var since, until: Instant?

    package init() {}
}

/// One step of a reader that follows the events.
package struct EventPage: Sendable {
    package var events: [EventRecord]
    /// Where to go on; nil: nothing new.
    package var position: String?
}

extension Administration {
    /// One page, newest first.
    ///
    /// - Parameter before: the position of the last event of the page before.
    package func events(
        _ filter: EventFilter, pageSize: Int32, before: String? = nil
    ) async throws(AdministrationError) -> [EventRecord] {
        try await read(
            """
            SELECT position, id, at, kind, tenant, credential_name, message_id, number, session, reply_code,
                   reply_enhanced, reply, detail
            FROM admin.event_list($1, $2, $3, $4, $5, $6, $7, $8, $9)
            """,
            [
                .optional(filter.tenant), .optional(filter.credential), .optional(filter.kind),
                .optional(filter.message), .optional(filter.session), .optional(filter.since), .optional(filter.until),
                .int32(pageSize), .optional(before),
            ], Self.event)
    }

    /// What follows a position in the order of transactions, as far as no older one can still come.
    ///
    /// - Parameters:
    ///   - position: nil: from now on; the answer holds where that is.
    ///   - pageSize: how many events are looked at, wanted or not.
    package func events(
        after position: String?, _ filter: EventFilter, pageSize: Int32
    ) async throws(AdministrationError) -> EventPage {
        let rows = try await read(
            """
            SELECT position, matches, id, at, kind, tenant, credential_name, message_id, number, session, reply_code,
                   reply_enhanced, reply, detail
            FROM admin.event_after($1, $2, $3, $4, $5, $6, $7)
            """,
            [
                .optional(position), .int32(pageSize), .optional(filter.tenant), .optional(filter.credential),
                .optional(filter.kind), .optional(filter.message), .optional(filter.session),
            ]
        ) { row in (try row.string("position"), try row.bool("matches") ? try Self.event(row) : nil) }
        return EventPage(events: rows.compactMap(\.1), position: rows.last?.0)
    }

    private static func event(_ row: Rows.Row) throws -> EventRecord {
        EventRecord(
            position: try row.string("position"), id: try row.uuid("id"), at: try row.timestamp("at"),
            kind: try row.string("kind"), tenant: try row.stringOrNil("tenant"),
            credential: try row.stringOrNil("credential_name"), message: try row.uuidOrNil("message_id"),
            number: try row.int64OrNil("number"), session: try row.uuidOrNil("session"),
            replyCode: try row.int64OrNil("reply_code"), replyEnhanced: try row.stringOrNil("reply_enhanced"),
            reply: try row.bytesOrNil("reply"), detail: try row.stringOrNil("detail"))
    }
}
