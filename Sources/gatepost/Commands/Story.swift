import Ledger
import Postgres
import Tenancy

/// The story of a message or a session, from what is still known of it: the message while it is stored, its events for 30
/// days, what it was charged for good.
enum Story {
    /// Events read at a time; a message of many recipients has many.
    private static let pageSize: Int32 = 500
    /// More than this tell no more.
    private static let mostEvents = 20_000

    static func of(message id: MessageID, _ desk: Desk) async throws {
        let stored = try await message(id, desk)
        var filter = EventFilter()
        filter.message = id
        let events = try await events(filter, desk)
        let charges = try await desk.administration.ledger(of: id)
        guard stored != nil || !events.isEmpty || !charges.isEmpty else {
            throw Failure(
                "nothing is known of `\(id)`",
                hint: "neither a message, nor a refusal of the last 30 days, nor a charge has this id; a session's is "
                    + "given as `gatepost explain --session \(id)`; of refusals before AUTH "
                    + "\(RefusalJournal.strangersPerSecond) a second and node at most are written down, and the log "
                    + "has the id of another where `log.refusals-per-minute` let its line through")
        }
        let story = MessageStory(id: id, stored: stored, events: events, charges: charges)
        desk.output.show(story.json, story.text)
    }

    static func of(session id: MessageID, _ desk: Desk) async throws {
        var filter = EventFilter()
        filter.session = id
        let events = try await events(filter, desk)
        guard let first = events.first else {
            throw Failure(
                "no event of session `\(id)` is known",
                hint: "a session in which nothing was accepted or refused leaves none; its log lines have `session`")
        }
        desk.output.show(
            [
                "session": .string(id.description), "tenant": .string(first.tenant),
                "credential": .string(first.credential), "events": .array(events.map(\.json)),
            ],
            Table.properties([
                "session": id.description, "tenant": first.tenant ?? "-", "credential": first.credential ?? "-",
                "began": Show.time(id.instant.microseconds),
            ]) + "\n" + timeline(events.map { TimelineEntry($0, showsMessage: true) }))
    }

    /// nil: it is not stored any more, or never was.
    private static func message(_ id: MessageID, _ desk: Desk) async throws -> QueueMessage? {
        do {
            return try await desk.administration.message(id)
        } catch {
            guard case .notFound = error else { throw error }
            return nil
        }
    }

    private static func events(_ filter: EventFilter, _ desk: Desk) async throws -> [EventRecord] {
        var events: [EventRecord] = []
        while events.count < mostEvents {
            let page = try await desk.administration.events(
                filter, pageSize: pageSize, before: events.last?.position)
            events += page
            if page.count < Int(pageSize) { break }
        }
        return events.reversed()
    }

    static func timeline(_ entries: [TimelineEntry]) -> String {
        var table = Table([.time("AT"), .left("WHAT"), .left("DETAIL")])
        for entry in entries { table.add([Show.time(entry.at.microseconds), entry.what, entry.detail]) }
        return table.text(for: .output)
    }
}

/// One line of a story.
struct TimelineEntry {
    var at: Instant
    var what, detail: String

    init(_ event: EventRecord, showsMessage: Bool = false) {
        at = event.at
        what = event.kind.replacing("_", with: " ")
        detail = event.what
        if showsMessage, let message = event.message { detail += (detail.isEmpty ? "" : "; ") + "id \(message)" }
    }

    init(_ charge: MessageCharge) {
        at = charge.entry.at
        let entry = charge.entry
        what = entry.entry == 0 ? "charged" : "refunded"
        detail =
            "\(abs(entry.recipients)) recipient\(abs(entry.recipients) == 1 ? "" : "s") \(entry.entry == 0 ? "to" : "of") \(entry.day) and \(entry.month.prefix(7))"
            + (entry.credential.map { ", of \($0)" } ?? "")
        if entry.entry == 0 {
            if let day = charge.dayUsed, let month = charge.monthUsed, let octets = charge.dayBytes,
                let own = charge.credentialDayUsed
            {
                let caps = charge.caps
                detail +=
                    "; the day then stood at \(caps.of(day, "daily")), the credential's at \(caps.own(own, "daily")), "
                    + "the month at \(caps.of(month, "monthly")), the day's octets at \(caps.of(octets, "bytes_daily"))"
                    + caps.others
            }
        } else {
            detail += ": \(entry.reason)"
        }
    }
}

extension MessageCharge {
    /// The limits in force when it was charged.
    fileprivate var caps: CapsThen {
        CapsThen(
            tenant: limits.flatMap { JSON(parsing: $0) }, credential: credentialLimits.flatMap { JSON(parsing: $0) })
    }
}

/// Limits of a moment gone by, in words; nil: not known.
private struct CapsThen {
    var tenant, credential: JSON?

