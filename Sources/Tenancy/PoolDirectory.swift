package import Postgres
internal import Synchronization

/// A relay that takes mail for a pool.
package struct Member: Sendable, Hashable, Identifiable {
    package enum Wire: String, Sendable { case lmtp, smtp }
    /// `opportunistic`: where it is offered, unverified; `require`: always, unverified; `verify`: its certificate names
    /// `serverName`; `mutual`: by the pool's authority, and ours is shown.
    package enum TLS: String, Sendable { case none, opportunistic, require, verify, mutual }

    package var id: Int64
    package var host: String
    package var port: Int
    package var wire: Wire
    package var tls: TLS
    package var weight: Int
    /// Gets nothing new.
    package var isDraining: Bool
    /// Connections at most from one node; nil: the node's setting.
    package var connections: Int?
    /// What its certificate must name.
    package var serverName: String
    /// For AUTH as a client.
    package var login: RelayLogin?

    package init(
        id: Int64, host: String, port: Int, wire: Wire, tls: TLS, weight: Int = 1, isDraining: Bool = false,
        connections: Int? = nil, serverName: String? = nil, login: RelayLogin? = nil
    ) {
        self.id = id
        self.host = host
        self.port = port
        self.wire = wire
        self.tls = tls
        self.weight = weight
        self.isDraining = isDraining
        self.connections = connections
        self.serverName = serverName ?? host
        self.login = login
    }
}

/// What Gatepost authenticates with to a relay. Describes itself without the password.
package struct RelayLogin: Sendable, Hashable {
    package var username: String
    package var password: String

    package init(username: String, password: String) {
        self.username = username
        self.password = password
    }
}

extension RelayLogin: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "\(username) with a password" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["username": username]) }
}

/// Relays that share a load.
package struct Pool: Sendable, Hashable, Identifiable {
    package var id: Int64
    package var name: String
    package var members: [Member]

    package init(id: Int64, name: String, members: [Member]) {
        self.id = id
        self.name = name
        self.members = members
    }
}

/// The pools and their members, remembered until an operator changes one, at most 30 s.
///
/// While the database is away the last answer goes on: mail already claimed still finds its relay.
package final class PoolDirectory: Sendable {
    package static let lifetime = Directory.lifetime

    private struct State {
        var pools: [Int64: Pool] = [:]
        var isFresh = false
        var until: ContinuousClock.Instant?
        var generation = 0
    }

    private let state = Mutex(State())
    private let database: DatabasePool

    package init(_ database: DatabasePool) { self.database = database }

    /// - Throws: where the database is away and nothing was ever heard of the pools.
    package func pool(_ id: Int64) async throws -> Pool? { try await pools()[id] }

    package func pools() async throws -> [Int64: Pool] {
        let (known, generation) = state.withLock { state in
            let isCurrent = state.isFresh && (state.until.map { $0 > .now } ?? false)
            return (isCurrent ? state.pools : nil, state.generation)
        }
        if let known { return known }
        do {
            let pools = try Self.pools(in: await database.query("SELECT * FROM ledger.pools()"))
            state.withLock { state in
                state.pools = pools
                state.until = .now + Self.lifetime
                state.isFresh = state.generation == generation
            }
            return pools
        } catch {
            let last = state.withLock { $0.until == nil ? nil : $0.pools }
            guard let last else { throw error }
            return last
        }
    }

    /// What the listener heard.
    package func hear(_ event: Listener.Event) {
        if case .notification(let channel, let payload) = event {
            guard channel == "\(DirectoryChange.channel)" else { return }
            switch DirectoryChange(payload: payload) {
            case .pool, .everything: break
            case .tenant, .credential: return
            }
        }
        state.withLock { state in
            state.isFresh = false
            state.generation += 1
        }
    }

    static func pools(in rows: Rows) throws(DatabaseError) -> [Int64: Pool] {
        var pools: [Int64: Pool] = [:]
        for row in rows {
            let id = try row.int64("pool_id")
            let name = try row.string("pool")
            var pool = pools[id] ?? Pool(id: id, name: name, members: [])
            if let member = try row.int64OrNil("member_id") {
                // A word from a newer schema: that member is not for us.
                if let wire = Member.Wire(rawValue: try row.string("protocol")),
                    let tls = Member.TLS(rawValue: try row.string("tls"))
                {
                    pool.members.append(
                        Member(
                            id: member, host: try row.string("host"), port: Int(try row.int64("port")), wire: wire,
                            tls: tls, weight: Int(try row.int64("weight")),
                            isDraining: try row.string("status") != "active",
                            connections: try row.int64OrNil("connections").map { Int($0) },
                            serverName: try row.string("server_name"), login: try login(row)))
                }
            }
            pools[id] = pool
        }
        return pools
    }

    private static func login(_ row: Rows.Row) throws(DatabaseError) -> RelayLogin? {
        guard let username = try row.stringOrNil("username"), let secret = try row.stringOrNil("secret") else {
            return nil
        }
        return RelayLogin(username: username, password: secret)
    }
}
