import Glibc
import Postgres
import Synchronization

/// A PostgreSQL of this process's own: a data folder under /tmp, a unix socket in it and a free loopback port.
///
/// As root it runs as `postgres`. A watchdog process stops it and removes the folder when the test process ends,
/// however that ends.
package final class PrivateCluster: Sendable {
    package let folder: String
    package let port: Int
    /// `fsync=off` is for tests that kill nothing.
    private let isDurable: Bool
    private let settings: [String]
    private let postmaster = Mutex<ChildProcess?>(nil)
    private let watchdog: (process: ChildProcess, lifeline: Int32)

    /// Creates and starts it, on a thread of its own: tests share a few threads, and none of them must block.
    package static func create(durable: Bool = true, settings: [String] = []) async throws -> PrivateCluster {
        try await onThread { try PrivateCluster(durable: durable, settings: settings) }
    }

    /// Creates and starts it, blocking for a second or more.
    package init(durable: Bool = true, settings: [String] = []) throws {
        isDurable = durable
        self.settings = settings
        port = FreePort.find()
        var template = Array("/tmp/gatepost-test-XXXXXX\0".utf8).map { CChar(bitPattern: $0) }
        guard let made = mkdtemp(&template) else { throw Failure("no folder under /tmp") }
        folder = String(cString: made)
        chmod(folder, 0o755)
        if geteuid() == 0, let postgres = getpwnam("postgres") {
            chown(folder, postgres.pointee.pw_uid, postgres.pointee.pw_gid)
        }
        watchdog = try Self.startWatchdog(folder)
        try ChildProcess.run(
            Self.asPostgres + [
                Self.binary("initdb"), "-D", "\(folder)/data", "-U", "postgres", "-A", "trust", "-E", "UTF8",
                "--locale=C.UTF-8", "--no-sync",
            ])
        try start()
    }

    deinit {
        stop(SIGQUIT)
        close(watchdog.lifeline)  // the watchdog removes the folder
        watchdog.process.wait()
    }

    package struct Failure: Error, CustomStringConvertible {
        package let description: String
        init(_ description: String) { self.description = description }
    }

    // MARK: Up and down (these block: see `onThread`)

    package var isRunning: Bool { postmaster.withLock { $0?.isRunning ?? false } }
    package var postmasterID: Int32? { postmaster.withLock { $0?.id } }
    package var log: String { readFile("\(folder)/log") }

    /// Starts the postmaster and waits until it listens.
    package func start() throws {
        let command =
            Self.asPostgres + [
                Self.binary("postgres"), "-D", "\(folder)/data", "-k", folder, "-p", "\(port)",
                "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=600", "-c", "shared_buffers=64MB",
                "-c", "fsync=\(isDurable ? "on" : "off")", "-c", "logging_collector=off", "-c", "max_wal_size=512MB",
                "-c", "recovery_init_sync_method=syncfs",
            ] + settings.flatMap { ["-c", $0] }
        // After a kill the old backends may hold the shared memory for a moment: then the new one gives up at once.
        for _ in 0..<100 {
            let process = try ChildProcess(command, log: "\(folder)/log")
            while process.isRunning {
                if listens(process.id) {
                    postmaster.withLock { $0 = process }
                    return
                }
                usleep(5_000)
            }
            usleep(50_000)
        }
        throw Failure("PostgreSQL does not start: \(log.suffix(2000))")
    }

    /// Stops it and waits: SIGTERM smart, SIGINT fast, SIGQUIT immediate, SIGKILL as a crash.
    package func stop(_ signal: Int32 = SIGINT) {
        postmaster.withLock { process in
            guard let running = process else { return }
            running.signal(signal)
            running.wait()
            process = nil
        }
        // Backends outlive a killed postmaster by a moment.
        var looks = 0
        while hasProcesses, looks < 2000 {
            usleep(5_000)
            looks += 1
        }
    }

    package func restart(_ signal: Int32 = SIGINT) throws {
        stop(signal)
        try start()
    }

    /// SIGSTOP or SIGCONT to the postmaster alone: it then takes no new connections, or does again.
    package func signalPostmaster(_ signal: Int32) { postmaster.withLock { $0?.signal(signal) } }

    /// Ready is what the postmaster's own file says once it takes connections.
    private func listens(_ id: Int32) -> Bool {
        let lines = readFile("\(folder)/data/postmaster.pid").split(separator: "\n", omittingEmptySubsequences: false)
        // A killed one leaves its file behind.
        return lines.count >= 8 && lines[0] == "\(id)" && lines[7].hasPrefix("ready")
    }

    /// Whether any process works in the data folder, as all of a cluster's do.
    private var hasProcesses: Bool {
        guard let processes = opendir("/proc") else { return false }
        defer { closedir(processes) }
        while let entry = readdir(processes) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.allSatisfy(\.isNumber) else { continue }
            var target = [CChar](repeating: 0, count: 256)
            let length = readlink("/proc/\(name)/cwd", &target, target.count)
            if length > 0,
                String(decoding: target[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self) == "\(folder)/data"
            {
                return true
            }
        }
        return false
    }

    // MARK: Finding it

    package func url(user: String, database: String) -> String {
        "host=\(folder) port=\(port) user=\(user) dbname=\(database)"
    }

    /// Over TCP, through another port if a proxy stands between.
    package func tcpURL(user: String, database: String, port: Int? = nil) -> String {
        "host=127.0.0.1 port=\(port ?? self.port) user=\(user) dbname=\(database) sslmode=disable gssencmode=disable"
    }

    private static var asPostgres: [String] {
        geteuid() == 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : []
    }

    /// The newest installed: Debian keeps the servers' programs out of PATH.
    package static func binary(_ name: String) -> String {
        for version in stride(from: 20, through: 13, by: -1) {
            let path = "/usr/lib/postgresql/\(version)/bin/\(name)"
            if access(path, X_OK) == 0 { return path }
        }
        return name
    }

    /// A shell that reads from a pipe whose other end only this process holds: its end of file is our end.
    private static func startWatchdog(_ folder: String) throws -> (ChildProcess, Int32) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Failure("no pipe") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let script = """
            trap '' INT TERM HUP
            cat >/dev/null
            pid=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
            for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
            rm -rf "$0"
            """
        let process = try ChildProcess(["sh", "-c", script, folder], input: ends[0])
        close(ends[0])
        return (process, ends[1])
    }
}

/// Runs what blocks where it holds up nobody.
package func onThread<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
        startThread(name: "test") { continuation.resume(with: Result { try body() }) }
    }
}
