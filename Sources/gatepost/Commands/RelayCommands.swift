import ArgumentParser
import Tenancy

/// `gatepost relay …`: a pool's members.
struct RelayCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "relay", abstract: "The members of relay pools.",
        discussion: """
            Examples:
              gatepost relay add default relay-1.example.com:2525
              gatepost relay drain default relay-1.example.com:2525
            """,
        subcommands: [Add.self, List.self, Drain.self, Remove.self])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add", abstract: "Put a relay into a pool.",
            discussion: """
                The relay's certificate must be signed by the pool's authority and name HOST. A draining member takes \
                mail again.

                Example:
                  gatepost relay add default relay-1.example.com:2525 --weight 2
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var pool: String
        @Argument(help: "Where it listens.", transform: ArgumentText.address) var address: HostPort
        @Option(help: "lmtp, Gatepost's own relays; smtp comes with a later version.") var `protocol` = "lmtp"
        @Option(help: "mutual: each side shows a certificate of the pool's authority.") var tls = "mutual"
        @Option(
            help: ArgumentHelp("Its share beside the other members', 1 to 1000.", valueName: "n"),
            transform: ArgumentText.weight)
        var weight: Int64 = 1

        func validate() throws {
            switch `protocol` {
            case "lmtp": break
            case "smtp":
                throw ValidationError(
                    "relays of protocol smtp (smarthosts) cannot be used yet: a later version delivers to them; "
                        + "use lmtp with mutual TLS, which `gatepost serve --role relay` speaks")
            default: throw ValidationError("'\(`protocol`)' is no protocol for a relay: expected lmtp or smtp")
            }
            switch tls {
            case "mutual": break
            case "none", "verify":
                throw ValidationError(
                    "a relay of protocol lmtp needs --tls mutual: the certificate is what opens its gate")
            default: throw ValidationError("'\(tls)' is no way of TLS: expected mutual, verify or none")
            }
        }

        func run() async throws {
            try await Desk.sit(common, about: .pool(pool)) { desk in
                var terms = RelayTerms()
                (terms.wire, terms.tls, terms.weight) = (`protocol`, tls, weight)
                let changed = try await desk.administration.addRelay(
                    pool, host: address.host, port: address.port, terms)
                let record = try await desk.relay(pool, address)
                desk.output.show(
                    record?.json ?? .null,
                    changed ? "relay \(address) added to \(pool)\n" : "relay \(address) was in \(pool) already\n")
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "A pool's members, or those of all pools.",
            discussion: """
                Examples:
                  gatepost relay list
                  gatepost relay list default
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var pool: String?

        func run() async throws {
            try await Desk.sit(common, about: pool.map { .pool($0) } ?? .other) { desk in
                desk.output.list(
                    try await desk.administration.relays(of: pool),
                    [
                        .key("POOL"), .key("ADDRESS"), .left("PROTOCOL"), .left("TLS"), .right("WEIGHT"),
                        .left("STATUS"),
                    ],
                    empty: "no relays yet; add one with `gatepost relay add \(pool ?? "POOL") HOST:PORT`", json: \.json
                ) { relay in
                    [relay.pool, relay.address, relay.wire, relay.tls, String(relay.weight), relay.status]
                }
            }
        }
    }

    struct Drain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "drain", abstract: "Give a member nothing new; `relay add` makes it active again.",
            discussion: """
                Example:
                  gatepost relay drain default relay-1.example.com:2525
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var pool: String
        @Argument(transform: ArgumentText.address) var address: HostPort

        func run() async throws {
            try await Desk.sit(common, about: .pool(pool)) { desk in
                let changed = try await desk.administration.drainRelay(pool, host: address.host, port: address.port)
                let record = try await desk.relay(pool, address)
                desk.output.show(
                    record?.json ?? .null,
                    changed ? "relay \(address) of \(pool) drains\n" : "relay \(address) of \(pool) was draining\n")
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove", abstract: "Take a relay out of its pool.",
            discussion: """
                Example:
                  gatepost relay remove default relay-1.example.com:2525 --yes
                """)

        @OptionGroup var common: CommonOptions
        @OptionGroup var confirmation: Confirmation
        @Argument(transform: ArgumentText.slug) var pool: String
        @Argument(transform: ArgumentText.address) var address: HostPort

        func run() async throws {
            try await Desk.sit(common, about: .pool(pool)) { desk in
                try confirmation.ask("Remove \(address) from the pool \(pool)")
                guard try await desk.administration.removeRelay(pool, host: address.host, port: address.port) else {
                    throw Failure(
                        "the pool \(pool) has no relay `\(address)`", hint: "`gatepost relay list \(pool)` lists them")
                }
                desk.output.show(
                    ["pool": .string(pool), "address": .string("\(address)"), "removed": .bool(true)],
                    "relay \(address) removed from \(pool)\n")
            }
        }
    }
}

extension Desk {
    fileprivate func relay(_ pool: String, _ address: HostPort) async throws -> RelayRecord? {
        try await administration.relays(of: pool).first { $0.host == address.host && $0.port == Int64(address.port) }
    }
}

extension RelayRecord {
    var address: String { HostPort(host: host, port: Int(port)).description }

    var json: JSON {
        [
            "pool": .string(pool), "address": .string(address), "host": .string(host), "port": .number(port),
            "protocol": .string(wire), "tls": .string(tls), "weight": .number(weight), "status": .string(status),
        ]
    }
}
