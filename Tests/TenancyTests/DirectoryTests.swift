import Postgres
import SASL
import Synchronization
import TestSupport
import Testing

@testable import Tenancy

/// The cache by itself: look-ups that a test answers, a clock that it moves.
@Suite(.timeLimit(.minutes(10))) struct `The directory` {
    /// Stands for the database: counts who asks, and answers when told.
    private final class Answers: Sendable {
        private struct State {
            var asked: [String] = []
            var waiting: [CheckedContinuation<Login?, any Error>] = []
            var isHolding = false
        }
        private let state = Mutex(State())
        let login: @Sendable (String) -> Login?

        init(_ login: @escaping @Sendable (String) -> Login? = { Login.sample($0) }) { self.login = login }

        var count: Int { state.withLock { $0.asked.count } }
        var waiting: Int { state.withLock { $0.waiting.count } }
        func hold() { state.withLock { $0.isHolding = true } }

        func lookUp(_ name: String) async throws -> Login? {
            let isHolding = state.withLock { state in
                state.asked.append(name)
                return state.isHolding
            }
            guard isHolding else { return login(name) }
            return try await withCheckedThrowingContinuation { continuation in
                state.withLock { $0.waiting.append(continuation) }
            }
        }

        func releaseFirst(_ result: Result<Login?, any Error>) {
            state.withLock { $0.waiting.removeFirst() }.resume(with: result)
        }

        func release(_ result: Result<Login?, any Error>) {
            let waiting = state.withLock { state in
                defer { state.waiting = [] }
                state.isHolding = false
                return state.waiting
            }
            for continuation in waiting { continuation.resume(with: result) }
        }
    }

    private struct Away: Error {}

    private func directory(
        _ answers: Answers, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }, listening: Bool = true
    ) -> Directory {
        let directory = Directory(
            lookUp: { name, completion in
                Task {
                    let result: Result<Login?, any Error>
                    do { result = .success(try await answers.lookUp(name)) } catch { result = .failure(error) }
                    completion(result)
                }
            }, readKey: { [UInt8](repeating: 7, count: 32) }, now: now)
        if listening { directory.hear(.connected) }
        return directory
    }

    private func notify(_ directory: Directory, _ payload: String) {
        directory.hear(.notification(channel: "gatepost_directory", payload: payload))
    }

    @Test func `asks once, and again after thirty seconds`() async throws {
        let answers = Answers()
        let offset = Mutex(Duration.zero)
        let start = ContinuousClock.now
        let directory = directory(answers, now: { start + offset.withLock { $0 } })
        #expect(try await directory.login(named: "a.1")?.loginID == 1)
        offset.withLock { $0 = .seconds(29) }
        _ = try await directory.login(named: "a.1")
        #expect(answers.count == 1)
        offset.withLock { $0 = .seconds(30) }
        _ = try await directory.login(named: "a.1")
        #expect(answers.count == 2)
    }

    @Test func `asks once for many who ask together`() async throws {
        let answers = Answers()
        answers.hold()
        let directory = directory(answers)
        try await withThrowingTaskGroup(of: Login?.self) { group in
            for _ in 0..<50 { group.addTask { try await directory.login(named: "a.1") } }
            #expect(await eventually { answers.waiting == 1 })
            answers.release(.success(Login.sample("a.1")))
            for try await login in group { #expect(login?.name == "a.1") }
        }
        #expect(answers.count == 1)
    }

    @Test func `remembers that nobody has a name, until any change`() async throws {
        let answers = Answers { _ in nil }
        let directory = directory(answers)
        #expect(try await directory.login(named: "x") == nil)
        #expect(try await directory.login(named: "x") == nil)
        #expect(answers.count == 1)
        notify(directory, "credential:99")
        _ = try await directory.login(named: "x")
        #expect(answers.count == 2)
    }

    @Test(arguments: [
        ("tenant:10", 1), ("credential:100", 1), ("everything", 2), ("tenant:11", 0), ("credential:101", 0),
        ("pool", 0), ("a word from later", 2), ("tenant:x", 2), ("", 2),
    ])
    func `forgets what a change concerns, and no more`(payload: String, forgotten: Int) async throws {
        let answers = Answers { $0 == "a.1" ? .sample($0) : .sample($0, tenant: 20, credential: 200) }
        let directory = directory(answers)
        for name in ["a.1", "b.1"] { _ = try await directory.login(named: name) }
        notify(directory, payload)
        for name in ["a.1", "b.1"] { _ = try await directory.login(named: name) }
        #expect(answers.count == 2 + forgotten)
    }

    @Test func `does not keep an answer that was asked for before a change`() async throws {
        let answers = Answers()
        answers.hold()
        let directory = directory(answers)
        let early = Task { try await directory.login(named: "a.1") }
        #expect(await eventually { answers.waiting == 1 })
        notify(directory, "tenant:10")
        // One who asks now must not be given the answer of before the change.
        let late = Task { try await directory.login(named: "a.1") }
        #expect(await eventually { answers.waiting == 2 })
        answers.releaseFirst(.success(Login.sample("a.1")))
        _ = try await early.value
        #expect(!directory.isRemembering("a.1"))
        answers.release(.success(Login.sample("a.1")))
        _ = try await late.value
        #expect(directory.isRemembering("a.1"))
        #expect(answers.count == 2)
    }

    @Test func `remembers nothing while it cannot hear of changes`() async throws {
        let answers = Answers()
        let directory = directory(answers, listening: false)
        _ = try await directory.login(named: "a.1")
        _ = try await directory.login(named: "a.1")
        #expect(answers.count == 2)
        directory.hear(.connected)
        _ = try await directory.login(named: "a.1")
        _ = try await directory.login(named: "a.1")
        #expect(answers.count == 3)
        directory.hear(.lost("gone"))
        _ = try await directory.login(named: "a.1")
        _ = try await directory.login(named: "a.1")
        #expect(answers.count == 5)
    }

    @Test func `passes a failure on and does not remember it`() async throws {
        let answers = Answers()
        answers.hold()
        let directory = directory(answers)
        let asking = Task { try await directory.login(named: "a.1") }
        #expect(await eventually { answers.waiting == 1 })
        answers.release(.failure(Away()))
        await #expect(throws: Away.self) { try await asking.value }
        #expect(try await directory.login(named: "a.1") != nil)
    }

    @Test func `tells its readers of each change`() async throws {
        let directory = directory(Answers())
        var (first, second) = (directory.changes().makeAsyncIterator(), directory.changes().makeAsyncIterator())
        notify(directory, "credential:100")
        directory.hear(.lost("gone"))
        #expect(await first.next() == .credential(100))
        #expect(await first.next() == .everything)
        #expect(await second.next() == .credential(100))
    }

    @Test func `ignores other channels`() async throws {
        let answers = Answers()
        let directory = directory(answers)
        _ = try await directory.login(named: "a.1")
        directory.hear(.notification(channel: "other", payload: "everything"))
        _ = try await directory.login(named: "a.1")
        #expect(answers.count == 1)
    }

    @Test func `keeps what accept said is left, and nothing past the reset`() async throws {
        let directory = directory(Answers())
        let login = try #require(try await directory.login(named: "a.1"))
        directory.remember(remaining: 3, octets: 40, for: login)
        let then = Instant(microseconds: 0)
        #expect(directory.rooms(for: login, at: then)?.recipients.remaining == 3)
        #expect(directory.rooms(for: login, at: then)?.octets.remaining == 60)
        directory.remember(remaining: nil, octets: 70, for: login)
        #expect(directory.rooms(for: login, at: then)?.recipients.remaining == nil)
        #expect(directory.rooms(for: login, at: then)?.octets.remaining == 0)
        // Octets reset a second later than recipients here.
        let later = directory.rooms(for: login, at: Instant(microseconds: 1_000_000))
        #expect(later?.recipients == Login.Room() && later?.octets.cap == 100)
        notify(directory, "tenant:10")
        #expect(directory.rooms(for: login, at: then) == nil)
    }

    @Test func `counts what it hears, so that an answer of before can be told`() {
        let directory = directory(Answers())
        let before = directory.generation
        notify(directory, "credential:7")
        #expect(directory.generation != before)
        #expect(directory.isListening)
        directory.hear(.lost("gone"))
        #expect(!directory.isListening)
    }

    @Test func `makes up the same verifier for a name each time, another for another`() async throws {
        let directory = directory(Answers())
        let first = try await directory.madeUpVerifier(for: "nobody")
        #expect(first == StoredVerifier.madeUp(for: "nobody", key: [UInt8](repeating: 7, count: 32)))
        #expect(try await directory.madeUpVerifier(for: "nobody") == first)
        #expect(try await directory.madeUpVerifier(for: "nobody2") != first)
        #expect(first.digest?.count == 32)
    }
}

extension Login {
    /// Credential 100 of tenant 10, whose day resets one second after 1970 began.
    static func sample(_ name: String, tenant: Int64 = 10, credential: Int64 = 100) -> Login {
        Login(
            loginID: 1, credentialID: credential, tenantID: tenant, name: name, tenant: "acme", credential: name,
            poolID: 1, verifier: .madeUp(for: name, key: [1]), tenantStatus: "active", networks: [],
            messageSize: 1000, recipientsPerMessage: 10, policy: .defer, partial: false, nullSender: false,
            resubmission: true, senderDomains: ["acme.example"],
            room: Room(remaining: 5, limitName: "daily", cap: 5, used: 0, resetsAt: Instant(microseconds: 1_000_000)),
            byteRoom: Room(
                remaining: 100, limitName: "bytes_daily", cap: 100, used: 0, resetsAt: Instant(microseconds: 2_000_000)),
            clock: Instant(microseconds: 0))
    }
}
