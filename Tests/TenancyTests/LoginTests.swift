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
