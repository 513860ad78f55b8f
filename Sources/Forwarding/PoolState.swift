import Delivery
import DequeModule
import Ledger
import NIOCore
import SMTP
import Tenancy

/// What one pool is doing on this node. Bound to the forwarder's event loop.
final class PoolState {
    /// A delivery, and which members have failed it since it was taken up.
    struct Job {
        private(set) var delivery: QueuedMessage
        var failedAt: Set<Int64> = []
        /// Times it was put back because an idle connection turned out to be dead, which is nobody's fault.
        var restarts = 0
        /// What the last broken connection came to, where one broke in the middle of this job.
        private(set) var interruption: (outcomes: [DeliveryDialogue.Outcome], relay: String)?

        init(delivery: QueuedMessage) { self.delivery = delivery }

        /// - Parameter outcomes: of each recipient; nil: it was not asked about.
        mutating func interrupted(_ outcomes: [DeliveryDialogue.Outcome?], by relay: String) {
            let known = outcomes.indices.compactMap { place in
                // What one member may have taken may have been taken, whatever came of the next.
                let earlier = interruption?.outcomes[place]
                return earlier?.reply.mayHaveBeenTaken == true ? earlier : outcomes[place] ?? earlier
            }
            if known.count == delivery.recipients.count { interruption = (known, relay) }
        }

        /// Goes on with some of its recipients.
        mutating func narrow(to places: [Int]) {
            delivery = delivery.part(places)
            if let (outcomes, relay) = interruption { interruption = (places.map { outcomes[$0] }, relay) }
        }
    }

    /// One connection to a member, opening, idle or busy.
    final class Connection {
        let member: MemberState
        var hop: (any Hop)?
        var job: Job?
        var transactions = 0
        /// MAIL was refused: perhaps the connection and not the message is what is not wanted, so it serves no other.
        var isUnwelcome = false
        /// Told, and not finished yet: whether the connection survived them comes next.
        var outcomes: [DeliveryDialogue.Outcome?]?

        init(member: MemberState, job: Job) {
            self.member = member
            self.job = job
        }
    }

    final class MemberState {
        var member: Member
        var health = MemberHealth()
        var connections: [Connection] = []
        var idle: [Connection] = []
        var isLeaving = false
        /// The same member has another address now, or is spoken to in another way.
        var isReplaced = false
        private let connectionLimit: Int

        init(_ member: Member, connectionLimit: Int) {
            self.member = member
            self.connectionLimit = connectionLimit
        }

        var name: String { "\(member.host):\(member.port)" }

        private var limit: Int { member.connections ?? connectionLimit }
        var hasRoom: Bool { !idle.isEmpty || connections.count < limit }
        /// There are more connections than there may be: fewer are wanted than were.
        var isCrowded: Bool { connections.count > limit }
        var takesMail: Bool { !isLeaving && !member.isDraining }
    }

    let id: Int64
    var name: String?
    var members: [MemberState] = []
    var waiting: Deque<Job> = []
    var rotation = WeightedRotation()
    var lastFailure: String?

    /// - Parameter name: nil until the directory has told of it.
    init(id: Int64, name: String? = nil) {
        self.id = id
        self.name = name
    }

    enum Choice {
        case send(to: MemberState)
        /// All who could take it are busy.
        case wait
        case nobody
    }

    /// Who takes this job now.
    func choose(for job: Job, at now: Duration) -> Choice {
        let untried = members.filter { $0.takesMail && !job.failedAt.contains($0.member.id) }
        let available = untried.filter { $0.health.isAvailable(at: now) && $0.hasRoom }
        if let id = rotation.next(among: available.map { ($0.member.id, $0.member.weight) }),
            let chosen = available.first(where: { $0.member.id == id })
        {
            return .send(to: chosen)
        }
        // One message finds out whether a member that failed is back: the others wait to hear it.
        return untried.contains { !$0.health.isFailing || $0.health.isBeingProbed(at: now) } ? .wait : .nobody
    }

    /// Why nobody can be asked, for the recipient's record.
    var reasonForNobody: String {
        guard let name else { return "its pool is new, and this node has not read of it yet" }
        if members.isEmpty { return "pool \(name) has no relay; add one with: gatepost relay add \(name) HOST:PORT" }
        if !members.contains(where: \.takesMail) { return "every relay of pool \(name) is being drained" }
        return "no relay of pool \(name) can be reached: \(lastFailure ?? "all have failed")"
    }

    /// Whether nobody of the pool can be asked just now, whatever the message.
    var isOut: Bool { !members.contains { $0.takesMail && !$0.health.isFailing } }

    /// Until the first member is tried again: what was given back is then there to try it with.
    func waitForRelay(at now: Duration) -> Duration {
        let longest = MemberHealth.longestPause
        let next = members.filter(\.takesMail).compactMap(\.health.nextTry).min()
        return max(.milliseconds(500), min(next.map { $0 - now } ?? longest, longest)) + .milliseconds(100)
    }
}
