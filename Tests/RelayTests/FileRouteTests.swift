import Foundation
import Glibc
import Logging
import NIOCore
import NIOPosix
import SMTP
import TLS
import Testing

@testable import Relay

@Suite struct FileRouteTests {
    private let folder: String

    init() throws {
        var template = Array("/tmp/gatepost-route-XXXXXX\0".utf8).map { CChar(bitPattern: $0) }
        folder = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    private func envelope(_ recipients: [String]) throws -> RelayDialogue.Envelope {
        // As the gate makes it: a whole LMTP transaction of a member.
        var dialogue = RelayDialogue(configuration: .init(hostname: "relay.example", maxMessageSize: 1000))
        var output = ByteBuffer()
        dialogue.greeting(into: &output)
        func say(_ text: String) -> RelayDialogue.Action? {
            var bytes = ByteBuffer(string: text)
            dialogue.receive(&bytes)
            return dialogue.advance(into: &output)
        }
        _ = say("LHLO gate.example\r\n")
        #expect(say("STARTTLS\r\n") == .startTLS)
        dialogue.secured(peer: .poolMember)
        _ = say("LHLO gate.example\r\nMAIL FROM:<news@acme.example> AUTH=acme@submitter.invalid\r\n")
        for recipient in recipients { _ = say("RCPT TO:<\(recipient)>\r\n") }
        guard case .message(let envelope, _)? = say("DATA\r\nx\r\n.\r\n") else {
            throw FileRouteFailure(path: "no message: \(String(buffer: output))", code: 0)
        }
        return envelope
    }

    private func arrival(_ content: String, to recipients: [String]) throws -> Arrival {
        Arrival(
            try envelope(recipients), content: ByteBuffer(string: content), from: "192.0.2.7",
            over: TLSSession(version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256", peer: nil), at: "relay.example",
            date: 1_795_527_055)
    }

    private func deliver(_ arrival: Arrival) async throws -> [Reply] {
        let threads = NIOThreadPool(numberOfThreads: 1)
        threads.start()
        let replies = try await FileRoute(directory: folder, threads: threads, logger: Logger(label: "test")).deliver(
            arrival)
        try await threads.shutdownGracefully()
        return replies
    }

    private func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder) }

    @Test func `a message is one file under its final name, with its envelope on top`() async throws {
        let arrival = try arrival("Subject: x\r\n\r\nhello\r\n", to: ["a@b.example", "c@d.example"])
        let replies = try await deliver(arrival)
        #expect(replies.map(\.code) == [250, 250])
        let files = try names()
        #expect(files == ["\(arrival.id).eml"])
        #expect(replies[0].lines[0].hasSuffix(files[0]))
        let text = try String(contentsOfFile: "\(folder)/\(files[0])", encoding: .utf8)
        #expect(
            text == "Return-Path: <news@acme.example>\r\nX-Envelope-To: a@b.example\r\nX-Envelope-To: c@d.example\r\n"
                + "\(String(buffer: arrival.trace))Subject: x\r\n\r\nhello\r\n")
    }

    @Test func `the relay says in Received by whom, how and as what it got the message`() throws {
        let arrival = try arrival("Subject: x\r\n\r\n", to: ["a@b.example"])
        #expect(
            String(buffer: arrival.trace)
                == "Received: from gate.example ([192.0.2.7])\r\n\tby relay.example (Gatepost) with LMTPS\r\n"
                + "\t(using TLSv1.3 with cipher TLS_AES_128_GCM_SHA256)\r\n"
                + "\tid \(arrival.id); Tue, 24 Nov 2026 13:30:55 +0000\r\n")
    }

    @Test func `a folder that is gone is a temporary failure and leaves nothing`() async throws {
        let threads = NIOThreadPool(numberOfThreads: 1)
        threads.start()
        let route = try FileRoute(directory: folder, threads: threads, logger: Logger(label: "test"))
        try FileManager.default.removeItem(atPath: folder)
        let replies = await route.deliver(try arrival("x\r\n", to: ["a@b.example"]))
        #expect(replies.map(\.code) == [451])
        try await threads.shutdownGracefully()
    }

    @Test func `a folder is made with those that it is in`() throws {
        _ = try FileRoute(
            directory: folder + "/a/b", threads: NIOThreadPool(numberOfThreads: 1), logger: Logger(label: "test"))
        #expect(FileManager.default.isWritableFile(atPath: folder + "/a/b"))
    }

    @Test func `a folder that cannot be made is said with its path`() {
        #expect(throws: FileRouteFailure.self) {
            try FileRoute(
                directory: "/proc/nowhere", threads: NIOThreadPool(numberOfThreads: 1), logger: Logger(label: "test"))
        }
    }
}
