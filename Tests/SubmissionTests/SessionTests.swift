import Ledger
import Logging
import NIOCore
import NIOPosix
import Network
import Postgres
import SASL
import SMTP
import Synchronization
import TestSupport
import Testing

@testable import Submission
@testable import Tenancy

extension Login {
    static func sample(_ name: String = "acme.1", tenant: Int64 = 10, credential: Int64 = 100) -> Login {
        Login(
            loginID: 1, credentialID: credential, tenantID: tenant, name: name, tenant: "acme", credential: name,
            poolID: 1, tenantStatus: "active", networks: [], messageSize: 1000, recipientsPerMessage: 10,
            policy: .defer, partial: false, nullSender: false, resubmission: true, senderDomains: ["acme.example"],
            room: Room(), clock: Instant(microseconds: 0))
    }
}

@Suite struct SessionCounterTests {
    @Test func `a tenant's sessions are counted apart, and one that ends makes room`() {
        let counter = SessionCounter()
        var login = Login.sample()
        login.sessions = 2
        #expect(counter.enter(login) == nil)
        #expect(counter.enter(login) == nil)
        #expect(counter.enter(login) == .tenant)
        var other = Login.sample(tenant: 11, credential: 101)
        other.sessions = 2
        #expect(counter.enter(other) == nil)
        counter.leave(login)
        #expect(counter.enter(login) == nil)
        login.sessions = nil
        #expect(counter.enter(login) == nil)
    }

    @Test func `a credential has a limit of its own, within its tenant's`() {
        let counter = SessionCounter()
        var (first, second) = (Login.sample(credential: 100), Login.sample(credential: 101))
        (first.sessions, second.sessions) = (3, 3)
        first.credentialSessions = 1
        #expect(counter.enter(first) == nil)
        #expect(counter.enter(first) == .credential)
        #expect(counter.enter(second) == nil)
        #expect(counter.enter(second) == nil)
        #expect(counter.enter(second) == .tenant)
        counter.leave(second)
        #expect(counter.enter(first) == .credential)
        counter.leave(first)
        #expect(counter.enter(first) == nil)
    }
}

@Suite(.timeLimit(.minutes(5))) struct OpenSessionsTests {
    private struct Away: Error {}

    private final class Heard: Sendable {
        let logins = Mutex<[String]>([])
        var count: Int { logins.withLock { $0.count } }
        func note(_ text: String) { logins.withLock { $0.append(text) } }
    }

    private func id() -> MessageID { MessageID(at: .now) }

    private func member(_ heard: Heard, _ name: String) -> OpenSessions.Member {
        .init(eventLoop: MultiThreadedEventLoopGroup.singleton.next()) { login in
            heard.note(login == nil ? "\(name) gone" : name)
        }
    }

    @Test func `a change is looked up once for each login it concerns, and each of its sessions is told`() async {
        let asked = Mutex<[String]>([])
        let open = OpenSessions(logger: Logger(label: "test")) { name in
            asked.withLock { $0.append(name) }
            return name == "b" ? nil : .sample(name)
        }
        let running = Task { await open.run() }
        defer { running.cancel() }
        let heard = Heard()
        let (a, b) = (Login.sample("a", credential: 100), Login.sample("b", credential: 101))
        for _ in 0..<50 { open.enter(a, id(), member(heard, "a")) }
        let gone = id()
        open.enter(b, id(), member(heard, "b"))
        open.enter(b, gone, member(heard, "b"))
        open.leave(b, gone)
        open.hear(.credential(101))
        #expect(await eventually(within: .seconds(60)) { heard.logins.withLock { $0 } == ["b gone"] })
        open.hear(.tenant(11))
        open.hear(.pool)
        open.hear(.credential(100))
        #expect(await eventually(within: .seconds(60)) { heard.count == 51 })
        #expect(asked.withLock { $0 } == ["b", "a"])
        open.hear(.everything)
        #expect(await eventually(within: .seconds(60)) { heard.count == 102 })
        #expect(asked.withLock { $0.count } == 4)
    }

    @Test func `what cannot be looked up is looked up again`() async {
        let isAway = Mutex(true)
        let open = OpenSessions(logger: Logger(label: "test")) { name in
            if isAway.withLock({ $0 }) { throw Away() }
            return .sample(name)
        }
        let running = Task { await open.run() }
        defer { running.cancel() }
        let heard = Heard()
        open.enter(.sample("a"), id(), member(heard, "a"))
        open.recheck("a")
        open.retry()
        isAway.withLock { $0 = false }
        #expect(
            await eventually(within: .seconds(60)) {
                open.retry()
                return heard.count > 0
            })
    }

    @Test func `a session that has ended is not told`() async {
        let open = OpenSessions(logger: Logger(label: "test")) { .sample($0) }
        let running = Task { await open.run() }
        defer { running.cancel() }
        let heard = Heard()
        let (first, second) = (id(), id())
        open.enter(.sample("a"), first, member(heard, "first"))
        open.enter(.sample("a"), second, member(heard, "second"))
        open.leave(.sample("a"), first)
        open.hear(.everything)
        #expect(await eventually(within: .seconds(60)) { heard.count > 0 })
        #expect(heard.logins.withLock { $0 } == ["second"])
    }
}

