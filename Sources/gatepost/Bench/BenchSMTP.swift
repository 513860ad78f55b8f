import ArgumentParser
import Dispatch
import Foundation
import MailMessage
import SubmissionClient

/// `gatepost bench smtp`: TLS, AUTH, and messages, as fast as the server takes them or at a rate.
struct BenchSMTP: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "smtp", abstract: "Send messages over SMTP and measure.",
        discussion: """
            Latency runs from MAIL to the reply to the final dot; with `--rate` from the moment at which a message \
            should have begun, so that what waits is not hidden. Connections that are kept open are all made before \
            the clock starts. Ctrl-C ends the run after the messages under way. Any submission server will do: \
            nothing of Gatepost's own is asked for.

            Examples:
              gatepost bench --config .gatepost/gatepost.yaml --port 2587 --ca .gatepost/pki/ca.pem \\
                --username demo.k7m2q9 --secret-file secret --from app@demo.example
              gatepost bench smtp --messages-per-connection 1 …    a connection, a handshake, a login each
              gatepost bench smtp --rate 500 --size mail …         500 a second, of many sizes, whatever the server does
              gatepost bench smtp --logins file --pipeline …       each connection another login; no waiting for replies
              gatepost bench smtp --implicit-tls --port 465 …      TLS before the greeting
              gatepost bench smtp --connections 5000 --hold 60 …   5,000 sessions, silent after a message each
              gatepost bench smtp --accept …                       and the share of accept() alone
            """)

    @OptionGroup var common: CommonOptions
    @Option(help: "The server.") var host = "127.0.0.1"
    @Option(help: "Its submission port. Default: 587.", transform: BenchText.port) var port = 587
    @Option(
        help: ArgumentHelp("At the same time, up to 20000. Default: 50.", valueName: "n"), transform: BenchText.count)
    var connections = 50
    @Option(
        help: ArgumentHelp("In all. Default: 10000; with --hold one of each connection.", valueName: "n"),
        transform: BenchText.count)
    var messages: Int?
    @Option(
        help: ArgumentHelp("Then QUIT and connect anew. Default: connections are kept open.", valueName: "n"),
        transform: BenchText.count)
    var messagesPerConnection: Int?
    @Option(
        help: ArgumentHelp(
            "Messages a second that are begun, whatever became of those before. Default: as fast as replies come.",
            valueName: "n"), transform: BenchText.rate)
    var rate: Double?
    @Option(
        help: ArgumentHelp(
            "Of a message; `mail` for sizes like real mail's: half of them under 12 KiB, one in a hundred over 1.5 MiB. Default: 10KiB.",
            valueName: "size|mail"), transform: BenchText.sizes)
    var size = BenchText.Sizes.fixed(10_240)
    @Option(help: ArgumentHelp("Of the sizes like mail's: the same seed, the same sizes.", valueName: "n"))
    var seed: UInt64 = 1
    @Option(help: ArgumentHelp("Of a message. Default: 1.", valueName: "n"), transform: BenchText.count)
    var recipients = 1
    @Option(
        help: ArgumentHelp(
            "PLAIN, LOGIN, SCRAM-SHA-256 or SCRAM-SHA-256-PLUS. Default: the first of SCRAM-SHA-256, PLAIN and LOGIN that the server offers.",
            valueName: "mechanism"))
    var mechanism: ClientCredentials.Mechanism?
    @Option(help: "The login name.") var username: String?
    @Option(help: ArgumentHelp("File whose first line is the secret; - is the standard input.", valueName: "file"))
    var secretFile: String?
    @Option(
        help: ArgumentHelp(
            "File of login names and secrets, two words a line: connections take them in turn.", valueName: "file"))
    var logins: String?
    @Option(
        help: ArgumentHelp("The sender, whose domain is the tenant's.", valueName: "address"),
        transform: BenchText.address)
    var from: String
    @Option(help: "The recipients' domain. Default: bench.invalid.", transform: BenchText.domain)
    var toDomain = "bench.invalid"
    @Option(help: ArgumentHelp("Authorities to check the server's certificate by, PEM.", valueName: "file")) var ca:
        String?
    @Option(help: "The name in its certificate. Default: --host.") var serverName: String?
    @Flag(help: "Take any certificate.") var insecure = false
    @Flag(help: "TLS before the greeting, as on port 465, not by STARTTLS.") var implicitTLS = false
    @Flag(help: "MAIL, RCPT and DATA in one write, and the next message's behind the last dot (RFC 2920).")
    var pipeline = false
    @Option(
        help: ArgumentHelp(
            "When each connection has sent its share, hold all of them open and silent for so long; 0: until Ctrl-C.",
            valueName: "seconds"), transform: BenchText.holdSeconds)
    var hold: Int?
    @Option(
        help: ArgumentHelp("Event loops of this client, up to 64. Default: 1.", valueName: "n"),
        transform: BenchText.count)
    var threads = 1
    @Option(
        help: ArgumentHelp(
            "A connection is given up after so long without a reply. Default: 60.", valueName: "seconds"),
        transform: BenchText.count)
    var timeout = 60
    @Flag(help: "Measure accept() alone too, before and after, and print the share (needs --config).") var accept =
        false

    func validate() throws {
        if logins == nil {
            if username == nil { throw ValidationError("Missing expected argument '--username <username>'") }
            if secretFile == nil { throw ValidationError("Missing expected argument '--secret-file <file>'") }
        } else if username != nil || secretFile != nil {
            throw ValidationError("'--logins <file>' goes without '--username' and '--secret-file'")
        }
        if ca == nil, !insecure {
            throw ValidationError("Missing expected argument '--ca <file>', or '--insecure' to take any certificate")
        }
        if connections > 20_000 { throw ValidationError("'--connections <n>' may be at most 20000") }
        if threads > 64 { throw ValidationError("'--threads <n>' may be at most 64") }
        if accept, size == .mail { throw ValidationError("'--accept' needs one size for all messages") }
        if hold != nil, messagesPerConnection != nil || rate != nil {
            throw ValidationError("'--hold <seconds>' goes without '--messages-per-connection' and '--rate'")
        }
        if hold != nil, let messages, messages < connections {
            throw ValidationError("'--hold <seconds>' needs a message for each connection")
        }
    }

    func run() async throws {
        let plan = try plan()
        // The usual soft limit of 1,024 descriptors is for programs that use select().
        DescriptorLimit.raise()
        let yardstick = accept ? try await acceptAlone() : nil
        let generator = LoadGenerator(
            plan, date: MessageDate.string(unixSeconds: UTCTime.now().microseconds / 1_000_000))
        let progress = ProgressLine(isJSON: common.json)
        let interrupt = Interrupt { generator.stop() }
        let report = try await generator.run {
            progress.show($0)
        } holding: {
            progress.end()
            write("holding \(plan.connections) sessions\n", to: STDERR_FILENO)
        }
        interrupt.cancel()
        progress.end()

        let afterwards = accept ? try await acceptAlone() : nil
        let alone = yardstick.flatMap { before in afterwards.map { (before + $0) / 2 } }
        let result = LoadResult(plan: plan, report: report, acceptAlone: alone)
        Output(isJSON: common.json).show(result.json, result.text)
        if let fatal = report.fatal {
            throw Failure("the run ended early: \(fatal.printable)", hint: hint(for: fatal))
        }
        if report.accepted == 0, !report.isInterrupted {
            throw Failure("not one message was accepted")
        }
        if report.isInterrupted { throw Failure("interrupted: the figures are of the part that was run") }
    }
}

extension ClientCredentials.Mechanism: ExpressibleByArgument {
    package init?(argument: String) { self.init(rawValue: argument.uppercased()) }
}

/// Ctrl-C, or SIGTERM, ends a run in good order.
struct Interrupt {
    private static let signals = [SIGINT, SIGTERM]
    private let sources: [any DispatchSourceSignal]

    init(_ action: @escaping @Sendable () -> Void) {
        sources = Self.signals.map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler(handler: DispatchWorkItem(block: action))
            source.resume()
            return source
        }
    }

    func cancel() {
        for source in sources { source.cancel() }
        for number in Self.signals { signal(number, SIG_DFL) }
    }
}
