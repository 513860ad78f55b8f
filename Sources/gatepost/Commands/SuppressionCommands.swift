import ArgumentParser
import Foundation
import Postgres
import SMTP
import Tenancy

/// `gatepost suppression …`: whom a tenant does not write to any more.
struct SuppressionCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "suppression", abstract: "Whom a tenant does not write to any more.",
        discussion: """
            A message to somebody on the list is accepted for its other recipients: the suppressed one is dropped when \
            the message is committed, is not charged, and leaves an event of kind `suppressed`. A message that has \
            nobody left is refused with 550 5.7.1, which names the first of them and the reason. Upper and lower case \
            are the same here.

            Examples:
              gatepost suppression add acme b@remote.example --reason "hard bounce"
              gatepost suppression list acme
              gatepost suppression remove acme b@remote.example
              gatepost event list --tenant acme --kind suppressed
            """,
        subcommands: [Add.self, Remove.self, List.self])

    /// The addresses of a command: named, or in a file.
    struct Addresses: ParsableArguments {
        @Argument(help: "b@remote.example, b@bücher.example.", transform: ArgumentText.mailbox)
        var address: [Mailbox] = []
        @Option(help: ArgumentHelp("A file with an address a line; - is the input.", valueName: "file"))
        var file: String?

        func validate() throws {
            guard address.isEmpty != (file == nil) else {
                throw ValidationError("Give addresses, or --file with an address a line.")
            }
        }

        /// - Throws: with every line of the file that holds no address; nothing was done then.
        func all() throws -> [String] {
            guard let file else { return address.map(\.description) }
            let data: [UInt8]
            do throws(FileReadError) {
                data = try readFile(file == "-" ? "/dev/stdin" : file, limit: 256 << 20).bytes
            } catch {
                throw Failure("\(file.printable): \(error.reason)", hint: "nothing was changed")
            }
            var addresses: [String] = []
            var faults: [String] = []
            guard let whole = String(validating: data, as: UTF8.self) else {
                throw Failure(
                    "\(file.printable):\(Self.firstForeignLine(of: data)): is not UTF-8", hint: "nothing was changed")
            }
            // (Spreadsheets begin their files with a byte order mark.)
            let text = whole.hasPrefix("\u{feff}") ? whole.dropFirst() : whole[...]
            let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
            for (index, line) in lines.enumerated() {
                let text = line.trimmingCharacters(in: .whitespaces)
                if text.isEmpty || text.hasPrefix("#") { continue }
                if let mailbox = try? Mailbox(parsing: text) {
                    addresses.append(mailbox.description)
                } else {
                    faults.append("\(file):\(index + 1): no address: \(String(text.prefix(80)).printable)")
                }
            }
            guard faults.isEmpty else {
                let more = faults.count > 10 ? "\nand \(faults.count - 10) more" : ""
                throw Failure(faults.prefix(10).joined(separator: "\n") + more, hint: "nothing was changed")
            }
            guard !addresses.isEmpty else { throw Failure("\(file) holds no address") }
            return addresses
        }

        /// The number of the first line that is not UTF-8.
        private static func firstForeignLine(of data: [UInt8]) -> Int {
            let lines = data.split(separator: 0x0A, omittingEmptySubsequences: false)
            return 1 + (lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0)
        }
    }

    /// Addresses in one transaction, which holds the tenant's meter.
    private static let part = 500

    /// - Returns: the sum of what each part changed; nil where one could not tell.
    private static func inParts(
        _ addresses: [String], _ change: ([String]) async throws -> Int64?
    ) async throws -> Int64? {
        var sum: Int64? = 0
        for start in stride(from: 0, to: addresses.count, by: part) {
            let changed = try await change(Array(addresses[start..<min(start + part, addresses.count)]))
            sum = changed.flatMap { changed in sum.map { $0 + changed } }
        }
        return sum
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add", abstract: "Write to somebody no more.",
            discussion: """
                When it returns, nothing more is accepted to them, not even what was under way. What is queued already \
                goes on: `gatepost queue cancel`. An address that is there already gets the reason and the end that \
                are given now. A file goes in parts of 500; interrupted, give the same command again.

                Examples:
                  gatepost suppression add acme b@remote.example --reason "hard bounce"
                  gatepost suppression add acme b@remote.example --reason "mailbox full" --until 14d
                  gatepost suppression add acme --file bounced.txt --reason "imported from the old service"
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var tenant: String
        @OptionGroup var addresses: Addresses
        @Option(help: "Why; refused clients are told.", transform: ArgumentText.line)
        var reason: String = "suppressed by the operator"
        @Option(help: ArgumentHelp("When it ends: 14d, 2027-01-31, …. Default: never.", valueName: "time"))
        var until: String?

        func validate() throws { _ = try end() }

        private func end() throws -> Instant? {
            do {
                return try until.map { try ArgumentText.expiry($0, now: .now) }
            } catch let problem as ArgumentProblem {
                throw ValidationError(
                    "The value '\(until ?? "")' is invalid for '--until <time>': \(problem.description)")
            }
        }

        func run() async throws {
            let end = try end()
            let all = try addresses.all()
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                let changed = try await SuppressionCommands.inParts(all) {
                    try await desk.administration.suppress($0, of: tenant, reason: reason, until: end)
                }
                desk.output.show(
                    [
                        "tenant": .string(tenant), "addresses": .number(Int64(all.count)), "changed": .number(changed),
                        "reason": .string(reason), "until": end.json,
                    ],
                    all.count == 1
                        ? "\(all[0].printable) \(changed == 0 ? "was suppressed already" : "suppressed") for \(tenant)\n"
                        : "\(all.count) addresses suppressed for \(tenant)"
                            + (changed.map { ", \($0) of them new or changed\n" } ?? "\n"))
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove", abstract: "Write to somebody again.",
            discussion: """
                From the next message on. One that was accepted without them is not sent to them now; nor is the same \
                message, sent again within ten minutes, for it is answered as the resubmission that it is. It says which \
                addresses were not on the list, and ends with 1 where none was.

                Examples:
                  gatepost suppression remove acme b@remote.example
                  gatepost suppression remove acme --file forgiven.txt
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var tenant: String
        @OptionGroup var addresses: Addresses

        func run() async throws {
            let all = try addresses.all()
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                var missing: [String] = []
                let removed = try await SuppressionCommands.inParts(all) { part in
                    missing += try await desk.administration.unknownSuppressions(among: part, of: tenant)
                    return try await desk.administration.unsuppress(part, of: tenant)
                }
                if removed == 0 || (removed == nil && missing.count == all.count) {
                    throw Failure(
                        all.count == 1
                            ? "\(all[0].printable) is not suppressed for \(tenant)"
                            : "none of the \(all.count) addresses is suppressed for \(tenant): \(Self.listed(all))",
                        hint: "`gatepost suppression list \(tenant)` lists them")
                }
                if !missing.isEmpty { desk.output.note("not on the list: \(Self.listed(missing))") }
                desk.output.show(
                    [
                        "tenant": .string(tenant), "addresses": .number(Int64(all.count)), "removed": .number(removed),
                        "not_there": .strings(missing),
                    ],
                    all.count == 1
                        ? "\(all[0].printable) is not suppressed for \(tenant) any more\n"
                        : removed.map { "\($0) of \(all.count) addresses taken off the list of \(tenant)\n" }
                            ?? "\(all.count) addresses are not suppressed for \(tenant) any more\n")
            }
        }

        /// A file may have many.
        private static func listed(_ addresses: [String]) -> String {
            addresses.prefix(10).map(\.printable).joined(separator: ", ")
                + (addresses.count > 10 ? " and \(addresses.count - 10) more" : "")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Whom a tenant does not write to, by address, a page at a time.",
            discussion: """
                All of them, in pages of 500 that are printed as they come; --limit ends it earlier, and --after goes \
                on behind an address.

                Examples:
                  gatepost suppression list acme
                  gatepost suppression list acme --address b@remote.example
                  gatepost suppression list acme --limit 100 --after b@remote.example --json
                """)

        @OptionGroup var common: CommonOptions
        @Argument(transform: ArgumentText.slug) var tenant: String
        @Option(help: "Only this one, if it is there.", transform: ArgumentText.mailbox) var address: Mailbox?
        @Option(help: ArgumentHelp("Only those behind this address.", valueName: "address")) var after: String?
        @Option(help: ArgumentHelp("At most this many.", valueName: "n"), transform: ArgumentText.lines)
        var limit: Int64?

        private static let pageSize: Int64 = 500

        func run() async throws {
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                var left = limit ?? Int64.max
                var last = after?.lowercased()
                var isFirst = true
                while left > 0 {
                    let size = min(left, Self.pageSize)
                    let page = try await desk.administration.suppressions(
                        of: tenant, address: address?.description, after: last, pageSize: size)
                    if isFirst || !page.isEmpty { print(page, desk.output) }
                    isFirst = false
                    guard page.count == Int(size), let final = page.last else { return }
                    left -= size
                    last = final.address
                }
            }
        }

        private func print(_ page: [SuppressionRecord], _ output: Output) {
            output.list(
                page, [.key("ADDRESS"), .left("REASON"), .time("SINCE"), .time("UNTIL")],
                empty: address == nil && after == nil
                    ? "\(tenant) suppresses nobody" : "no such suppression", json: \.json
            ) { record in
                [
                    record.address, record.reason, Show.time(record.createdAt.microseconds),
                    record.until.map { Show.time($0.microseconds) + (record.isInForce ? "" : " (ended)") } ?? "-",
                ]
            }
        }
    }
}

extension SuppressionRecord {
    var json: JSON {
        [
            "address": .string(address), "reason": .string(reason), "until": until.json, "created_at": createdAt.json,
            "in_force": .bool(isInForce),
        ]
    }
}
