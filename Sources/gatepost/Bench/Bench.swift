import ArgumentParser
import SubmissionClient

/// `gatepost bench`: how fast a server takes mail, and how fast PostgreSQL alone would.
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure: SMTP load, or accept() alone; a sink for mail.",
        discussion: """
            Without a subcommand it is `smtp`.

            Examples:
              gatepost bench --port 2587 --username demo.k7m2q9 --secret-file secret --from a@demo.example --ca ca.pem
              gatepost bench accept
              gatepost bench sink --listen 127.0.0.1:2526
            """,
        subcommands: [BenchSMTP.self, BenchAccept.self, BenchSink.self], defaultSubcommand: BenchSMTP.self)
}

/// The options of the two benchmarks that are alike.
enum BenchText {
    static func count(_ text: String) throws -> Int {
        guard let number = Int(plainDigits: text), (1...10_000_000).contains(number) else {
            throw ArgumentProblem("expected a whole number from 1 to 10000000")
        }
        return number
    }

    /// Bare octets, or with a unit.
    static func size(_ text: String) throws -> Int {
        guard let size = Int(plainDigits: text) ?? ByteSize(parsing: text)?.bytes, (512...104_857_600).contains(size)
        else {
            throw ArgumentProblem("expected a size from 512 octets to 100MiB, like 10KiB or 10000")
        }
        return size
    }

    /// What `--size` may say.
    enum Sizes: Equatable, CustomStringConvertible {
        case fixed(Int)
        case mail

        /// As help shows a default.
        var description: String {
            switch self {
            case .fixed(let size): "\(size)"
            case .mail: "mail"
            }
        }

        func sizes(seed: UInt64) -> LoadSizes {
            switch self {
            case .fixed(let size): .fixed(size)
            case .mail: .likeMail(seed: seed)
            }
        }
    }

    static func sizes(_ text: String) throws -> Sizes { text == "mail" ? .mail : .fixed(try size(text)) }

    static func rate(_ text: String) throws -> Double {
        guard let rate = Double(text), rate > 0, rate <= 1_000_000 else {
            throw ArgumentProblem("expected messages a second, like 500 or 0.5")
        }
        return rate
    }

    static func holdSeconds(_ text: String) throws -> Int {
        guard let seconds = Int(plainDigits: text), (0...86_400).contains(seconds) else {
            throw ArgumentProblem("expected seconds, 0 to 86400")
        }
        return seconds
    }

    static func port(_ text: String) throws -> Int {
        guard let port = Int(plainDigits: text), (1...65_535).contains(port) else {
            throw ArgumentProblem("expected a port, 1 to 65535")
        }
        return port
    }

    /// It is written between angle brackets as it is.
    static func address(_ text: String) throws -> String {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, parts[0].utf8.allSatisfy(isAddressOctet),
            HostPort.isHostName(String(parts[1]))
        else { throw ArgumentProblem("expected an address like app@acme.example") }
        return text
    }

    static func domain(_ text: String) throws -> String {
        guard HostPort.isHostName(text) else { throw ArgumentProblem("expected a domain like example.net") }
        return text
    }

    private static func isAddressOctet(_ octet: UInt8) -> Bool {
        octet > 0x20 && octet < 0x7F
            && ![UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\""), UInt8(ascii: "\\")].contains(octet)
    }
}
