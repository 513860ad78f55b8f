import ArgumentParser
import Dispatch
import Foundation
import MailMessage
import NIOCore
import SubmissionClient
import TLS

/// `gatepost bench smtp`: STARTTLS, AUTH, and messages, as fast as the server takes them.
struct BenchSMTP: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "smtp", abstract: "Send messages over SMTP and measure.",
        discussion: """
            Latency runs from MAIL to the reply to the final dot. Connections that are kept open are all made before \
            the clock starts. Ctrl-C ends the run after the messages under way.

            Examples:
              gatepost bench --config .gatepost/gatepost.yaml --port 2587 --ca .gatepost/pki/ca.pem \\
                --username demo.k7m2q9 --secret-file secret --from app@demo.example
              gatepost bench smtp --messages-per-connection 1 …    a connection, a handshake, a login each
              gatepost bench smtp --accept …                       and the share of accept() alone
            """)

    @OptionGroup var common: CommonOptions
    @Option(help: "The server.") var host = "127.0.0.1"
    @Option(help: "Its submission port.", transform: BenchText.port) var port = 587
    @Option(help: ArgumentHelp("At the same time.", valueName: "n"), transform: BenchText.count) var connections = 50
    @Option(help: ArgumentHelp("In all.", valueName: "n"), transform: BenchText.count) var messages = 10_000
    @Option(
        help: ArgumentHelp("Then QUIT and connect anew. Default: connections are kept open.", valueName: "n"),
        transform: BenchText.count)
    var messagesPerConnection: Int?
    @Option(help: ArgumentHelp("Of a message.", valueName: "size"), transform: BenchText.size) var size = 10_240
    @Option(help: ArgumentHelp("Of a message.", valueName: "n"), transform: BenchText.count) var recipients = 1
    @Option(help: "PLAIN, LOGIN, SCRAM-SHA-256 or SCRAM-SHA-256-PLUS.") var mechanism = ClientCredentials.Mechanism
        .scramSHA256
    @Option(help: "The login name.") var username: String
    @Option(help: ArgumentHelp("File whose first line is the secret; - is the standard input.", valueName: "file"))
    var secretFile: String
    @Option(
        help: ArgumentHelp("The sender, whose domain is the tenant's.", valueName: "address"),
        transform: BenchText.address)
    var from: String
    @Option(help: "The recipients' domain.", transform: BenchText.domain) var toDomain = "bench.invalid"
    @Option(help: ArgumentHelp("Authorities to check the server's certificate by, PEM.", valueName: "file")) var ca:
        String?
    @Option(help: "The name in its certificate. Default: --host.") var serverName: String?
    @Flag(help: "Take any certificate.") var insecure = false
    @Flag(help: "MAIL, RCPT and DATA in one write (RFC 2920).") var pipeline = false
    @Option(help: ArgumentHelp("Event loops of this client.", valueName: "n"), transform: BenchText.count) var threads =
        1
    @Option(
        help: ArgumentHelp("A connection is given up after so long without a reply.", valueName: "seconds"),
        transform: BenchText.count)
    var timeout = 60
    @Flag(help: "Measure accept() alone too, before and after, and print the share (needs --config).") var accept =
        false

    func validate() throws {
        if ca == nil, !insecure {
            throw ValidationError("Missing expected argument '--ca <file>', or '--insecure' to take any certificate")
        }
        if connections > 20_000 { throw ValidationError("'--connections <n>' may be at most 20000") }
        if threads > 64 { throw ValidationError("'--threads <n>' may be at most 64") }
    }

    func run() async throws {
        let plan = try plan()
        let yardstick = accept ? try await acceptAlone() : nil
        let generator = LoadGenerator(
            plan, date: MessageDate.string(unixSeconds: UTCTime.now().microseconds / 1_000_000))
        let progress = ProgressLine(isJSON: common.json)
        let interrupt = Interrupt { generator.stop() }
        let report = try await generator.run { progress.show($0) }
        interrupt.cancel()
        progress.end()

        let afterwards = accept ? try await acceptAlone() : nil
        let alone = yardstick.flatMap { before in afterwards.map { (before + $0) / 2 } }
        let result = LoadResult(plan: plan, report: report, mechanism: mechanism, acceptAlone: alone)
        Output(isJSON: common.json).show(result.json, result.text)
        if let fatal = report.fatal {
            throw Failure("the run ended early: \(fatal.printable)", hint: hint(for: fatal))
        }
        if report.isInterrupted { throw Failure("interrupted: the figures are of the part that was run") }
    }

    private func hint(for reason: String) -> String? {
        if reason.contains("authentication") { return "is the secret in \(secretFile) the one of \(username)?" }
        if reason.contains("TLS") || reason.contains("certificate") {
            return "--ca names the server's authority, --server-name the name in its certificate"
        }
        return "is the server up at \(host):\(port)?"
    }

    private func plan() throws -> LoadPlan {
        let credentials = ClientCredentials(username: username, secret: try secret(), mechanism: mechanism)
        let context: TLSContext
        do {
            context = try TLSContext.client(authorities: insecure ? nil : ca)
        } catch {
            throw Failure("\(error)")
        }
        return LoadPlan(
            host: host, port: port, connections: min(connections, messages), messages: messages,
            messagesPerConnection: messagesPerConnection ?? 0, size: size, recipients: recipients, from: from,
            toDomain: toDomain,
            client: .init(heloName: "bench.invalid", credentials: credentials, pipelines: pipeline),
            tls: .init(context: context, serverName: serverName ?? host), threads: threads,
            timeout: .seconds(Int64(timeout)))
    }

    private func secret() throws -> String {
        let data =
            secretFile == "-"
            ? FileHandle.standardInput.readDataToEndOfFile() : FileManager.default.contents(atPath: secretFile)
        guard let data, let line = String(decoding: data.prefix(4096), as: UTF8.self).split(separator: "\n").first
        else {
            throw Failure("cannot read a secret from \(secretFile.printable)", hint: "its first line is the secret")
        }
        return String(line)
    }

    /// Messages a second in batches of 50 of one hot tenant.
    private func acceptAlone() async throws -> Double {
        var rate = 0.0
        try await AcceptBench.with(common, tenants: 1) { bench in
            rate = try await bench.measure(tenants: 1, batch: 50, connections: 1, messages: 10_000, size: size)
                .messagesPerSecond
        }
        return rate
    }
}

extension ClientCredentials.Mechanism: ExpressibleByArgument {
    package init?(argument: String) { self.init(rawValue: argument.uppercased()) }
}

/// Ctrl-C ends a run in good order.
struct Interrupt {
    private let source: any DispatchSourceSignal

    init(_ action: @escaping @Sendable () -> Void) {
        signal(SIGINT, SIG_IGN)
        source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
        source.setEventHandler(handler: DispatchWorkItem(block: action))
        source.resume()
    }

    func cancel() {
        source.cancel()
        signal(SIGINT, SIG_DFL)
    }
}