@Suite struct SessionRefusalTests {
    private func refusals(_ journal: RefusalJournal, _ login: Login? = .sample()) -> SessionRefusals {
        let visit = Visit(MessageID(at: .now), "192.0.2.1", AddressGroup("192.0.2.1"))
        return SessionRefusals(
            visit, login, journal: journal, clock: DatabaseClock(), logger: Logger(label: "test"))
    }

    private func refused(_ reply: Reply = .notStored) -> Refused {
        Refused(stage: "RCPT", argument: "TO:<a@b.example>", reply: reply)
    }

    @Test func `each refusal has an id of its own, until one session has had a hundred`() {
        let journal = RefusalJournal(DatabasePool(.init(url: "")), logger: Logger(label: "test"))
        let refusals = refusals(journal)
        let ids = (0..<250).map { _ in refusals.name(refused()) }
        #expect(Set(ids).count == 100)
        #expect(Set(ids[99...]).count == 1)
        #expect(ids.allSatisfy { MessageID($0) != nil })
    }

    @Test func `a stranger's session has three`() {
        let journal = RefusalJournal(DatabasePool(.init(url: "")), logger: Logger(label: "test"))
        let refusals = refusals(journal, nil)
        let ids = (0..<20).map { _ in refusals.name(refused()) }
        #expect(Set(ids).count == 3)
        #expect(Set(ids[2...]).count == 1)
    }

    @Test func `a refusal of accept's keeps accept's id`() {
        let journal = RefusalJournal(DatabasePool(.init(url: "")), logger: Logger(label: "test"))
        let id = MessageID(at: .now)
        let reply = refusals(journal).named(.notStored, by: id)
        #expect(reply.id == "\(id)" && reply.description.hasSuffix(" (id \(id))"))
    }

    @Test func `what is known to be over is said at MAIL and RCPT, by the name of its limit`() {
        let room = Login.Room(
            remaining: 5, limitName: "credential_bytes_daily", cap: 100, used: 95, resetsText: "tomorrow")
        #expect(AcceptRefusal(room, octets: 5, policy: .defer) == nil)
        let refusal = AcceptRefusal(room, octets: 6, policy: .reject)
        #expect(refusal?.verdict == .credentialBytesDailyCap && refusal?.policy == .rejection)
        #expect(refusal?.figures == .init("credential_bytes_daily", cap: 100, used: 95, resets: "tomorrow"))
        #expect(AcceptRefusal(Login.Room(), octets: 6, policy: .defer) == nil)
        let never = AcceptRefusal(room, octets: 101, policy: .defer)
        #expect(never?.verdict == .messageSize)
        #expect(never.map { Reply($0).description }?.contains("this credential's daily cap of 100.") == true)
        #expect(AcceptRefusal(room, octets: 6, policy: .defer)?.policy == .deferral)
        let recipients = Login.Room(remaining: 0, limitName: "credential_monthly", cap: 9, used: 9)
        #expect(AcceptRefusal(recipients, recipients: 1, policy: .defer)?.verdict == .credentialMonthlyCap)
    }

    @Test func `every obstacle has a sentence and the name of accept's verdict`() {
        let obstacles: [Login.Obstacle] = [
            .tenantSuspended(reason: "r"), .credentialRevoked(reason: nil), .credentialSuspended(reason: "leak"),
            .credentialNotYet(from: "2027-01-01T00:00:00+01:00"), .credentialExpired, .loginExpired,
        ]
        #expect(Set(obstacles.map(\.rule)).count == obstacles.count)
        #expect(Set(obstacles.map(\.sentence)).count == obstacles.count)
        #expect(obstacles[2].sentence.contains("leak") && obstacles[3].sentence.contains("2027-01-01"))
    }
}
