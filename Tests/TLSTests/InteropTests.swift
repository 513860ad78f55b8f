import NIOCore
import NIOPosix
import TLS
import TestSupport
import Testing

/// Against OpenSSL's own programs and Python's ssl: implementations that did not read ours.
@Suite struct InteropTests {
    let certificates: Certificates

    init() throws { certificates = try Certificates() }

    /// Runs a shell script with these variables; its output and exit code.
    private func shell(_ script: String, _ variables: [String: String]) throws -> (output: String, status: Int32) {
        let log = "\(certificates.folder.path)/output-\(variables["PORT"] ?? "").\(UInt32.random(in: 0 ... .max))"
        let assignments = variables.map { "\($0.key)=\($0.value)" }
        let status = try ChildProcess(["/usr/bin/env"] + assignments + ["timeout", "30", "sh", "-c", script], log: log)
            .wait()
        return (readFile(log), status)
    }

    private func variables(_ port: Int) -> [String: String] {
        ["PORT": "\(port)", "CA": certificates.authority.certificateFile, "DIR": certificates.authority.folder]
    }

    @Test(arguments: [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
    func `openssl s_client verifies us, and both export the same`(option: String, version: String) async throws {
        let server = try await LoopbackServer(certificates.server())
        let result = try shell(
            """
            printf 'hello\\nQUIT\\n' | openssl s_client -connect 127.0.0.1:$PORT -CAfile $CA \\
              -verify_return_error -verify_hostname localhost \(option) -ign_eof \\
              -keymatexport EXPORTER-Channel-Binding -keymatexportlen 32
            """, variables(server.port))
        #expect(result.status == 0, "\(result.output)")
        #expect(result.output.contains("Verify return code: 0 (ok)"))
        #expect(result.output.contains("hello\nQUIT\n"))
        #expect(server.record.now.sessions.first?.version == version)
        #expect(server.record.now.errors.isEmpty)
        if version == "TLSv1.3" {
            // In TLS 1.2 s_client exports without a context, which is not the same as an empty one (RFC 5705 §4).
            let binding = try #require(server.record.now.bindings.first)
            #expect(result.output.lowercased().contains("keying material: \(binding)"))
        }
    }

    @Test(arguments: [
        ("", "TLS_AES_128_GCM_SHA256"), ("-ciphersuites TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"),
        ("-ciphersuites TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256"),
        ("-tls1_2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        ("-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ])
    func `AES of 128 bits is preferred, and who wants others gets them`(options: String, cipher: String) async throws {
        let server = try await LoopbackServer(certificates.server())
        let result = try shell(
            "echo QUIT | openssl s_client -connect 127.0.0.1:$PORT -ign_eof \(options)", variables(server.port))
        #expect(result.status == 0)
        #expect(result.output.contains("Cipher is \(cipher)"), "\(result.output.suffix(600))")
    }

    @Test(arguments: ["-tls1", "-tls1_1", "-tls1_2 -cipher AES128-SHA", "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA"])
    func `old protocols and weak ciphers are refused`(option: String) async throws {
        let server = try await LoopbackServer(certificates.server())
        let result = try shell(
            "echo QUIT | openssl s_client -connect 127.0.0.1:$PORT \(option)", variables(server.port))
        #expect(result.status != 0)
        #expect(server.record.now.sessions.isEmpty)
    }

    @Test func `a server of TLS 1.3 alone refuses 1.2`() async throws {
        let server = try await LoopbackServer(certificates.server(minimum: .tls13))
        let old = try shell("echo QUIT | openssl s_client -connect 127.0.0.1:$PORT -tls1_2", variables(server.port))
        #expect(old.status != 0)
        let new = try shell("echo QUIT | openssl s_client -connect 127.0.0.1:$PORT -ign_eof", variables(server.port))
        #expect(new.status == 0)
    }

    @Test func `TLS 1.2 without extended master secret connects but exports nothing`() async throws {
        let server = try await LoopbackServer(certificates.server())
        let script = try certificates.folder.write(
            """
            import os, socket, ssl
            context = ssl.create_default_context(cafile=os.environ["CA"])
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.options |= 1  # SSL_OP_NO_EXTENDED_MASTER_SECRET
            plain = socket.create_connection(("127.0.0.1", int(os.environ["PORT"])))
            with context.wrap_socket(plain, server_hostname="localhost") as tls:
                tls.sendall(b"QUIT\\n")
                assert tls.recv(100) == b"QUIT\\n"
            """, "no-ems.py")
        var variables = variables(server.port)
        variables["SCRIPT"] = script
        let result = try shell("python3 $SCRIPT", variables)
        #expect(result.status == 0)
        #expect(server.record.now.bindings.first?.contains("extended master secret") == true)
    }

    @Test func `a client may ask for ALPN smtp and for nothing else`() async throws {
        let server = try await LoopbackServer(certificates.server())
        for (names, expected) in [("smtp", Int32(0)), ("http/1.1,smtp", 0), ("http/1.1", 1), ("h2,imap", 1)] {
            let result = try shell(
                "echo QUIT | openssl s_client -connect 127.0.0.1:$PORT -ign_eof -alpn \(names)",
                variables(server.port))
            #expect((result.status == 0) == (expected == 0), "\(names): \(result.output)")
        }
    }

    @Test func `a client's wish to renegotiate is refused`() async throws {
        let server = try await LoopbackServer(certificates.server())
        let result = try shell(
            """
            mkfifo $DIR/input; exec 3<>$DIR/input; echo R >&3
            openssl s_client -connect 127.0.0.1:$PORT -tls1_2 <$DIR/input
            """,
            variables(server.port))
        #expect(result.output.contains("RENEGOTIATING"))
        #expect(result.output.contains("no renegotiation"), "\(result.output.suffix(400))")
    }

    @Test func `one ticket is sent, sessions resume, and early data is not allowed`() async throws {
        let server = try await LoopbackServer(certificates.server())
        let result = try shell(
            """
            echo QUIT | openssl s_client -connect 127.0.0.1:$PORT -ign_eof -sess_out $DIR/session > $DIR/first
            grep -c 'Post-Handshake New Session Ticket arrived' $DIR/first
            grep 'Max Early Data' $DIR/first
            echo QUIT | openssl s_client -connect 127.0.0.1:$PORT -ign_eof -sess_in $DIR/session
            """, variables(server.port))
        #expect(result.output.hasPrefix("1\n") || result.output.contains("\n1\n"), "\(result.output.prefix(300))")
        #expect(result.output.contains("Max Early Data: 0"))
        #expect(result.output.contains("Reused, TLSv1.3"))
    }

    @Test func `Python's ssl exchanges a megabyte with us and sees a clean end`() async throws {
        let server = try await LoopbackServer(certificates.server())
        let script = try certificates.folder.write(
            """
            import os, socket, ssl, threading
            context = ssl.create_default_context(cafile=os.environ["CA"])
            with socket.create_connection(("127.0.0.1", int(os.environ["PORT"]))) as plain:
                with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as tls:
                    sent = os.urandom(1 << 20) + b"QUIT\\n"
                    writer = threading.Thread(target=tls.sendall, args=(sent,))
                    writer.start()
                    got = b""
                    while True:
                        piece = tls.recv(65536)
                        if not piece:
                            break
                        got += piece
                    writer.join()
                    assert got == sent, (len(got), len(sent))
                    print(tls.version(), "whole")
            """, "client.py")
        var variables = variables(server.port)
        variables["SCRIPT"] = script
        let result = try shell("python3 $SCRIPT", variables)
        #expect(result.output == "TLSv1.3 whole\n")
        #expect(server.record.now.octets == 1 << 20 + 5)
    }

    @Test func `a connection that Python cuts is not taken for a clean end`() async throws {
        let server = try await LoopbackServer(certificates.server())
        let script = try certificates.folder.write(
            """
            import os, socket, ssl
            context = ssl.create_default_context(cafile=os.environ["CA"])
            plain = socket.create_connection(("127.0.0.1", int(os.environ["PORT"])))
            tls = context.wrap_socket(plain, server_hostname="localhost")
            tls.sendall(b"half a message")
            assert tls.recv(100) == b"half a message"
            tls.detach() and None
            os._exit(0)
            """, "cut.py")
        var variables = variables(server.port)
        variables["SCRIPT"] = script
        #expect(try shell("python3 $SCRIPT", variables).status == 0)
        #expect(await eventually { server.record.now.inactive == 1 })
        #expect(server.record.now.closedCleanly == 0)
        #expect(server.record.now.octets == 14)
    }

    /// Our own client refuses to show such a certificate: another must.
    @Test(arguments: ["-tls1_2", "-tls1_3"], [Stranger.expired, .notYetValid])
    func `a certificate out of its time completes the handshake and is told apart`(
        option: String, stranger: Stranger
    ) async throws {
        let server = try await LoopbackServer(certificates.server(asking: true))
        let files = try stranger.make(beside: certificates)
        var variables = variables(server.port)
        variables["CERTIFICATE"] = files.certificate
        variables["KEY"] = files.key
        let result = try shell(
            "echo QUIT | openssl s_client -connect 127.0.0.1:$PORT -ign_eof -cert $CERTIFICATE -key $KEY \(option)",
            variables)
        #expect(result.status == 0 && result.output.contains("\nQUIT\n"), "\(result.output)")
        guard case .untrusted(let reason)? = server.record.now.sessions.first?.peer?.verification else {
            Issue.record("\(stranger) is trusted, or absent")
            return
        }
        #expect(reason.contains(stranger.expectedReason), "\(reason)")
    }

    @Test(arguments: [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
    func `our client talks to openssl s_server with a client certificate`(option: String, version: String) async throws
    {
        let port = FreePort.find()
        let log = "\(certificates.folder.path)/s_server\(option)"
        let directory = certificates.authority.folder
        let process = try ChildProcess(
            [
                "openssl", "s_server", "-accept", "127.0.0.1:\(port)", "-cert", "\(directory)/server.pem", "-key",
                "\(directory)/server.key", "-CAfile", "\(directory)/ca.pem", "-Verify", "3", "-verify_return_error",
                option, "-rev",
            ], log: log)
        defer {
            process.signal(15)
            process.wait()
        }
        #expect(await eventually { readFile(log).contains("ACCEPT") })
        let context = try certificates.client(as: "forwarder")
        let record = Record()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = TLSHandler(context: context, mode: .client(serverName: "127.0.0.1"))
                    try channel.pipeline.syncOperations.addHandlers([handler, Listener(record)])
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        try await channel.writeAndFlush(ByteBuffer(string: "hello\n"))
        #expect(await eventually { record.now.octets == 6 }, "\(record.now.errors) \(readFile(log))")
        #expect(record.now.sessions.first?.version == version)
        #expect(record.now.sessions.first?.peer?.names == ["localhost", "127.0.0.1", "::1"])
        #expect(record.now.sessions.first?.peer?.isTrusted == true)
        try await channel.close()
    }
}

private final class Listener: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let record: Record

    init(_ record: Record) { self.record = record }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let count = unwrapInboundIn(data).readableBytes
        record.change { $0.octets += count }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted(let session)? = event as? TLSEvent { record.change { $0.sessions.append(session) } }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        record.change { $0.errors.append("\(error)") }
    }
}
