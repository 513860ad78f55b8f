internal import Foundation
internal import Glibc
internal import Postgres
internal import SiteSupport
internal import Synchronization
internal import TestSupport

/// Two PostgreSQL servers, `a` and `b`, under Patroni, with an etcd that decides; all of it private to a folder.
///
/// Between the two sides run wires that can be cut: each server is reached directly from its own side, and over its
/// `wire` from the other (replication goes that way); each Patroni reaches etcd over a wire of its own.
final class PatroniCluster: Sendable {
    /// Debian's packages.
    static let packages = "patroni, etcd-server, python3-etcd"
    static var isInstalled: Bool { access("/usr/bin/patroni", X_OK) == 0 && access("/usr/bin/etcd", X_OK) == 0 }

    struct Member: Sendable {
        let name: String
        /// Of PostgreSQL, from its own side.
        let port: Int
        let rest: Int
        let wire: Wire
        let restWire: Wire
        let etcdWire: Wire
        let folder: String
    }

    enum Mode: Sendable { case strictlySynchronous, asynchronous }

    let folder: String
    let members: [Member]
    private let etcd: ChildProcess
    private let patronis = Mutex<[String: ChildProcess]>([:])
    private let watchdog: (process: ChildProcess, lifeline: Int32)

    /// Blocks until both are up and, in the strict mode, one waits for the other.
    init(_ mode: Mode) async throws {
        var template = Array("/tmp/gatepost-patroni-XXXXXX\0".utf8).map { CChar(bitPattern: $0) }
        guard let made = mkdtemp(&template) else { throw Site.Failure("no folder under /tmp") }
        folder = String(cString: made)
        let owner = geteuid() == 0 ? getpwnam("postgres") : nil
        func give(_ path: String, _ mode: mode_t) {
            chmod(path, mode)
            if let owner { chown(path, owner.pointee.pw_uid, owner.pointee.pw_gid) }
        }
        give(folder, 0o755)
        let etcdPort = FreePort.find()
        var members: [Member] = []
        for name in ["a", "b"] {
            let port = FreePort.find()
            let rest = FreePort.find()
            members.append(
                Member(
                    name: name, port: port, rest: rest, wire: Wire(to: port), restWire: Wire(to: rest),
                    etcdWire: Wire(to: etcdPort), folder: "\(folder)/\(name)"))
        }
        self.members = members
        for member in members {
            mkdir(member.folder, 0o700)
            give(member.folder, 0o700)
            let file = "\(folder)/\(member.name).yml"
            try Self.settings(member, mode).write(toFile: file, atomically: true, encoding: .utf8)
            give(file, 0o600)
        }
        watchdog = try Self.startWatchdog(folder)
        let peer = "http://127.0.0.1:\(FreePort.find())"
        let client = "http://127.0.0.1:\(etcdPort)"
        etcd = try ChildProcess(
            Self.asPostgres + [
                "etcd", "--name", "e", "--data-dir", "\(folder)/etcd", "--listen-client-urls", client,
                "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", "e=\(peer)", "--heartbeat-interval", "50", "--election-timeout", "500",
            ], log: "\(folder)/etcd.log")
        Self.note(etcd, folder)
        // Patroni ends where etcd has not agreed with itself yet which version the cluster is ("not_decided").
        let isDecided = await eventually(within: .seconds(60)) { [folder] in
            guard let data = await Self.curl([client + "/version"], folder),
                let version = try? JSONSerialization.jsonObject(with: data) as? [String: String]
            else { return false }
            return version["etcdcluster"]?.first?.isNumber == true
        }
        guard isDecided else {
            throw Site.Failure("etcd does not come up: \(readFile("\(folder)/etcd.log").suffix(1500))")
        }
        for member in members { try startPatroni(member) }
        guard await settle(within: .seconds(90), mode) else {
            throw Site.Failure("Patroni does not come up: \(readFile("\(folder)/a.log").suffix(1500))")
        }
    }

    deinit {
        for process in patronis.withLock({ Array($0.values) }) { process.signal(SIGKILL) }
        for process in patronis.withLock({ Array($0.values) }) { process.wait() }
        for member in members { signalPostgres(member, SIGCONT) }
        for member in members { if let id = postmaster(member) { kill(id, SIGQUIT) } }
        etcd.signal(SIGKILL)
        etcd.wait()
        close(watchdog.lifeline)  // the watchdog kills what is left and removes the folder
        watchdog.process.wait()
    }

    // MARK: Who is what

