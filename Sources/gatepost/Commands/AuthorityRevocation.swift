import ArgumentParser
import TLS

/// Certificates replaced, ended, and the list that says so.
extension AuthorityCommands {
    struct Renew: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "renew", abstract: "Put a new certificate and key in the place of NAME.pem and NAME.key.",
            discussion: """
                Same kind, same hosts unless --host names others. Nodes take the new files up at SIGHUP; until then they \
                go on with the old ones, which stay good until they end. `ca revoke SERIAL` ends an old one sooner.

                Examples:
                  gatepost ca renew relay-1
                  gatepost ca renew smtp --host smtp.example.com --host smtp.example.net --days 397
                """)

        @OptionGroup var common: CommonOptions
        @OptionGroup var place: Place
        @Argument(help: "The name it was issued under.") var name: String
        @Option(help: ArgumentHelp("Other hosts than before; may be repeated.", valueName: "host"))
        var host: [String] = []
        @Option(help: ArgumentHelp("How long it is good for.", valueName: "n"), transform: ArgumentText.days)
        var days: Int64 = 825

        func run() async throws {
            let folder = place.folder(try common.settings(usesDatabase: false))
            try Self.explaining {
                let authority = try CertificateAuthority(existing: folder)
                try authority.require(name)
                let before = try authority.list().last { $0.name == name }
                let entry = try authority.renew(name, hosts: host, days: Int(days))
                try authority.refreshRevocations()
                let output = Output(isJSON: common.json)
                output.show(
                    .object(
                        entry.members + authority.files(of: entry)
                            + [JSON.Member(name: "replaces", value: .string(before?.serial))]),
                    "\(entry.kind) certificate of \(entry.name.printable) renewed, good until "
                        + "\(entry.end.secondsText)\n" + authority.properties(of: entry))
                if let before, before.revocation == nil, before.daysLeft >= 0 {
                    output.note(
                        """
                        The one before is good until \(before.end.secondsText). Once the nodes use the new one (SIGHUP):
                          gatepost ca revoke \(before.serial) --reason superseded
                        """)
                }
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "revoke", abstract: "End certificates, for good.",
            discussion: """
                A name ends every certificate under it that is still good, a serial number that one. Writes the \
                revocation list, crl.pem beside the authority; a relay whose `relay.revocations` is that file closes its \
                gate to them within a second, without a restart, and a forwarder, by `forwarder.revocations`, gives them \
                no mail. Other machines need a copy of it.

                Examples:
                  gatepost ca revoke forwarder-1 --reason key-compromise --yes
                  gatepost ca revoke 4f1c9a8e03b7d6625d1e0c9b8a7f6e5d --reason superseded
                """)

        @OptionGroup var common: CommonOptions
        @OptionGroup var place: Place
        @OptionGroup var confirmation: Confirmation
        @Argument(help: ArgumentHelp("A name, or a serial number of `ca list`.", valueName: "name|serial"))
        var certificate: String
        @Option(
            help: ArgumentHelp(
                "unspecified, key-compromise, affiliation-changed, superseded or cessation-of-operation."),
            transform: Self.reason)
        var reason: CertificateAuthority.Revocation.Reason = .unspecified

        static func reason(_ text: String) throws -> CertificateAuthority.Revocation.Reason {
            guard let reason = CertificateAuthority.Revocation.Reason(rawValue: text) else {
                let known = CertificateAuthority.Revocation.Reason.allCases.map(\.rawValue)
                throw ArgumentProblem("expected \(known.alternatives)")
            }
            return reason
        }

        func run() async throws {
            let folder = place.folder(try common.settings(usesDatabase: false))
            try Self.explaining {
                let authority = try CertificateAuthority(existing: folder)
                try authority.require(certificate)
                let meant = try authority.list().filter {
                    ($0.name == certificate || $0.serial == certificate.lowercased()) && $0.revocation == nil
                        && $0.daysLeft >= 0
                }
                if !meant.isEmpty {
                    let what = meant.map { "\($0.name.printable) (\($0.kind), serial \($0.serial))" }
                    try confirmation.ask("Revoke \(what.joined(separator: ", ")) for good")
                }
                let ended = try authority.revoke(certificate, reason)
                let list = try authority.revocationList()
                let output = Output(isJSON: common.json)
                output.show(
                    .object([
                        JSON.Member(name: "revoked", value: .array(ended.map { .object($0.members) })),
                        JSON.Member(name: "revocations", value: .string(authority.revocationFile)),
                        JSON.Member(name: "number", value: .number(list?.number)),
                    ]),
                    ended.isEmpty
                        ? "nothing under \(certificate.printable) was still good\n"
                        : ended.map { "\($0.kind) certificate \($0.name.printable), serial \($0.serial), revoked\n" }
                            .joined() + Table.properties(["revocations": authority.revocationFile]))
                if let list { output.note(list.summary) }
            }
        }
    }

    struct RevocationList: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "crl", abstract: "Make the revocation list, crl.pem, anew.",
            discussion: """
                A relay that has a revocation list takes mail from nobody once the list is past its end, so run this \
                now and then; every other `ca` command does it too where more than half of the list's time is over.

                Examples:
                  gatepost ca crl
                  gatepost ca crl --days 30
                """)

        @OptionGroup var common: CommonOptions
        @OptionGroup var place: Place
        @Option(
            help: ArgumentHelp("How long it is good for. Default: as the last one, at first 90.", valueName: "n"),
            transform: ArgumentText.days)
        var days: Int64?

        func run() async throws {
            let folder = place.folder(try common.settings(usesDatabase: false))
            try Self.explaining {
                let authority = try CertificateAuthority(existing: folder)
                let list = try authority.renewRevocations(days: days.map { Int($0) })
                Output(isJSON: common.json).show(
                    [
                        "revocations": .string(authority.revocationFile), "number": .number(list.number),
                        "revoked": .number(list.serials.count), "next_update": .string(list.end.secondsText),
                    ],
                    "\(list.summary)\n" + Table.properties(["revocations": authority.revocationFile]))
            }
        }
    }
}

extension CertificateAuthority {
    /// - Throws: what is near, where nothing was issued under that name or serial number.
    fileprivate func require(_ nameOrSerial: String) throws {
        let entries = try list().filter { $0.kind != "authority" }
        guard nameOrSerial != "ca" else {
            throw Failure(
                "the authority neither renews nor revokes itself",
                hint: "make another in a folder of its own (`gatepost ca init --directory …`) and issue everything anew"
            )
        }
        if entries.contains(where: { $0.name == nameOrSerial || $0.serial == nameOrSerial.lowercased() }) { return }
        let near = Swift.Set(entries.map(\.name)).nearest(to: nameOrSerial).map { "did you mean `\($0)`? " } ?? ""
        throw Failure(
            "nothing was issued under the name or serial number `\(nameOrSerial.shortened(to: 60).printable)`",
            hint: near + "`gatepost ca list` lists everything")
    }
}

extension TLS.RevocationList {
    var end: UTCTime { UTCTime(microseconds: nextUpdate * 1_000_000) }

    var summary: String {
        "revocation list: \(serials.count) certificate\(serials.count == 1 ? "" : "s"), good until \(end.secondsText)"
    }
}
