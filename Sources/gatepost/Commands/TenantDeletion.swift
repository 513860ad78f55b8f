import ArgumentParser
import Tenancy

extension TenantCommands {
    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete", abstract: "End a tenant, for good: its credentials, and what waits in its queue.",
            discussion: """
                Nothing more is accepted of it; its credentials are revoked and their secrets go, its domains go, what is \
                not delivered yet is cancelled, and the bodies go. What is under way at this moment is only marked, and \
                not tried again. The ledger, usage, events and the audit stay, for `tenant export`, and so does the name: no \
                other tenant can get it. The question counts what goes; `tenant export` before it keeps a copy.

                Example:
                  gatepost tenant delete acme --yes
                """)

        @OptionGroup var common: CommonOptions
        @OptionGroup var confirmation: Confirmation
        @Argument(transform: ArgumentText.slug) var tenant: String

        func run() async throws {
            try await Desk.sit(common, about: .tenant(tenant)) { desk in
                // A repeat goes on where the first attempt was interrupted.
                if try await desk.administration.tenant(tenant).status != "deleted" {
                    let contents = try await desk.administration.contents(of: tenant)
                    try confirmation.ask(
                        "Delete \(tenant) for good: \(contents.credentials) credentials end, \(contents.domains) domains go, "
                            + "\(contents.messages) waiting messages to \(contents.recipients) recipients are cancelled, "
                            + "\(contents.keys) resubmission keys and \(contents.correspondents) correspondents go. "
                            + "Go on")
                }
                let purge = try await desk.administration.deleteTenant(tenant)
                desk.output.show(
                    [
                        "tenant": .string(tenant), "changed": .bool(purge.changed),
                        "credentials_revoked": .number(purge.credentials), "cancelled": .number(purge.cancelled),
                        "under_way": .number(purge.marked), "removed": .number(purge.removed),
                    ],
                    (purge.changed ? "tenant \(tenant) deleted" : "tenant \(tenant) was deleted already")
                        + ": \(purge.credentials) credentials revoked, \(purge.cancelled) recipients cancelled, "
                        + "\(purge.marked) under way\n")
            }
        }
    }
}
