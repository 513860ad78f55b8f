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
        /// Of resubmissions, and of whom it has written to.
        package var keys, correspondents: Int64
    }

    package func contents(of slug: String) async throws(AdministrationError) -> TenantContents {
        let rows = try await read(
            "SELECT credentials, domains, messages, recipients, keys, correspondents FROM admin.tenant_contents($1)",
            [.text(slug)]
        ) { row in
            TenantContents(
                credentials: try row.int64("credentials"), domains: try row.int64("domains"),
                messages: try row.int64("messages"), recipients: try row.int64("recipients"),
                keys: try row.int64("keys"), correspondents: try row.int64("correspondents"))
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
        /// Bodies, resubmission keys, correspondents and suppressions that are gone.
        package var removed: Int64 = 0
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
                    "SELECT messages, cancelled, marked, removed FROM admin.tenant_purge($1, $2, 1000)",
                    [.text(user), .text(slug)])
                guard let row = part.rows.first else { return purge }
                let removed = try row.int64("removed")
                guard try row.int64("messages") > 0 || removed > 0 else { return purge }
                purge.removed += removed
                purge.cancelled += try row.int64("cancelled")
                purge.marked += try row.int64("marked")
            }
        } catch {
            throw Self.translated(error)
        }
    }
}
