import Foundation
import Glibc
import SiteSupport
import Synchronization
import TestSupport

/// A `gatepost serve` process of one role, which keeps its port through every start.
final class Node: Sendable {
    enum Role: String, Sendable { case submission, forwarder, relay }

    let role: Role
    let name: String
    /// Where submission or relay listen.
    let port: Int
    private let command: [String]
    private let folder: String
    private let state = Mutex(State())

    private struct State {
        var process: ChildProcess?
        var starts = 0
        var log = ""
    }

    /// Not started yet.
    ///
    /// - Parameters:
    ///   - databasePort: where a proxy stands between it and PostgreSQL.
    ///   - environment: further settings, `GATEPOST_…=value`.
    ///   - prefix: a program to run it under, with its arguments.
    init(
        _ role: Role, _ name: String, of site: Site, sinkPort: Int, databasePort: Int? = nil,
        environment: [String] = [], prefix: [String] = []
    ) {
        self.role = role
        self.name = name
        folder = site.folder
        port = FreePort.find()
        var variables = ["SWIFT_BACKTRACE=enable=no", "GATEPOST_LOG_FORMAT=json", "GATEPOST_NODE_NAME=\(name)"]
        switch role {
        case .submission: variables.append("GATEPOST_SUBMISSION_LISTEN=127.0.0.1:\(port)")
        case .forwarder: break
        case .relay:
            variables += [
                "GATEPOST_RELAY_LISTEN=127.0.0.1:\(port)", "GATEPOST_RELAY_ROUTE=smarthost",
                "GATEPOST_RELAY_SMARTHOST=127.0.0.1:\(sinkPort)", "GATEPOST_RELAY_SMARTHOST_TLS=none",
            ]
        }
        if let databasePort {
            variables.append("GATEPOST_DATABASE_URL=\(site.database.tcpURL(as: .node, port: databasePort))")
        }
        command =
            ["env"] + variables + environment + prefix + [
                Site.binary, "serve", "--config", site.settings, "--role", role.rawValue,
            ]
    }

    deinit { kill() }

    var process: ChildProcess? { state.withLock { $0.process } }
    /// What it has said since its last start.
    var log: String { readFile(state.withLock { $0.log }) }

    func start() throws {
        let log = state.withLock { state in
            state.starts += 1
            state.log = "\(folder)/\(name).\(state.starts).log"
            return state.log
        }
        let process = try ChildProcess(command, log: log)
        Site.endWithTests(process)
        state.withLock { $0.process = process }
    }

    /// SIGKILL, and waits for its end.
    func kill() {
        state.withLock { state in
            // (One that has ended and was waited for may have left its number to another.)
            if let process = state.process, process.isRunning {
                process.signal(SIGKILL)
                process.wait()
            }
            state.process = nil
            // The logs of a thousand lives would fill the disk.
            if state.starts > 3 { unlink("\(folder)/\(name).\(state.starts - 3).log") }
        }
    }

    /// Whether it does its work: it has said so, and a listener greets.
    var isInService: Bool {
        guard log.contains("\"message\":\"ready\"") else { return false }
        return role == .forwarder || Greeting.isHeard(at: port)
    }

    /// Waits until it is in service; throws when it has ended.
    func untilInService(within limit: Duration = .seconds(60)) async throws -> Bool {
        try await eventually(within: limit, every: .milliseconds(10)) {
            if let process, !process.isRunning { throw Site.Failure("\(name) ended: \(log.suffix(2000))") }
            return isInService
        }
    }
}

/// A server's first words on loopback.
private enum Greeting {
    static func isHeard(at port: Int) -> Bool {
        let descriptor = Loopback.stream()
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var patience = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var octet: UInt8 = 0
        return Loopback.connect(descriptor, to: port) && recv(descriptor, &octet, 1, 0) == 1
            && octet == UInt8(ascii: "2")
    }
}
