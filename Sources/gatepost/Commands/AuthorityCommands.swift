import ArgumentParser
import TLS
import Tenancy

/// `gatepost ca …`: the pool's own certificate authority, in files.
struct AuthorityCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ca", abstract: "The relay pool's certificate authority.",
        discussion: """
            Forwarders and relays know each other by certificates of this authority. Keep its key where no relay is.

            Examples:
              gatepost ca init
              gatepost ca issue forwarder-1 --kind forwarder
              gatepost ca issue relay-1 --kind relay --host relay-1.example.com --host 192.0.2.25
              gatepost ca renew relay-1
              gatepost ca revoke forwarder-1 --reason key-compromise --yes
            """,
        subcommands: [Init.self, Issue.self, List.self, Renew.self, Revoke.self, RevocationList.self])

    /// Where the authority is.
    struct Place: ParsableArguments {
        @Option(help: ArgumentHelp("Its folder. Default: pki.directory of the settings.", valueName: "folder"))
        var directory: String?

        func folder(_ settings: Settings) -> String { directory ?? settings.pki.directory }
    }

    struct Init: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "init", abstract: "Make the authority: ca.pem and ca.key, mode 0600.",
            discussion: """
                Examples:
                  gatepost ca init
                  gatepost ca init --directory /etc/gatepost/pki --days 3650
                """)

        @OptionGroup var common: CommonOptions
        @OptionGroup var place: Place
        @Option(help: "The name in its certificate.", transform: ArgumentText.line) var name = "Gatepost pool CA"
        @Option(help: ArgumentHelp("How long it is good for.", valueName: "n"), transform: ArgumentText.days)
        var days: Int64 = 3650

        func run() async throws {
            let folder = place.folder(try common.settings(usesDatabase: false))
            try Self.explaining {
                let authority = try CertificateAuthority.create(in: folder, name: name, days: Int(days))
                let output = Output(isJSON: common.json)
                output.show(
                    ["certificate": .string(authority.certificateFile), "key": .string(authority.keyFile)],
                    "certificate authority made\n"
                        + Table.properties(["certificate": authority.certificateFile, "key": authority.keyFile]))
                output.note("next: gatepost ca issue forwarder-1 --kind forwarder")
            }
        }
    }

    struct Issue: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "issue", abstract: "Issue a certificate: NAME.pem and NAME.key, mode 0600.",
            discussion: """
                forwarder: opens the relays' gate. relay, server: reached under the names and addresses of --host.

                Example:
                  gatepost ca issue relay-1 --kind relay --host relay-1.example.com
                """)

        @OptionGroup var common: CommonOptions
        @OptionGroup var place: Place
        @Argument(help: "Its name, and that of its files.") var name: String
        @Option(help: "relay, forwarder or server.") var kind: String
        @Option(help: ArgumentHelp("DNS name or IP address; may be repeated.", valueName: "host"))
        var host: [String] = []
        @Option(help: ArgumentHelp("How long it is good for.", valueName: "n"), transform: ArgumentText.days)
        var days: Int64 = 825

        func validate() throws {
            guard ["relay", "forwarder", "server"].contains(kind) else {
                throw ValidationError("'\(kind)' is no kind of certificate: expected relay, forwarder or server")
            }
            if kind == "forwarder", !host.isEmpty {
                throw ValidationError("a forwarder is a client: it has no --host")
            }
            if kind != "forwarder", host.isEmpty {
                throw ValidationError("a \(kind) certificate needs at least one --host it is reached under")
            }
            // No domain ends in digits alone: it is a mistyped address, which no client would find in the certificate.
            for name in host where Tenancy.Network.octets(of: name) == nil {
                let last = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).last
                if let last, !last.isEmpty, last.allSatisfy({ (0x30...0x39).contains($0) }) {
                    throw ValidationError("'\(name)' is neither a DNS name nor an IP address")
                }
            }
        }

        func run() async throws {
            let folder = place.folder(try common.settings(usesDatabase: false))
            try Self.explaining {
                let authority = try CertificateAuthority(existing: folder)
                let wanted: CertificateAuthority.Kind =
                    switch kind {
                    case "relay": .relay(hosts: host)
                    case "server": .server(hosts: host)
                    default: .forwarder
                    }
                let entry = try authority.issue(name, wanted, days: Int(days))
                try authority.refreshRevocations()
                Output(isJSON: common.json).show(
                    .object(entry.members + authority.files(of: entry)),
                    "\(entry.kind) certificate issued to \(entry.name.printable), good until "
                        + "\(entry.end.secondsText)\n" + authority.properties(of: entry))
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Everything it has issued, oldest first, itself included.",
            discussion: """
                STATE is good, revoked, expired, or `ends soon` in its last 30 days.

                Example:
                  gatepost ca list
                """)

        @OptionGroup var common: CommonOptions
        @OptionGroup var place: Place

        func run() async throws {
            let folder = place.folder(try common.settings(usesDatabase: false))
            try Self.explaining {
                let authority = try CertificateAuthority(existing: folder)
                // Whoever may only look is shown the list all the same.
                _ = try? authority.refreshRevocations()
                let output = Output(isJSON: common.json)
                output.list(
                    try authority.list(),
                    [
                        .key("NAME"), .left("KIND"), .left("STATE"), .right("DAYS LEFT"), .time("GOOD UNTIL"),
                        .key("SERIAL"), .left("HOSTS"),
                    ],
                    empty: "nothing was issued", json: { .object($0.members) },
                    row: {
                        [
                            $0.name, $0.kind, $0.stateText,
                            $0.state == .good || $0.state == .endsSoon
                                ? String($0.daysLeft) : "-", $0.end.secondsText, $0.serial,
                            $0.hosts.joined(separator: " "),
                        ]
                    })
                if let list = try authority.revocationList() { output.note(list.summary) }
            }
        }
    }
}

