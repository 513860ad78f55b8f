internal import Foundation
internal import TestSupport

/// Postfix's smtp-sink: takes what comes, each message into a file.
package final class Sink: Sendable {
    package let port: Int
    private let folder: String
    private let process: ChildProcess

    package init(_ site: Site, _ options: String..., port: Int = FreePort.find(), after former: Sink? = nil)
        async throws
    {
        former?.kill()
        self.port = port
        folder = "\(site.folder)/sink-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        process = try ChildProcess(
            ["smtp-sink"] + (geteuid() == 0 ? ["-u", "root"] : []) + options + [
                "-d", "\(folder)/%s.", "127.0.0.1:\(port)", "100",
            ], log: "\(folder)/../sink.log")
        site.watch(process)
        let isUp = try await eventually(within: .seconds(20)) {
            try site.run(["swaks", "--server", "127.0.0.1:\(port)", "--quit-after", "CONNECT"]).status == 0
        }
        guard isUp else { throw Site.Failure("no smtp-sink on port \(port)") }
    }

    deinit { kill() }

    package func kill() {
        process.signal(SIGKILL)
        process.wait()
    }

    package var messages: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).map { readFile("\(folder)/\($0)") }
            .filter { $0.contains("X-Rcpt-Args") && $0.hasSuffix("\n") }
    }
}

extension Site {
    /// Makes a server on loopback the default pool's member, beside others made so; the relay of the site's own goes.
    package func member(_ port: Int, _ options: String...) throws {
        _ = try run([
            Self.binary, "relay", "remove", "default", "127.0.0.1:\(relayPort)", "--yes", "--config", settings,
        ])
        let added = try run(
            [
                Self.binary, "relay", "add", "default", "127.0.0.1:\(port)", "--protocol", "smtp", "--config", settings,
            ] + options)
        guard added.status == 0 else { throw Site.Failure("\(added.standardError)") }
    }
}
