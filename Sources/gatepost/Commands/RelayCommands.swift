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
        subcommands: [Add.self, List.self, Set.self, Drain.self, Remove.self])

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add", abstract: "Put a relay into a pool.",
            discussion: """
                Gatepost's own relays speak lmtp with mutual TLS: their certificate must be signed by the pool's authority \
                and name HOST. Any other smarthost is smtp. A member that is there already changes in what is given, and \
                takes mail again.

                Examples:
                  gatepost relay add default relay-1.example.com:2525 --weight 2
                  gatepost relay add default smtp.example.net:587 --protocol smtp --username u --password-file pw
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var pool: String
        @Argument(help: "Where it listens.", transform: ArgumentText.address) var address: HostPort
        @OptionGroup var options: RelayOptions

        func run() async throws {
            let terms = try options.terms()
            try await Desk.sit(common, about: .pool(pool)) { desk in
                let wasThere = try await desk.relay(pool, address) != nil
                let changed = try await desk.administration.addRelay(
                    pool, host: address.host, port: address.port, terms)
                let record = try await desk.relay(pool, address)
                let told =
                    switch (wasThere, changed) {
                    case (false, _): "relay \(address) added to \(pool)\n"
                    case (true, true): "relay \(address) of \(pool) changed\n"
                    case (true, false): "relay \(address) was in \(pool) already\n"
                    }
                desk.output.show(record?.json ?? .null, told)
            }
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Change a member; what is not given stays.",
            discussion: """
                Examples:
                  gatepost relay set default relay-1.example.com:2525 --weight 5 --undrain
                  gatepost relay set default smtp.example.net:587 --username u --password-file /etc/gatepost/relay.pw
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var pool: String
        @Argument(transform: ArgumentText.address) var address: HostPort
        @OptionGroup var options: RelayOptions
        @Flag(help: "A draining member takes mail again.") var undrain = false

        func run() async throws {
            var terms = try options.terms()
            if undrain { terms.isDraining = false }
            guard !terms.isEmpty else {
                throw Failure(
                    "nothing to set", hint: "see `gatepost relay set --help` for what there is", .usage)
            }
            try await Desk.sit(common, about: .pool(pool)) { desk in
                let changed = try await desk.administration.setRelay(
                    pool, host: address.host, port: address.port, terms)
                let record = try await desk.relay(pool, address)
                desk.output.show(
                    record?.json ?? .null,
                    changed ? "relay \(address) of \(pool) changed\n" : "relay \(address) of \(pool) was so already\n")
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
                        .left("STATUS"), .right("CONNECTIONS"), .left("USER"),
                    ],
                    empty: "no relays yet; add one with `gatepost relay add \(pool ?? "POOL") HOST:PORT`", json: \.json
                ) { relay in
                    [
                        relay.pool, relay.address, relay.wire, relay.tls, String(relay.weight), relay.status,
                        relay.connections.map { String($0) } ?? "default", relay.username ?? "-",
                    ]
                }
            }
        }
    }

    struct Drain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "drain", abstract: "Give a member nothing new; `relay set --undrain` lets it take mail again.",
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
    /// The password is in none of these: the database gives it to nodes only.
    var address: String { HostPort(host: host, port: Int(port)).description }

    var json: JSON {
        [
            "pool": .string(pool), "address": .string(address), "host": .string(host), "port": .number(port),
            "protocol": .string(wire), "tls": .string(tls), "weight": .number(weight), "status": .string(status),
            "connections": .number(connections), "server_name": .string(serverName), "username": .string(username),
        ]
    }
}
