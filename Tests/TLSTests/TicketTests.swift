import Synchronization
import TestSupport
import Testing

@testable import TLS

@Suite struct TicketTests {
    /// `openssl s_client` is the client that keeps and shows tickets.
    @Test func `a session that one node began resumes at another, and not with another secret`() async throws {
        let certificates = try Certificates()
        func node(_ secret: UInt8) async throws -> LoopbackServer {
            try await LoopbackServer(
                .server(
                    certificateChain: certificates.authority.certificateFile(of: "server"),
                    privateKey: certificates.authority.keyFile(of: "server"),
                    ticketKeys: TicketKeys(secret: [UInt8](repeating: secret, count: 96))))
        }
        let (first, second, stranger) = (try await node(1), try await node(1), try await node(2))
        let ticket = certificates.folder.path + "/session"
        func connect(_ server: LoopbackServer, _ option: String) throws -> String {
            let log = "\(certificates.folder.path)/log-\(server.port)"
            // It stays until the handshake is over and, where one is to be kept, the ticket has come.
            let isDone = option == "-sess_out" ? "[ -s '\(ticket)' ]" : "grep -q 'Cipher is' '\(log)'"
            let command =
                "(for look in $(seq 3000); do \(isDone) && break; sleep 0.02; done; echo QUIT)"
                + " | openssl s_client -connect 127.0.0.1:\(server.port) \(option) '\(ticket)'"
            try ChildProcess(["sh", "-c", command], log: log).wait()
            return readFile(log)
        }
        #expect(try connect(first, "-sess_out").contains("New, TLSv1.3"))
        #expect(try connect(second, "-sess_in").contains("Reused, TLSv1.3"))
        #expect(try connect(stranger, "-sess_in").contains("New, TLSv1.3"))
        withExtendedLifetime([first, second, stranger]) {}
    }

    @Test func `keys change every half day, old tickets are taken for one more, and a rotated secret's too`() throws {
        let clock = Mutex<Int64>(1_000_000_000)
        let keys = try TicketKeys(secret: [UInt8](repeating: 7, count: 96), now: { clock.withLock { $0 } })
        let first = try #require(keys.sealing()?.name)
        func opens(_ name: [UInt8]) -> Bool? { name.withUnsafeBufferPointer { keys.opening($0)?.isNewest } }
        #expect(opens(first) == true)
        clock.withLock { $0 += 43_200 }
        #expect(opens(first) == false)
        #expect(keys.sealing()?.name != first)
        keys.rotate(to: [UInt8](repeating: 8, count: 96))
        #expect(opens(first) == false)
        clock.withLock { $0 += 43_200 }
        #expect(opens(first) == nil)
        #expect(throws: TLSError.self) { try TicketKeys(secret: [1, 2, 3]) }
        #expect(!"\(keys)".contains("7"))
    }
}