    /// The roles as Patroni sees them, by member: `leader`, `sync_standby`, `replica`.
    ///
    /// - Parameter witness: who is asked; nil: whoever answers.
    func roles(seenBy witness: String? = nil) async -> [String: String] {
        for member in members where witness == nil || member.name == witness {
            guard let data = await rest(member, "GET", "cluster", nil),
                let cluster = try? JSONSerialization.jsonObject(with: data) as? [String: Any],
                let all = cluster["members"] as? [[String: Any]]
            else { continue }
            var roles: [String: String] = [:]
            for one in all {
                let isRunning = ["running", "streaming"].contains(one["state"] as? String ?? "")
                if isRunning, let name = one["name"] as? String { roles[name] = one["role"] as? String }
            }
            return roles
        }
        return [:]
    }

    func leader() async -> Member? {
        let roles = await roles()
        return members.first { roles[$0.name] == "leader" }
    }

    func other(than member: Member) -> Member { members[member.name == "a" ? 1 : 0] }

    /// One leads, and the other follows: in the strict mode as the standby that commits wait for.
    func settle(within limit: Duration, _ mode: Mode) async -> Bool {
        await eventually(within: limit, every: .milliseconds(200)) {
            let roles = await roles()
            let wanted = mode == .strictlySynchronous ? ["leader", "sync_standby"] : ["leader", "replica"]
            guard roles.values.sorted() == wanted else { return false }
            guard let leader = members.first(where: { roles[$0.name] == "leader" }) else { return false }
            return await isFollowed(leader)
        }
    }

    /// Whether the other streams from this one. Patroni says "running" of one that was the primary before and still
    /// has its own history: were this one lost then, nobody would have what was acknowledged in between, however
    /// fast the network, or nobody could take over at all.
    private func isFollowed(_ leader: Member) async -> Bool {
        let connection = DatabaseConnection(
            DatabaseConfiguration(
                url: "host=127.0.0.1 port=\(leader.port) user=postgres dbname=postgres sslmode=disable "
                    + "gssencmode=disable connect_timeout=3"), name: "settle")
        let rows = try? await connection.query(
            "SELECT count(*) AS n FROM pg_stat_replication WHERE state = 'streaming'")
        await connection.close()
        return (try? rows?.first?.int64("n")) == 1
    }

    /// A connection string from `side`: that member directly, the other over its wire.
    func url(from side: Member?, user: String, database: String) -> String {
        let ports = members.map { side?.name == $0.name || side == nil ? $0.port : $0.wire.port }
        return "host=127.0.0.1,127.0.0.1 port=\(ports.map(String.init).joined(separator: ",")) user=\(user) "
            + "dbname=\(database) sslmode=disable gssencmode=disable target_session_attrs=read-write connect_timeout=3"
    }

    // MARK: Faults

    func killPostmaster(_ member: Member) {
        if let id = postmaster(member) { kill(id, SIGKILL) }
    }

    /// As if the machine lost power: Patroni and PostgreSQL at once.
    func killAll(_ member: Member) {
        patronis.withLock { $0.removeValue(forKey: member.name) }.map { process in
            process.signal(SIGKILL)
            process.wait()
        }
        signalPostgres(member, SIGKILL)
    }

    /// As if the machine stood still, or went on.
    func signalAll(_ member: Member, _ signal: Int32) {
        patronis.withLock { $0[member.name]?.signal(signal) }
        signalPostgres(member, signal)
    }

    func startPatroni(_ member: Member) throws {
        let process = try ChildProcess(
            Self.asPostgres + ["patroni", "\(folder)/\(member.name).yml"], log: "\(folder)/\(member.name).log")
        Self.note(process, folder)
        patronis.withLock { $0[member.name] = process }
    }

    /// Patroni's answer: whether it was done.
    func switchOver(from leader: Member) async -> Bool {
        let body = #"{"leader": "\#(leader.name)", "candidate": "\#(other(than: leader).name)"}"#
        guard let data = await rest(leader, "POST", "switchover", body) else { return false }
        return String(decoding: data, as: UTF8.self).contains("Successfully")
    }

    /// Everything between the member and the rest of the world, etcd included.
    func isolate(_ member: Member, _ state: Wire.State) {
        for wire in members.flatMap({ [$0.wire, $0.restWire] }) + [member.etcdWire] { wire.change(to: state) }
    }

    func heal() {
        for wire in members.flatMap({ [$0.wire, $0.restWire, $0.etcdWire] }) { wire.change(to: .whole) }
    }

