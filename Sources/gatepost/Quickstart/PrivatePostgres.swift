import Cryptography
import Foundation
import Postgres

/// A PostgreSQL that belongs to one folder: no network, a socket only its user can reach, and it outlives the command.
///
/// PostgreSQL refuses to run as root; then it runs as `postgres`. Where that user cannot enter the folder (a clone below
/// /root), data and socket are under /var/lib/gatepost-quickstart, and the folder says where.
struct PrivatePostgres: Sendable {
    /// Socket and data.
    let place: String
    private let folder: QuickstartFolder
    private let isRoot = geteuid() == 0

    static let serverUser = "postgres"
    private static let database = "gatepost"
    private static let port = "5432"  // names the socket; nothing listens on the network

    init(_ folder: QuickstartFolder) throws {
        self.folder = folder
        place =
            folder.read(folder.postgresPlace)?.split(separator: "\n").first.map(String.init) ?? folder.path
            + "/postgres"
    }

    private init(_ folder: QuickstartFolder, at place: String) {
        self.folder = folder
        self.place = place
    }

    private var data: String { place + "/data" }
    private var log: String { place + "/log" }

    func url(user: String, database: String = Self.database) -> String {
        "host='\(Self.escaped(place))' port=\(Self.port) user=\(user) dbname=\(database)"
    }

