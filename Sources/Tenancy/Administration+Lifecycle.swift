internal import Postgres

// How domains prove whose they are, and tenants go.

extension Administration {
    /// - Parameter token: as it was seen in DNS; the database compares it with the domain's, under the lock.
    /// - Returns: false where it was verified already.
    package func domainVerified(
        _ domain: String, of slug: String, token: String
    ) async throws(AdministrationError) -> Bool {
        try await change(
            "SELECT admin.domain_verified($1, $2, $3, $4)", [.text(user), .text(slug), .text(domain), .text(token)]
        ).mayHaveChanged
    }

    /// What goes with a tenant.
    package struct TenantContents: Sendable, Hashable {
        package var credentials, domains: Int64
        /// What still waits.
        package var messages, recipients: Int64
    }

    package func contents(of slug: String) async throws(AdministrationError) -> TenantContents {
        let rows = try await read(
            "SELECT credentials, domains, messages, recipients FROM admin.tenant_contents($1)", [.text(slug)]
        ) { row in
            TenantContents(
                credentials: try row.int64("credentials"), domains: try row.int64("domains"),
                messages: try row.int64("messages"), recipients: try row.int64("recipients"))
        }
        guard let contents = rows.first else { throw .notFound("no tenant `\(slug)`") }
        return contents
    }

    /// What became of a deleted tenant's queue.
    package struct Purge: Sendable, Hashable {
        package var changed = false
        package var credentials: Int64 = 0
        package var cancelled: Int64 = 0
        /// Under way at that moment: delivered or cancelled by upkeep.
        package var marked: Int64 = 0
    }

    /// Nothing more is accepted of it when this has begun; then its queue is cancelled, part by part. A repeat goes on.
    package func deleteTenant(_ slug: String) async throws(AdministrationError) -> Purge {
        let deleted = try await repeated(
            "SELECT changed, credentials FROM admin.tenant_delete($1, $2)", [.text(user), .text(slug)])
        do {
            var purge = Purge()
            purge.changed = try deleted.rows.first?.bool("changed") ?? false || deleted.wasInDoubt
            purge.credentials = try deleted.rows.first?.int64("credentials") ?? 0
            while true {
                let part = try await repeated(
                    "SELECT messages, cancelled, marked FROM admin.tenant_purge($1, $2, 1000)",
                    [.text(user), .text(slug)])
                guard let row = part.rows.first, try row.int64("messages") > 0 else { return purge }
                purge.cancelled += try row.int64("cancelled")
                purge.marked += try row.int64("marked")
            }
        } catch {
            throw Self.translated(error)
        }
    }
}
