import ArgumentParser
import Foundation
import NIOCore
import SubmissionClient

/// `gatepost bench sink`: where measured mail ends.
struct BenchSink: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sink", abstract: "Take mail as fast as it comes, and count it.",
        discussion: """
            An SMTP server that keeps nothing: the next hop of a pool, a relay's smarthost, another server's relay. It \
            counts messages, recipients, and recipients that had a message of the same Message-ID before. Ctrl-C or \
            SIGTERM ends it and prints the counts; before that XCOUNT at its port answers with them, XRESET forgets \
            them. No TLS, no login: for the loopback interface.

            Examples:
              gatepost bench sink --listen 127.0.0.1:2526
              gatepost bench sink --listen 127.0.0.1:2526 --messages 10000 --json
              gatepost relay add default 127.0.0.1:2526 --protocol smtp --tls none    deliver to it
            """)

    @OptionGroup var common: CommonOptions
    @Option(help: ArgumentHelp("Where; port 0 is any free one.", valueName: "host:port")) var listen = "127.0.0.1:2526"
    @Option(
        help: ArgumentHelp("End when so many have come. Default: at Ctrl-C.", valueName: "n"),
        transform: BenchText.count)
    var messages: Int?
    @Option(help: ArgumentHelp("Event loops.", valueName: "n"), transform: BenchText.count) var threads = 1

    func validate() throws {
        if threads > 64 { throw ValidationError("'--threads <n>' may be at most 64") }
        if Self.address(listen) == nil {
            throw ValidationError("'--listen <host:port>': expected an address like 127.0.0.1:2526")
        }
    }

    private static func address(_ text: String) -> (host: String, port: Int)? {
        guard let colon = text.lastIndex(of: ":"), let port = Int(plainDigits: text[text.index(after: colon)...]),
            (0...65_535).contains(port), colon != text.startIndex
        else { return nil }
        return (String(text[..<colon]), port)
    }

    func run() async throws {
        guard let (host, port) = Self.address(listen) else { return }
        DescriptorLimit.raise()
        let sink = MailSink(threads: threads)
        let (ends, end) = AsyncStream.makeStream(of: Void.self)
        if let messages { sink.when(messages) { end.finish() } }
        let interrupt = Interrupt { end.finish() }
        let bound: Int
        do {
            bound = try await sink.start(host: host, port: port)
        } catch {
            let reason = (error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(error)"
            throw Failure(
                "cannot listen on \(listen.printable): \(reason.printable)",
                hint: "--listen host:port; port 0 is any free one")
        }
        write("listening on \(host):\(bound)\n", to: STDERR_FILENO)
        for await _ in ends {}
        interrupt.cancel()
        let counts = sink.counts
        try await sink.stop()
        let seconds = counts.elapsed.inSeconds
        let rate = seconds > 0 ? Int(Double(counts.messages) / seconds) : 0
        Output(isJSON: common.json).show(
            [
                "messages": .number(counts.messages), "recipients": .number(counts.recipients),
                "duplicates": .number(counts.duplicates), "octets": .number(counts.octets),
                "elapsed_us": .number(Int64(seconds * 1e6)), "messages_per_second": .number(rate),
            ],
            Table.properties([
                "messages": "\(counts.messages), \(rate) messages/s",
                "recipients": "\(counts.recipients), \(counts.duplicates) of them duplicates",
                "size": Show.roughSize(Int64(counts.octets)),
            ]))
    }
}