    func of(_ used: Int64, _ limit: String) -> String { Self.words(used, limit, tenant) }

    /// A credential without a row had no limit of its own, where it is known at all.
    func own(_ used: Int64, _ limit: String) -> String {
        Self.words(used, limit, tenant == nil ? nil : credential ?? .object([]))
    }

    /// What does not count up over the day.
    var others: String {
        guard let tenant else { return "; which limits were in force then is not known" }
        let words = ["first_time_daily", "rate", "burst"].compactMap { name in
            tenant[name]?.plain.map { "\(name.replacing("_", with: " ")) \($0)" }
        }
        return words.isEmpty ? "" : "; also in force: " + words.joined(separator: ", ")
    }

    private static func words(_ used: Int64, _ limit: String, _ limits: JSON?) -> String {
        guard let limits else { return "\(used)" }
        return "\(used) " + (limits[limit]?.plain.map { "of \($0)" } ?? "(unlimited)")
    }
}

/// All that is known of one message, or of one that was refused.
struct MessageStory {
    let id: MessageID
    let stored: QueueMessage?
    let events: [EventRecord]
    let charges: [MessageCharge]

    private var refusal: EventRecord? { events.first { $0.kind == "refused" } }
    private var tenant: String? { stored?.tenant ?? events.first { $0.tenant != nil }?.tenant ?? charges.first?.tenant }
    private var credential: String? {
        stored?.credential ?? events.first { $0.credential != nil }?.credential ?? charges.first?.entry.credential
    }
    private var session: MessageID? { events.lazy.compactMap(\.session).first }

    /// What has had its time: the message, its body, its events.
    var gaps: [String] {
        var gaps: [String] = []
        if refusal == nil, stored == nil {
            gaps.append("the message itself is no longer stored: sender, recipients and their states are not known")
        }
        if let stored, !stored.isBodyStored, stored.kind == "mail" { gaps.append("the body is gone") }
        if events.isEmpty { gaps.append("its events are gone: attempts and replies are not known") }
        if refusal == nil, charges.isEmpty, stored?.kind ?? "mail" == "mail" {
            gaps.append("it was not charged (test mode), or the ledger is not this database's")
        }
        return gaps
    }

    /// The reply a client was given, made again from the event.
    var reply: String? {
        guard let refusal else { return nil }
        if !refusal.replyText.isEmpty { return refusal.replyText }
        return refusal.detail.flatMap { JSON(parsing: $0) }.flatMap { RefusalText.reply($0) }
    }

    var json: JSON {
        [
            "id": .string(id.description), "tenant": .string(tenant), "credential": .string(credential),
            "session": .string(session?.description), "refused": .bool(refusal != nil), "reply": .string(reply),
            "hint": .string(hint), "message": stored?.json ?? .null,
            "charges": .array(
                charges.map { charge in
                    [
                        "entry": .number(charge.entry.entry), "at": charge.entry.at.json,
                        "tenant": .string(charge.tenant), "credential": .string(charge.entry.credential),
                        "day": .string(charge.entry.day), "month": .string(charge.entry.month),
                        "recipients": .number(charge.entry.recipients), "bytes": .number(charge.entry.bytes),
                        "reason": .string(charge.entry.reason), "day_used": .number(charge.dayUsed),
                        "month_used": .number(charge.monthUsed), "day_bytes": .number(charge.dayBytes),
                        "credential_day_used": .number(charge.credentialDayUsed),
                        "limits": charge.limits.flatMap { JSON(parsing: $0) } ?? .null,
                        "credential_limits": charge.credentialLimits.flatMap { JSON(parsing: $0) } ?? .null,
                    ]
                }),
            "events": .array(events.map(\.json)), "not_known": .strings(gaps),
        ]
    }

    var text: String {
        var text: String
        if let stored {
            text = stored.text
        } else {
            text = Table.properties([
                "id": id.description, "state": refusal == nil ? "no longer stored" : "refused", "tenant": tenant ?? "-",
                "credential": credential ?? "-",
            ])
        }
        if let session { text += Table.properties(["session": session.description]) }
        if let reply { text += Table.properties(["reply": reply]) }
        if let hint { text += Table.properties(["hint": hint]) }
        let entries = (events.map { TimelineEntry($0) } + charges.map { TimelineEntry($0) })
            .enumerated().sorted { ($0.element.at, $0.offset) < ($1.element.at, $1.offset) }.map(\.element)
        text += "\n" + Story.timeline(entries)
        for gap in gaps { text += "note: \(gap)\n" }
        return text
    }

    private var hint: String? {
        guard let tenant, let detail = refusal?.detail.flatMap({ JSON(parsing: $0) }) else { return nil }
        return RefusalHint.command(for: detail, reply: reply, tenant: tenant, credential: credential)
    }
}
