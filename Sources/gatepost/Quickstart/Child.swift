import Foundation
import Synchronization

/// A child process in a group of its own, so that Ctrl-C reaches the quickstart alone.
///
/// Foundation's `Process` waits on a socket that children inherit: after `pg_ctl start` it would wait for PostgreSQL's end.
final class Child: Sendable {
    let id: pid_t
    private let status = Mutex<Int32?>(nil)

    /// - Parameter output: a descriptor for its standard output and error; it stays the caller's.
    init(_ command: [String], environment: [String: String], output: Int32) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, output, 2)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var all = sigset_t()
        sigfillset(&all)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))

        var id: pid_t = 0
        let code = withTexts(command) { arguments in
            withTexts(environment.map { "\($0.key)=\($0.value)" }) { variables in
                posix_spawn(&id, command[0], &actions, &attributes, arguments, variables)
            }
        }
        guard code == 0 else { throw Failure("cannot run \(command[0].printable): \(String(cString: strerror(code)))") }
        self.id = id
    }

    var isRunning: Bool { ended(WNOHANG) == nil }

    /// Its exit status; 128 and the signal's number if one ended it.
    @discardableResult
    func wait() -> Int32 { ended(0) ?? -1 }

    func terminate() { if isRunning { kill(id, SIGTERM) } }

    private func ended(_ options: Int32) -> Int32? {
        status.withLock { status in
            if let status { return status }
            var raw: Int32 = 0
            var result: pid_t
            repeat { result = waitpid(id, &raw, options) } while result == -1 && errno == EINTR
            guard result == id else { return nil }
            status = raw & 0x7F == 0 ? (raw >> 8) & 0xFF : 128 + raw & 0x7F
            return status
        }
    }
}

/// Runs a program to its end.
enum Tool {
    struct Result {
        let status: Int32
        let output: String
    }

    /// `directory` must be one that the program's user may be in.
    static func run(_ command: [String], in directory: String = "/") throws -> Result {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Failure("no pipe: \(String(cString: strerror(errno)))") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let child: Child
        do {
            defer { close(ends[1]) }
            child = try Child(
                ["/usr/bin/env", "-C", directory] + command, environment: ProcessInfo.processInfo.environment,
                output: ends[1])
        } catch {
            close(ends[0])
            throw error
        }
        let data = FileHandle(fileDescriptor: ends[0], closeOnDealloc: true).readDataToEndOfFile()
        return Result(status: child.wait(), output: String(decoding: data, as: UTF8.self))
    }

    /// The first of that name in these folders, else in PATH.
    static func find(_ name: String, in folders: [String] = []) -> String? {
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":").map(
            String.init)
        return (folders + path + ["/usr/sbin", "/sbin"]).map { $0 + "/" + name }.first { access($0, X_OK) == 0 }
    }
}

/// Null-terminated C strings in a null-terminated array, for the time of `body`.
private func withTexts<R>(_ texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R) -> R {
    let copies = texts.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return body(copies + [nil])
}
