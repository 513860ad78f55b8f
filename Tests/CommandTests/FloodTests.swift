import Logging
import Synchronization
import Testing

@testable import gatepost

/// THREATS §7, "log flood by refused input" (CWE-779).
@Suite struct FloodTests {
    private static let minute: Int64 = 60_000_000

    @Test func `a source has so many lines a minute, and the rest are summed up`() {
        var flood = FloodSummary(linesPerMinute: 3)
        let written = (0..<10).map { flood.admits("192.0.2.1", at: Int64($0)) }
        #expect(written == [true, true, true] + [Bool](repeating: false, count: 7))
        #expect(flood.admits("192.0.2.2", at: 5) == true)
        #expect(flood.due(at: Self.minute - 1) == [])
        #expect(flood.due(at: Self.minute) == [.init(source: "192.0.2.1", suppressed: 7)])
        #expect(flood.admits("192.0.2.1", at: Self.minute + 1) == true)
        #expect(flood.rest() == [])
    }

    @Test func `what became of mail and logins has no source, and errors neither`() {
        let metadata: Logger.Metadata = ["client": "192.0.2.1"]
        #expect(FloodSummary.source(.info, "login refused", metadata) == "192.0.2.1")
        for message in ["accepted", "login", "relayed", "delivered", "outcome unknown"] {
            #expect(FloodSummary.source(.info, message, metadata) == nil)
        }
        #expect(FloodSummary.source(.error, "anything", metadata) == nil)
        for client in ["192.0.2.1", ""] {
            #expect(
                FloodSummary.source(.info, "waiting for a relay", ["client": "\(client)"]) == FloodSummary.waiting,
                "as many lines as recipients wait, every two seconds: and none is the client's fault")
        }
        #expect(FloodSummary.source(.info, "ready", [:]) == nil)
        #expect(FloodSummary.source(.info, "a report's, which has no client", ["client": ""]) == nil)
    }

    @Test func `more sources than can be counted share one count`() {
        var flood = FloodSummary(linesPerMinute: 1)
        for number in 0..<FloodSummary.capacity { _ = flood.admits("\(number)", at: 0) }
        #expect(flood.admits("one more", at: 0) == true)
        #expect(flood.admits("and another", at: 0) == false)
    }
}

/// What systemd hears and hands over.
@Suite struct ServiceManagerTests {
    @Test func `sockets are known by their names, and only those meant for this process are taken`() throws {
        func taken(_ variables: [String: String]) throws -> [String: [Int32]] {
            try ServiceManager.takeSockets({ variables[$0] }, process: 42)
        }
        #expect(try taken([:]).isEmpty)
        #expect(try taken(["LISTEN_PID": "41", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "submission"]).isEmpty)
        #expect(
            try taken(["LISTEN_PID": "42", "LISTEN_FDS": "3", "LISTEN_FDNAMES": "submission:submissions:submission"])
                == ["submission": [3, 5], "submissions": [4]])
        let failure = #expect(throws: Failure.self) {
            try taken(["LISTEN_PID": "42", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "unknown"])
        }
        #expect(failure?.hint?.contains("FileDescriptorName=") == true)
    }

    @Test func `a reload tells by name what it takes over and what it does not`() throws {
        func settings(_ variables: [String: String]) throws -> Settings {
            try Settings.load(path: nil, environment: variables)
        }
        let old = try settings(["GATEPOST_SUBMISSION_MAX_RECIPIENTS": "5"])
        let new = try settings([
            "GATEPOST_LOG_LEVEL": "debug", "GATEPOST_SUBMISSION_LISTEN": "127.0.0.1:2",
            "GATEPOST_SUBMISSION_PROXY_FROM": "192.0.2.0/24", "GATEPOST_NODE_NAME": "x",
            "GATEPOST_SUBMISSION_HOSTNAME": "mail.example",
        ])
        let changes = Settings.changes(from: old, to: new)
        #expect(
            changes.applied == [
                "log.level", "submission.hostname", "submission.max-recipients", "submission.proxy-from",
            ])
        #expect(
            changes.needRestart == ["node.name", "submission.hostname", "submission.listen"],
            "the forwarder has its own")
    }
}
