import Postgres
import Testing

@testable import Tenancy

@Suite struct `A login` {
    private let now = Instant(microseconds: 1000)

    @Test func `may come in when nothing stands against it`() {
        #expect(Login.sample("a").obstacle(at: now) == nil)
    }

    @Test func `says what stands against it, the credential's end first`() {
        var login = Login.sample("a")
        login.loginValidUntil = now
        #expect(login.obstacle(at: now) == .loginExpired)
        login.credentialExpiresAt = now
        #expect(login.obstacle(at: now) == .credentialExpired)
        login.credentialNotBefore = now.advanced(by: .microseconds(1))
        login.notBeforeText = "tomorrow"
        #expect(login.obstacle(at: now) == .credentialNotYet(from: "tomorrow"))
        login.credentialSuspendedAt = now.advanced(by: .seconds(1))
        login.credentialSuspendedReason = "leak"
        #expect(login.obstacle(at: now) == .credentialSuspended(reason: "leak"))
        login.tenantStatus = "suspended"
        login.tenantReason = "invoice"
        #expect(login.obstacle(at: now) == .tenantSuspended(reason: "invoice"))
        // Also where this node's idea of the database's time is behind it.
        login.credentialRevokedAt = now.advanced(by: .seconds(1))
        #expect(login.obstacle(at: now) == .credentialRevoked(reason: nil))
    }

    @Test func `is good until the instant it ends`() {
        var login = Login.sample("a")
        login.credentialExpiresAt = now.advanced(by: .microseconds(1))
        #expect(login.obstacle(at: now) == nil)
    }

    @Test func `begins at its instant, and ends first where it ends first`() {
        var login = Login.sample("a")
        login.credentialNotBefore = now
        #expect(login.obstacle(at: now) == nil)
        #expect(login.ends == nil)
        login.loginValidUntil = now.advanced(by: .seconds(2))
        #expect(login.ends == login.loginValidUntil)
        login.credentialExpiresAt = now.advanced(by: .seconds(1))
        #expect(login.ends == login.credentialExpiresAt)
        login.loginValidUntil = nil
        #expect(login.ends == login.credentialExpiresAt)
    }

    @Test func `may use the mechanisms it was given, and channel binding with its kind`() {
        var login = Login.sample("a")
        #expect(login.allows(mechanism: "PLAIN"))
        login.mechanisms = ["SCRAM-SHA-256"]
        #expect(login.allows(mechanism: "SCRAM-SHA-256") && login.allows(mechanism: "SCRAM-SHA-256-PLUS"))
        #expect(!login.allows(mechanism: "PLAIN") && !login.allows(mechanism: "EXTERNAL"))
        login.mechanisms = ["SCRAM-SHA-256-PLUS"]
        #expect(!login.allows(mechanism: "SCRAM-SHA-256"))
    }

    @Test func `may send as the addresses and domains it was given`() {
        var login = Login.sample("a")
        #expect(login.allows(sender: "any@acme.example", of: "acme.example"))
        login.senders = ["news@acme.example", "shop.example"]
        #expect(login.allows(sender: "news@acme.example", of: "acme.example"))
        #expect(login.allows(sender: "News@acme.example", of: "acme.example"))
        #expect(login.allows(sender: "any@shop.example", of: "shop.example"))
        #expect(!login.allows(sender: "boss@acme.example", of: "acme.example"))
        #expect(!login.allows(sender: "any@sub.shop.example", of: "sub.shop.example"))
    }

    @Test func `takes clients from its networks only`() throws {
        var login = Login.sample("a")
        #expect(login.allows(clientAddress: "anything"))
        login.networks = [try Network(parsing: "192.0.2.0/24"), try Network(parsing: "::1")]
        #expect(login.allows(clientAddress: "192.0.2.9"))
        #expect(login.allows(clientAddress: "::1"))
        #expect(!login.allows(clientAddress: "192.0.3.9"))
        #expect(!login.allows(clientAddress: ""))
    }
}
