import Ledger
import Logging
import NIOCore
import Postgres
import SMTP
import Tenancy

/// Gives each refusal of one session its id, and has what the node decided by itself written down.
///
/// Bound to the session's event loop. It holds nothing of the dialogue, which calls it while it goes on.
final class SessionRefusals {
    /// Written down for one session; whoever is refused more often gets the last one's id again.
    static let most = 100
    /// The same before AUTH.
    static let mostOfStranger = 3

    /// Which limit or rule the next refusal is about, where somebody besides the dialogue decides.
    var limit: RefusalEvent.Limit?
    /// The envelope sender of the message under way, for the log.
    var sender: ReversePath?

    /// Whose they are, with the limits as they are now; nil: nobody has logged in yet.
    var login: Login?

    private let visit: Visit
    private let journal: RefusalJournal
    private let clock: DatabaseClock
    private let logger: Logger
    private var count = 0
    private var last: MessageID?

    init(_ visit: Visit, _ login: Login?, journal: RefusalJournal, clock: DatabaseClock, logger: Logger) {
        self.visit = visit
        self.login = login
        self.journal = journal
        self.clock = clock
        self.logger = logger
    }

    /// The id of a refusal that the node has decided.
    func name(_ refused: Refused) -> String {
        let limit = self.limit ?? login.flatMap { Self.limit(of: refused.reply, $0) }
        self.limit = nil
        if count >= (login == nil ? Self.mostOfStranger : Self.most), let last {
            if login != nil { log(refused.reply, "\(last)", stage: refused.stage) }
            return "\(last)"
        }
        count += 1
        let now = clock.now
        let id = MessageID(at: now)
        last = id
        journal.note(
            RefusalEvent(
                id: id, at: now, tenantID: login?.tenantID ?? 0, credentialID: login?.credentialID ?? 0,
                session: visit.session, stage: refused.stage, code: refused.reply.code,
                enhanced: refused.reply.enhanced.map { "\($0)" },
                text: refused.reply.lines.joined(separator: " ").escaped(limit: 1000), argument: refused.argument,
                limit: limit, client: visit.clientAddress))
        log(refused.reply, "\(id)", stage: refused.stage)
        return "\(id)"
    }

    /// A refusal outside the dialogue, with its id.
    func named(_ reply: Reply, stage: String, limit: RefusalEvent.Limit? = nil) -> Reply {
        self.limit = limit
        return reply.identified(by: name(Refused(stage: stage, argument: nil, reply: reply)))
    }

    /// One that accept has decided and written down.
    func named(_ reply: Reply, by id: MessageID) -> Reply {
        log(reply, "\(id)", stage: "DATA")
        return reply.identified(by: "\(id)")
    }

    private func log(_ reply: Reply, _ id: String, stage: String) {
        var metadata: Logger.Metadata = [
            "client": "\(visit.clientAddress)", "stage": "\(stage)", "reply": "\(reply)", "id": "\(id)",
        ]
        if let login {
            metadata["tenant"] = "\(login.tenant)"
            metadata["credential"] = "\(login.credential)"
        }
        if let sender { metadata["sender"] = "\(sender)" }
        logger.info("refused", metadata: metadata)
    }

    /// Two limits that the dialogue holds clients to by itself.
    private static func limit(of reply: Reply, _ login: Login) -> RefusalEvent.Limit? {
        switch (reply.code, reply.enhanced) {
        case (552, EnhancedCode(5, 3, 4)): RefusalEvent.Limit(login.messageSizeLimit, cap: login.messageSize)
        case (452, EnhancedCode(4, 5, 3)): RefusalEvent.Limit(login.recipientsLimit, cap: login.recipientsPerMessage)
        default: nil
        }
    }
}
