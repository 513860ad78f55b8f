import Ledger
import NIOCore
import Postgres
import SMTP

/// What a request is answered with.
enum Answer {
    /// Nil: fenced.
    case verdicts(AcceptAnswer?)
    case claimed([QueuedMessage])
    case kept([Owner.LeasedRecipient])
    /// With their tenants.
    case leases([Owner.LeasedRecipient: Int64])
    /// Whether it is held, and its lock with it; nil: the row is gone.
    case renewed(isLocked: Bool?)
    case owners([OwnerSighting])
    case done(Bool)
}

/// What becomes of a request to the simulated database.
enum Fate: Equatable {
    case served
    /// A commit that takes its time, up to longer than a client waits.
    case slow
    /// Cut before it arrives.
    case lost
    /// Cut for its client; it arrives all the same, late.
    case late
    /// Cut for its client at any moment; the transaction goes on.
    case cut
    case aborted(DatabaseError)
    /// Committed here, and interrupted while waiting for the standby.
    case warned
    /// Committed, and the answer cannot be read.
    case garbled

    static func choose(_ chance: inout Generator) -> Fate {
        switch chance.below(400) {
        case 0..<6: .cut
        case 6..<9: .lost
        case 9..<13: .late
        case 13..<15: .slow
        case 15..<18: .warned
        case 18: .garbled
        case 19..<21: .aborted(.refused("deadlock", "40P01"))
        case 21: .aborted(.refused("disk full", "53100"))
        case 22: .aborted(.refused("read-only", "25006"))
        case 23: .aborted(.refused("an administrator's word", "57014"))
        default: .served
        }
    }

    static func == (a: Fate, b: Fate) -> Bool {
        switch (a, b) {
        case (.served, .served), (.slow, .slow), (.lost, .lost), (.late, .late), (.cut, .cut), (.warned, .warned),
            (.garbled, .garbled), (.aborted, .aborted):
            true
        default: false
        }
    }
}

extension DatabaseError {
    static func refused(_ message: String, _ state: String, constraint: String? = nil) -> DatabaseError {
        DatabaseError(.refused, message, sqlState: state, constraint: constraint)
    }

    static func inDoubt(_ message: String) -> DatabaseError { DatabaseError(.doubt, message) }
}

/// A node's connection, as both ends see it.
final class ModelConnection {
    /// What the node knows.
    var isUsable = true
    var isClosedByServer = false
    var exchange: Exchange?

    /// The server is gone. Who waits for an answer hears it after a while; who does not, when he asks.
    func close(after delay: Moment, _ world: World) {
        isClosedByServer = true
        exchange?.end(.failure(.inDoubt("the server has closed the connection")), after: delay, world)
    }
}

/// One request and its one answer, whichever comes first.
final class Exchange {
    private weak var connection: ModelConnection?
    private var done: ((Result<Answer, DatabaseError>) -> Void)?

    init(_ connection: ModelConnection?, _ done: @escaping (Result<Answer, DatabaseError>) -> Void) {
        self.connection = connection
        self.done = done
    }

    func end(_ result: Result<Answer, DatabaseError>) {
        guard let done else { return }
        self.done = nil
        connection?.exchange = nil
        // A refusal leaves the connection as it is; after a doubt it is of no more use.
        if case .failure(let error) = result, error.kind != .refused { connection?.isUsable = false }
        done(result)
    }

    /// The answer travels.
    func end(_ result: Result<Answer, DatabaseError>, after delay: Moment, _ world: World) {
        guard done != nil else { return }
        world.after(delay) { self.end(result) }
    }
}

/// One transaction on the server.
final class Transaction {
    enum Work: CustomStringConvertible {
        case accept(AcceptCall)
        case resolve(MessageID)
        case administer(Int, (inout ModelLedger.Tenant) -> Void)
        /// Whatever needs no meter: done as a whole when it commits, or refused.
        case statement(String, (inout ModelLedger.Contents) throws(DatabaseError) -> Answer)

        var batch: MessageID? {
            switch self {
            case .accept(let call): call.batch
            case .resolve(let batch): batch
            case .administer, .statement: nil
            }
        }

        var isSettle: Bool { if case .statement(let name, _) = self { name.hasPrefix("settle") } else { false } }

        /// Whose meters it locks.
        var tenants: Set<Int> {
            switch self {
            case .accept(let call): Set(call.items.map(\.tenant))
            case .resolve, .statement: []
            case .administer(let tenant, _): [tenant]
            }
        }

        /// What PostgreSQL cannot store.
        var fault: DatabaseError? {
            guard case .accept(let call) = self, call.items.contains(where: \.isPoison) else { return nil }
            return .refused("invalid byte sequence", "22021")
        }

        var description: String {
            switch self {
            case .accept(let call): "accept of \(call.items.count) in \(call.batch)"
            case .resolve(let batch): "fence of \(batch)"
            case .administer(let tenant, _): "change of tenant \(tenant)"
            case .statement(let name, _): name
            }
        }
    }

    enum Step { case arrived, begun, holding }

    let work: Work
    let exchange: Exchange
    let fate: Fate
    var step = Step.arrived
    var verdicts: [AcceptAnswer.Verdict]?
    var decidedAt: Moment = 0
    var hasEnded = false

    init(_ work: Work, _ exchange: Exchange, _ fate: Fate) {
        self.work = work
        self.exchange = exchange
        self.fate = fate
    }
}

extension AcceptItem {
    /// Tenants are numbered from 0 here.
    var tenant: Int { Int(request.tenantID) - 1 }
    var isPoison: Bool { request.recipients.contains { $0.mailbox.localPart == "poison" } }
}
