internal import CLinux
internal import Glibc

/// A process that a test started: spawned in a group of its own, signalled and awaited by its own id.
package struct ChildProcess: Sendable {
    package let id: Int32

    package struct SpawnFailure: Error, CustomStringConvertible {
        package let description: String
    }

    /// Starts `arguments[0]` (found in PATH). Output goes to `log`, appended; input is `input` or nothing.
    package init(_ arguments: [String], log: String = "/dev/null", input: Int32? = nil) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // Nothing else of ours: a descriptor that another thread has just made is not closed on exec yet, and whoever
        // waits for its end of file (Foundation's Process, for its child's end) would wait for this child's too.
        clinux_spawn_close_from(&actions, 3)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Its own group, so that Ctrl-C at the test run leaves the order of ending to us; no inherited signal mask.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
        posix_spawnattr_setpgroup(&attributes, 0)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)

        var pointers = arguments.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        var id = pid_t()
        let failure = posix_spawnp(&id, arguments[0], &actions, &attributes, pointers, environ)
        guard failure == 0 else {
            throw SpawnFailure(description: "cannot start \(arguments[0]): \(String(cString: strerror(failure)))")
        }
        self.id = id
    }

    package func signal(_ signal: Int32) { kill(id, signal) }

    /// Whether it still runs; reaps it when it does not.
    package var isRunning: Bool { waitpid(id, nil, WNOHANG) == 0 }

    /// Blocks until it ends. The exit code, or 128 + the signal that ended it.
    @discardableResult
    package func wait() -> Int32 {
        var status: Int32 = 0
        while waitpid(id, &status, 0) < 0 {
            guard errno == EINTR else { return -1 }
        }
        let signal = status & 0x7f
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal
    }

    /// Runs to the end and throws with its output unless it exits 0.
    package static func run(_ arguments: [String]) throws {
        var template = Array("/tmp/gatepost-output-XXXXXX\0".utf8).map { CChar(bitPattern: $0) }
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw SpawnFailure(description: "no temporary file") }
        close(descriptor)
        let log = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        defer { unlink(log) }
        let status = try ChildProcess(arguments, log: log).wait()
        guard status == 0 else {
            throw SpawnFailure(description: "\(arguments) exited \(status): \(readFile(log))")
        }
    }
}

/// A file's text, or nothing.
package func readFile(_ path: String) -> String {
    guard let file = fopen(path, "re") else { return "" }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
    return String(decoding: bytes, as: UTF8.self)
}
