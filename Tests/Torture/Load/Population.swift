import Postgres
import SiteSupport
import Tenancy
import TestSupport

/// The tenants of a torture and their credentials.
struct Population: Sendable {
    struct Member: Sendable {
        var tenant: String
        var username: String
        var secret: String
        var sender: String { "news@\(tenant).example" }
    }

    /// Tenants whose daily cap is never far from what they have used.
    let capped: [String]
    let members: [Member]
    /// Is revoked in the middle of a leg.
    let doomed: Member

    /// Four tenants at the edge of their caps, two without; two credentials each, and one in test mode.
    ///
    /// One of the four is warned of its cap: that alone sends a batch of several senders past the statement that decides
    /// all of it at once, and with all four warned no cap would ever be met there.
    init(_ database: PrivateDatabase, cap: Int64 = 40) async throws {
        let connection = database.connection(as: .admin)
        let administration = Administration(connection, user: "torture")
        capped = ["edge1", "edge2", "edge3", "edge4"]
        var members: [Member] = []
        func issue(_ slug: String, _ mode: CredentialTerms.Mode = .live) async throws -> Member {
            var terms = CredentialTerms()
            terms.mode = mode
            let issued = try await administration.issueCredential(for: slug, terms)
            return Member(tenant: slug, username: issued.username, secret: issued.secret.exposed)
        }
        for slug in capped + ["wide1", "wide2"] {
            var limits = TenantChanges()
            limits.daily = capped.contains(slug) ? .of(cap) : .unlimited
            limits.sessions = .unlimited
            if capped.dropFirst().contains(slug) { limits[.warn] = .percents([]) }
            try await administration.createTenant(slug, limits)
            _ = try await administration.addDomain("\(slug).example", to: slug, trusted: true)
            for _ in 0..<2 { members.append(try await issue(slug)) }
        }
        members.append(try await issue("wide2", .test))
        doomed = try await issue("wide1")
        self.members = members + [doomed]
        await connection.close()
    }
}