    // MARK: Processes

    private func postmaster(_ member: Member) -> Int32? {
        readFile("\(member.folder)/data/postmaster.pid").split(separator: "\n").first.flatMap { Int32($0) }
    }

    /// Every process whose working directory is the member's data folder, as all of a server's is.
    private func signalPostgres(_ member: Member, _ signal: Int32) {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let id = Int32(name),
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(name)/cwd"))
                    == "\(member.folder)/data"
            else { continue }
            kill(id, signal)
        }
    }

    private func rest(_ member: Member, _ method: String, _ path: String, _ body: String?) async -> Data? {
        let url = "http://127.0.0.1:\(member.rest)/\(path)"
        return await Self.curl(
            ["-m", method == "GET" ? "2" : "30", "-X", method, url] + (body.map { ["-d", $0] } ?? []), folder)
    }

    private static func curl(_ arguments: [String], _ folder: String) async -> Data? {
        try? await onThread {
            let file = "\(folder)/answer-\(UUID().uuidString)"
            defer { unlink(file) }
            guard try ChildProcess(["curl", "-s"] + arguments, log: file).wait() == 0 else {
                throw Site.Failure("no answer")
            }
            return Data(readFile(file).utf8)
        }
    }

    private static var asPostgres: [String] {
        geteuid() == 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : []
    }

    /// For the watchdog.
    private static func note(_ process: ChildProcess, _ folder: String) {
        guard let file = fopen("\(folder)/pids", "ae") else { return }
        fputs("\(process.id)\n", file)
        fclose(file)
    }

    /// Ends all of it when this process ends, however that ends.
    private static func startWatchdog(_ folder: String) throws -> (ChildProcess, Int32) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Site.Failure("no pipe") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let script = """
            trap '' INT TERM HUP
            cat >/dev/null
            while read -r pid; do
                case $(readlink "/proc/$pid/exe") in *etcd*|*python*) kill -9 "$pid" 2>/dev/null ;; esac
            done <"$0/pids"
            for file in "$0"/a/data/postmaster.pid "$0"/b/data/postmaster.pid; do
                pid=$(head -n 1 "$file" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
            done
            for i in 1 2 3 4 5 6 7 8 9 10; do
                ls "$0"/?/data/postmaster.pid >/dev/null 2>&1 || break
                sleep 0.1
            done
            rm -rf "$0"
            """
        let process = try ChildProcess(["sh", "-c", script, folder], input: ends[0])
        close(ends[0])
        return (process, ends[1])
    }

    // MARK: Settings

    private static func settings(_ member: Member, _ mode: Mode) -> String {
        let bin = PrivateCluster.binary("postgres").split(separator: "/").dropLast().joined(separator: "/")
        let isSynchronous = mode == .strictlySynchronous
        return """
            scope: gatepost
            name: \(member.name)
            restapi: {listen: "127.0.0.1:\(member.rest)", connect_address: "127.0.0.1:\(member.restWire.port)"}
            # As a proxy: Patroni would else ask etcd for its own address, and go round the wire.
            etcd3: {hosts: "127.0.0.1:\(member.etcdWire.port)", use_proxies: true}
            bootstrap:
              dcs:
                ttl: 6
                loop_wait: 1
                retry_timeout: 2
                maximum_lag_on_failover: 1073741824
                primary_start_timeout: 0
                synchronous_mode: \(isSynchronous)
                synchronous_mode_strict: \(isSynchronous)
                postgresql:
                  use_pg_rewind: true
                  parameters:
                    wal_log_hints: "on"
                    max_connections: 200
                    shared_buffers: 64MB
                    wal_keep_size: 512MB
                    wal_sender_timeout: 3s
                    wal_receiver_timeout: 3s
                    wal_retrieve_retry_interval: 200ms
              initdb: [{encoding: UTF8}, {locale: C.UTF-8}]
              pg_hba:
                - local all all trust
                - host all all 127.0.0.1/32 trust
                - host replication all 127.0.0.1/32 trust
            postgresql:
              listen: 127.0.0.1:\(member.port)
              connect_address: 127.0.0.1:\(member.wire.port)
              data_dir: \(member.folder)/data
              bin_dir: /\(bin)
              pgpass: \(member.folder)/pgpass
              authentication:
                replication: {username: replicator, password: x, sslmode: disable}
                superuser: {username: postgres, password: x, sslmode: disable}
              parameters: {unix_socket_directories: \(member.folder)}
            watchdog: {mode: "off"}
            """
    }
}