extension AsyncParsableCommand {
    /// What OpenSSL and the file system refuse, in the operator's words.
    static func explaining(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as TLSError {
            throw Failure(error.description.printable)
        }
    }
}

extension CertificateAuthority {
    func files(of entry: Entry) -> [JSON.Member] {
        [
            JSON.Member(name: "certificate", value: .string(certificateFile(of: entry.name))),
            JSON.Member(name: "key", value: .string(keyFile(of: entry.name))),
        ]
    }

    func properties(of entry: Entry) -> String {
        Table.properties([
            "certificate": certificateFile(of: entry.name), "key": keyFile(of: entry.name), "serial": entry.serial,
        ])
    }
}

extension CertificateAuthority.Entry {
    enum State: String {
        case good, expired, revoked
        case endsSoon = "ends soon"
    }

    /// Days in which a certificate still good is to be renewed.
    static let renewalDays: Int64 = 30

    var state: State {
        if revocation != nil { return .revoked }
        if daysLeft < 0 { return .expired }
        return daysLeft < Self.renewalDays ? .endsSoon : .good
    }

    var stateText: String {
        guard let revocation, revocation.reason != .unspecified else { return state.rawValue }
        return "revoked: \(revocation.reason.rawValue)"
    }

    /// Whole days; negative once it has ended.
    var daysLeft: Int64 {
        let seconds = notAfter - UTCTime.now().microseconds / 1_000_000
        return seconds < 0 ? -1 : seconds / 86_400
    }

    var end: UTCTime { UTCTime(microseconds: notAfter * 1_000_000) }

    var members: [JSON.Member] {
        [
            JSON.Member(name: "name", value: .string(name)), JSON.Member(name: "kind", value: .string(kind)),
            JSON.Member(name: "serial", value: .string(serial)),
            JSON.Member(name: "state", value: .string(state == .endsSoon ? "good" : state.rawValue)),
            JSON.Member(name: "days_left", value: .number(max(0, daysLeft))),
            JSON.Member(name: "not_before", value: .string(UTCTime(microseconds: notBefore * 1_000_000).secondsText)),
            JSON.Member(name: "not_after", value: .string(end.secondsText)),
            JSON.Member(name: "hosts", value: .strings(hosts)),
            JSON.Member(
                name: "revoked_at",
                value: .string(revocation.map { UTCTime(microseconds: $0.time * 1_000_000).secondsText })),
            JSON.Member(name: "revoked_reason", value: .string(revocation?.reason.rawValue)),
        ]
    }
}
