import Foundation
import Glibc
import SiteSupport
import TestSupport
import Testing

/// A session that a test leads line by line, by `talk.py`.
final class Talk: Sendable {
    private let process: ChildProcess
    private let writing: Int32
    private let log: String

    /// What AUTH was answered.
    let greeting: String

    init(_ site: Site, _ credential: Site.Credential, port: Int) async throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let log = "\(site.folder)/talk-\(UUID().uuidString)"
        process = try ChildProcess(
            [
                "python3", Site.clients + "talk.py", "\(port)", site.ca, credential.username, credential.secretFile,
            ], log: log, input: ends[0])
        site.watch(process)
        close(ends[0])
        (self.log, writing) = (log, ends[1])
        try #require(await eventually(within: .seconds(60)) { !Talk.lines(log).isEmpty }, "\(readFile(log))")
        greeting = Talk.lines(log)[0]
    }

    deinit {
        close(writing)
        process.signal(SIGKILL)
        process.wait()
    }

    private static func lines(_ log: String) -> [String] {
        readFile(log).split(separator: "\n").map(String.init)
    }

    /// Sends a line and returns its reply; `?` only waits for one.
    func say(_ line: String, within patience: Duration = .seconds(60)) async throws -> String {
        let before = Self.lines(log).count
        send(line)
        try #require(await eventually(within: patience) { Self.lines(log).count > before }, "no reply to \(line)")
        return Self.lines(log)[before]
    }

    /// Sends lines that have no reply.
    func put(_ lines: String...) { for line in lines { send(">" + line) } }

    private func send(_ line: String) {
        let octets = Array((line + "\n").utf8)
        _ = write(writing, octets, octets.count)
    }
}

/// The id that a refusal ends with.
func refusalID(_ reply: String) -> String? {
    reply.firstMatch(of: /\(id ([0-9a-f-]{36})\)/).map { String($0.1) }
}
