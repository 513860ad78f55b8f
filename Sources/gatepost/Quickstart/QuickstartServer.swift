import Foundation
import Synchronization

/// `gatepost serve`, this binary as a child process, as it would run anywhere else.
final class QuickstartServer: Sendable {
    private let folder: QuickstartFolder
    private let process = Mutex<Child?>(nil)

    init(_ folder: QuickstartFolder) { self.folder = folder }

    /// Starts it and waits until both addresses answer.
    func start(_ addresses: [HostPort]) async throws -> Int32 {
        for address in addresses where Self.answers(address) {
            throw Failure(
                "something listens on \(address) already",
                hint:
                    "is it another `gatepost serve` with these settings? End it; `gatepost quickstart --stop` ends an "
                    + "earlier quickstart's")
        }
        // These settings and no others: a GATEPOST_ variable of the shell would go before the file.
        var environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("GATEPOST_") }
        environment["GATEPOST_LOG_FORMAT"] = "text"
        let descriptor = open(folder.serverLog, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure("cannot write \(folder.serverLog.printable)") }
        defer { close(descriptor) }
        let binary = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path
        let server = try Child(
            [binary, "serve", "--config", folder.settings], environment: environment, output: descriptor
        )
        process.withLock { $0 = server }
        folder.onFailure { self.stop() }
        try folder.write("\(server.id)\n", to: folder.serverID)

        let deadline = ContinuousClock.now + .seconds(30)
        while !addresses.allSatisfy(Self.answers) {
            guard server.isRunning else { throw Failure("the server ended at once: \(lastLines)") }
            guard ContinuousClock.now < deadline else { throw Failure("the server does not answer: \(lastLines)") }
            try await Task.sleep(for: .milliseconds(50))
        }
        return server.id
    }

    static func requireFree(_ addresses: [HostPort]) throws {
        for address in addresses where answers(address) {
            throw Failure(
                "something listens on \(address) already",
                hint:
                    "is it another `gatepost serve` with these settings? End it; `gatepost quickstart --stop` ends an "
                    + "earlier quickstart's")
        }
    }

    /// In good order: messages under way are finished.
    func stop() {
        let server = process.withLock { process in
            defer { process = nil }
            return process
        }
        guard let server else { return }
        server.terminate()
        server.wait()
        unlink(folder.serverID)
    }

    /// Returns when somebody else ended it in good order (`--stop`) or the task is cancelled; throws when it failed.
    func ended() async throws {
        while !Task.isCancelled {
            guard let server = process.withLock({ $0 }) else { return }
            if !server.isRunning {
                guard server.wait() == 0 else { throw Failure("the server has ended: \(lastLines)") }
                return
            }
            try? await Task.sleep(for: .milliseconds(200))
        }
    }

    var lastLines: String {
        (folder.read(folder.serverLog) ?? "").split(separator: "\n").suffix(3).map { String($0).printable }
            .joined(separator: " / ")
    }

    /// Ends one whose quickstart was killed. Its number may be another process' by now: the command line decides.
    static func stop(recordedIn folder: QuickstartFolder) -> Bool {
        guard let text = folder.read(folder.serverID)?.split(separator: "\n").first, let id = pid_t(text), id > 1 else {
            return false
        }
        defer { unlink(folder.serverID) }
        let isOurs = {
            let line = FileManager.default.contents(atPath: "/proc/\(id)/cmdline").map {
                String(decoding: $0, as: UTF8.self)
            }
            return line?.split(separator: "\0").map(String.init).contains(folder.settings) ?? false
        }
        guard isOurs() else { return false }
        kill(id, SIGTERM)
        for _ in 0..<400 where isOurs() { usleep(100_000) }
        return true
    }

    /// Something takes a connection there.
    static func answers(_ address: HostPort) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = in_port_t(address.port).bigEndian
        guard inet_pton(AF_INET, address.host, &name.sin_addr) == 1 else { return false }
        return withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
