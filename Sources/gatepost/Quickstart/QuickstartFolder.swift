import Foundation
import Synchronization

/// The folder of a quickstart: what is in it, who may work in it, and how a failed run leaves no trace.
final class QuickstartFolder: Sendable {
    let path: String
    /// There was no folder before this run: a failure takes it away again.
    let wasNew: Bool
    private let lockFile = Mutex<Int32>(-1)
    private let undoing = Mutex<[@Sendable () -> Void]>([])

    init(_ name: String) throws {
        path = URL(fileURLWithPath: name).standardizedFileURL.path
        wasNew = !FileManager.default.fileExists(atPath: path)
    }

    var settings: String { path + "/gatepost.yaml" }
    var pki: String { path + "/pki" }
    var outbox: String { path + "/outbox" }
    var credential: String { path + "/credential" }
    var serverLog: String { path + "/serve.log" }
    var serverID: String { path + "/serve.pid" }
    /// Says where PostgreSQL's data is, where it cannot be in the folder itself.
    var postgresPlace: String { path + "/postgres.place" }

    /// As the user would type it.
    func shown(_ file: String) -> String {
        let here = FileManager.default.currentDirectoryPath + "/"
        return file.hasPrefix(here) ? String(file.dropFirst(here.count)) : file
    }

    /// One quickstart at a time in one folder.
    func lock() throws {
        try Self.refuseForeign(path)
        do {
            let isNew = access(path, F_OK) != 0
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            // Whatever the umask, nobody else puts settings or secrets of his own here.
            var status = stat()
            if isNew, stat(path, &status) == 0, status.st_mode & 0o022 != 0 { chmod(path, status.st_mode & 0o755) }
        } catch {
            throw Failure("cannot make the folder \(path.printable): \(error.localizedDescription)")
        }
        let descriptor = open(path + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Failure("cannot write into \(path.printable): \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw Failure(
                "another quickstart works in \(shown(path).printable) just now",
                hint: "end it with Ctrl-C where it runs, or with `gatepost quickstart --stop`")
        }
        lockFile.withLock { $0 = descriptor }
        onFailure { if self.wasNew { try? FileManager.default.removeItem(atPath: self.path) } }
    }

    /// A folder that somebody else prepared, or a link to one: what is put there, keys among it, would be theirs, and what
    /// it leads to would be given away.
    static func refuseForeign(_ path: String, ownedBy owners: Set<uid_t> = [geteuid()]) throws {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFDIR, owners.contains(status.st_uid) else {
            throw Failure(
                "\(path.printable) is there already, and is a link, a file or another user's folder",
                hint: "name another folder with --directory")
        }
    }

    // MARK: Failing without a trace

    /// What takes back something that this run has made or started; done in the opposite order, when it fails.
    func onFailure(_ action: @escaping @Sendable () -> Void) { undoing.withLock { $0.append(action) } }

    func undo() {
        let actions = undoing.withLock { actions in
            defer { actions = [] }
            return actions
        }
        for action in actions.reversed() { action() }
    }

    /// Writes a file that is there whole or not at all, readable by its owner only.
    func write(_ text: String, to file: String) throws {
        let temporary = file + ".new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Failure("cannot write \(file.printable): \(String(cString: strerror(errno)))")
        }
        let written = text.utf8CString.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count - 1) }
        close(descriptor)
        guard written == text.utf8.count, rename(temporary, file) == 0 else {
            unlink(temporary)
            throw Failure("cannot write \(file.printable): \(String(cString: strerror(errno)))")
        }
    }

    func read(_ file: String) -> String? {
        FileManager.default.contents(atPath: file).map { String(decoding: $0, as: UTF8.self) }
    }

    // MARK: --stop

    func stop(removing: Bool, _ output: Output) throws {
        guard !wasNew else {
            output.show(["stopped": .strings([])], "nothing to stop: there is no \(shown(path).printable)\n")
            return
        }
        try Self.refuseForeign(path)
        guard isOurs else {
            throw Failure(
                "\(shown(path).printable) is no quickstart's folder: nothing was stopped or removed",
                hint: "name the folder of one with --directory; without it that is .gatepost", .usage)
        }
        var stopped: [String] = []
        if QuickstartServer.stop(recordedIn: self) { stopped.append("server") }
        let postgres = try PrivatePostgres(self)
        if try postgres.stop() { stopped.append("postgresql") }
        if removing {
            try postgres.remove()
            try remove()
        }
        let isGone = removing && !FileManager.default.fileExists(atPath: path)
        let what = stopped.isEmpty ? "nothing was up" : "stopped: \(stopped.joined(separator: ", "))"
        let rest = isGone ? "" : ", but for what is not the quickstart's"
        output.show(
            ["stopped": .strings(stopped), "removed": .bool(isGone)],
            what + (removing ? "; \(shown(path).printable) is removed\(rest)\n" : "\n"))
    }

    /// Whether a quickstart has worked here: its lock is the first that each of them makes. A `gatepost.yaml` that is not
    /// its own is an installation's.
    private var isOurs: Bool {
        var status = stat()
        guard lstat(path + "/lock", &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size == 0 else {
            return false
        }
        return read(settings)?.hasPrefix(Self.settingsHead) ?? true
    }

    /// The first words of the settings that a quickstart writes.
    static let settingsHead = "# Written by `gatepost quickstart`"

    /// What quickstarts make, and the folder if nothing else is in it: it may have been somebody's before.
    private func remove() throws {
        for made in [
            settings, pki, outbox, credential, serverLog, serverID, postgresPlace, path + "/postgres", path + "/lock",
        ] {
            for name in [made, made + ".new"] where (try? FileManager.default.attributesOfItem(atPath: name)) != nil {
                try FileManager.default.removeItem(atPath: name)
            }
        }
        rmdir(path)
    }
}