    /// Within apostrophes (PostgreSQL, "Connection Strings").
    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { $0 += $1 == "'" || $1 == "\\" ? "\\\($1)" : "\($1)" }
    }

    // MARK: Up

    /// Up and with a database. Says what it is and where.
    static func start(in folder: QuickstartFolder) async throws -> (PrivatePostgres, String) {
        var postgres = try PrivatePostgres(folder)
        if !FileManager.default.fileExists(atPath: postgres.data) { postgres = try create(in: folder) }
        let wasUp = postgres.isUp
        if !wasUp {
            folder.onFailure { [postgres] in _ = try? postgres.stop() }
            try postgres.launch()
        }
        try await postgres.createDatabase()
        let version = try await DatabaseConnection(
            DatabaseConfiguration(url: postgres.url(user: serverUser, database: "postgres"))
        ).query("SELECT pg_catalog.current_setting('server_version') AS v").first?.string("v")
        let number = version?.split(separator: " ").first ?? "?"
        return (
            postgres,
            "\(number) \(wasUp ? "was up" : "started") in \(folder.shown(postgres.place)), no network, by its socket only"
        )
    }

    private static func create(in folder: QuickstartFolder) throws -> PrivatePostgres {
        var postgres = PrivatePostgres(folder, at: folder.path + "/postgres")
        try postgres.makePlace()
        if !postgres.isReachable() {
            rmdir(postgres.place)
            let name = hexadecimal(SHA256.hash(folder.path.utf8).prefix(6))
            postgres = PrivatePostgres(folder, at: "/var/lib/gatepost-quickstart/" + name)
            try postgres.makePlace()
            guard postgres.isReachable() else {
                throw Failure(
                    "the user \(serverUser) can enter neither \(folder.path.printable) nor \(postgres.place)",
                    hint: "run the quickstart in a folder that every user may enter, or not as root")
            }
            try folder.write(postgres.place + "\n", to: folder.postgresPlace)
        }
        folder.onFailure { [postgres] in try? postgres.remove() }
        try postgres.initialise()
        return postgres
    }

    /// A Unix socket's name has 107 octets at most.
    private func isReachable() -> Bool {
        guard place.utf8.count + "/.s.PGSQL.5432".utf8.count <= 107 else { return false }
        guard isRoot, let command = try? asServer(["/usr/bin/test", "-w", place]) else { return !isRoot }
        return (try? Tool.run(command).status) == 0
    }

    private func makePlace() throws {
        let server = getpwnam(Self.serverUser)?.pointee.pw_uid
        let owners = Set([geteuid()] + (isRoot ? [server].compactMap(\.self) : []))
        try QuickstartFolder.refuseForeign(place, ownedBy: owners)
        try FileManager.default.createDirectory(
            atPath: place, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        chmod(place, 0o700)
        guard isRoot else { return }
        guard let user = getpwnam(Self.serverUser) else {
            throw Failure(
                "there is no user \(Self.serverUser), and PostgreSQL does not run as root",
                hint: "apt-get install postgresql")
        }
        chown(place, user.pointee.pw_uid, user.pointee.pw_gid)
    }

    /// Into a folder beside, then renamed: half a cluster is never found later.
    private func initialise() throws {
        let half = place + "/data.new"
        try? FileManager.default.removeItem(atPath: half)
        let made = try Tool.run(
            try asServer([
                try binary("initdb"), "-D", half, "-U", Self.serverUser, "-A", "peer", "-E", "UTF8", "--locale=C.UTF-8",
            ]))
        guard made.status == 0 else { throw Failure("initdb failed: \(Self.lastLines(made.output))") }
        // Who may be whom: the one who runs this, in all of Gatepost's roles, by the socket's word for who he is.
        let me = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? "root"
        let roles = ["gatepost_owner", "gatepost_admin", "gatepost_node", "gatepost_viewer", Self.serverUser]
        let quoted = me.replacing("\"", with: "\"\"")
        let map = roles.map { "quickstart \"\(quoted)\" \($0)\n" }.joined() + "quickstart postgres postgres\n"
        try append(map, to: half + "/pg_ident.conf")
        try overwrite("local all all peer map=quickstart\n", at: half + "/pg_hba.conf")
        try append(
            """
            listen_addresses = ''
            port = \(Self.port)
            unix_socket_directories = '\(place.replacing("\\", with: "\\\\").replacing("'", with: "''"))'
            unix_socket_permissions = 0700
            jit = off
            max_wal_size = '1GB'
            logging_collector = off

            """, to: half + "/postgresql.conf")
        guard rename(half, data) == 0 else {
            throw Failure("cannot make \(data.printable): \(String(cString: strerror(errno)))")
        }
    }

    private func append(_ text: String, to file: String) throws {
        try overwrite(
            (FileManager.default.contents(atPath: file).map { String(decoding: $0, as: UTF8.self) } ?? "") + text,
            at: file)
    }

    /// In place: the file stays its owner's.
    private func overwrite(_ text: String, at file: String) throws {
        guard let handle = FileHandle(forWritingAtPath: file) else { throw Failure("cannot write \(file.printable)") }
        try handle.truncate(atOffset: 0)
        try handle.write(contentsOf: Data(text.utf8))
        try handle.close()
    }

    private func launch() throws {
        let started = try Tool.run(
            try asServer([try binary("pg_ctl"), "-D", data, "-l", log, "-w", "-t", "60", "-s", "start"]))
        guard started.status == 0 else {
            let reason =
                FileManager.default.contents(atPath: log).map { String(decoding: $0, as: UTF8.self) } ?? started.output
            throw Failure("PostgreSQL does not start: \(Self.lastLines(reason))", hint: "its log is \(log.printable)")
        }
    }

    private func createDatabase() async throws {
        let connection = DatabaseConnection(
            DatabaseConfiguration(url: url(user: Self.serverUser, database: "postgres")))
        do {
            let known = try await connection.query(
                "SELECT 1 AS one FROM pg_catalog.pg_database WHERE datname = $1", [.text(Self.database)])
            if known.first == nil { try await connection.query("CREATE DATABASE \(Self.database)") }
        } catch {
            throw Failure("the private PostgreSQL does not let us in: \(error.description.printable)")
        }
        await connection.close()
    }

    // MARK: Down

    var isUp: Bool {
        guard let control = try? binary("pg_ctl"), let command = try? asServer([control, "-D", data, "status"]) else {
            return false
        }
        return (try? Tool.run(command).status) == 0
    }

    /// False where it was not up.
    func stop() throws -> Bool {
        guard FileManager.default.fileExists(atPath: data), isUp else { return false }
        let stopped = try Tool.run(try asServer([try binary("pg_ctl"), "-D", data, "-m", "fast", "-w", "-s", "stop"]))
        guard stopped.status == 0 else { throw Failure("PostgreSQL does not stop: \(Self.lastLines(stopped.output))") }
        return true
    }

    func remove() throws {
        _ = try stop()
        if FileManager.default.fileExists(atPath: place) { try FileManager.default.removeItem(atPath: place) }
        rmdir("/var/lib/gatepost-quickstart")  // only when it is the last
    }

    // MARK: Its programs

    /// Data of a version need programs of that version; Debian keeps them out of PATH.
    private func binary(_ name: String) throws -> String {
        let root = "/usr/lib/postgresql"
        let installed = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).compactMap(Int.init)
            .sorted(by: >)
        let version = FileManager.default.contents(atPath: data + "/PG_VERSION").map {
            String(decoding: $0, as: UTF8.self)
        }
        let wanted = version.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
        let candidates = installed.filter { wanted == nil || $0 == wanted }.map { "\(root)/\($0)/bin" }
        guard let found = Tool.find(name, in: candidates) else {
            throw Failure(
                "PostgreSQL's program \(name) is not installed\(wanted.map { " in version \($0), which the data are of" } ?? "")",
                hint: "apt-get install postgresql")
        }
        return found
    }

    private func asServer(_ command: [String]) throws -> [String] {
        guard isRoot else { return command }
        guard let setpriv = Tool.find("setpriv") else {
            throw Failure("the program setpriv is not installed", hint: "apt-get install util-linux")
        }
        return [setpriv, "--reuid=\(Self.serverUser)", "--regid=\(Self.serverUser)", "--clear-groups"] + command
    }

    private static func lastLines(_ text: String) -> String {
        text.split(separator: "\n").suffix(4).map { String($0).printable }.joined(separator: " / ")
    }
}
