internal import Cryptography
package import Postgres
package import SASL

// What operators do with credentials.

extension Administration {
    package typealias CredentialTerms = Tenancy.CredentialTerms

    // MARK: Making

    /// A credential before the database has it.
    package struct NewCredential: Sendable {
        package var tenant, username: String
        package var secret: Secret
        package var verifier: StoredVerifier
        package var terms: CredentialTerms

        /// Takes about a millisecond: the verifier.
        package init(tenant: String, username: String, secret: Secret, terms: CredentialTerms) {
            self.tenant = tenant
            self.username = username
            self.secret = secret
            self.terms = terms
            verifier = secret.verifier()
        }
    }

    /// Makes a credential with a new name and secret. The secret is in no other place than what this returns.
    package func issueCredential(
        for slug: String, _ terms: CredentialTerms
    ) async throws(AdministrationError) -> (username: String, secret: Secret) {
        let secret = Secret.make()
        let verifier = secret.verifier()
        for _ in 0..<10 {
            let username = Username.make(for: slug)
            do {
                _ = try await change(
                    "SELECT created FROM admin.credential_issue($1, $2, $3, $4, $5, $6::text::jsonb)",
                    [
                        .text(user), .text(slug), .text(username), .text(verifier.scram.encoded),
                        .optional(verifier.digest), .text(terms.json),
                    ])
                return (username, secret)
            } catch {
                guard case .taken = error else { throw error }
            }
        }
        throw .failed("ten random names were all taken")
    }

    /// All of them or none.
    ///
    /// - Throws: `taken` where a name is another credential's.
    package func issueCredentials(_ new: [NewCredential]) async throws(AdministrationError) {
        _ = try await repeated(
            "SELECT admin.credential_issue_many($1, $2, $3, $4, $5, $6)",
            [
                .text(user), .textArray(new.map(\.tenant)), .textArray(new.map(\.username)),
                .textArray(new.map(\.verifier.scram.encoded)), .bytesArray(new.map { $0.verifier.digest ?? [] }),
                .textArray(new.map(\.terms.json)),
            ])
    }

    /// What would be refused, by its place in `new`, and why. Changes nothing.
    package func credentialProblems(
        _ new: [(tenant: String, terms: CredentialTerms)]
    ) async throws(AdministrationError) -> [(index: Int, problem: String)] {
        try await read(
            "SELECT number, problem FROM admin.credential_problems($1, $2)",
            [.textArray(new.map(\.tenant)), .textArray(new.map(\.terms.json))]
        ) { row in (Int(try row.int64("number")) - 1, try row.string("problem")) }
    }

    // MARK: Changing

    /// What a credential's value was and is now; nil: none.
    package struct CredentialChange: Sendable, Hashable {
        package var name: String
        package var was, becomes: String?
    }

    /// When this returns, nothing more is accepted by the old terms, not even what was under way.
    ///
    /// - Returns: what is different; nil: a repeat after a doubt cannot tell.
    package func setCredential(
        _ name: String, _ terms: CredentialTerms
    ) async throws(AdministrationError) -> [CredentialChange]? {
        let answer = try await repeated(
            """
            SELECT k.key, t.was, t.becomes FROM admin.credential_set($1, $2, $3::text::jsonb) s
            CROSS JOIN LATERAL jsonb_object_keys(s.becomes) AS k (key)
            CROSS JOIN LATERAL (SELECT
                CASE jsonb_typeof(s.was -> k.key)
                WHEN 'array' THEN (SELECT string_agg(e, ', ') FROM jsonb_array_elements_text(s.was -> k.key) e)
                ELSE s.was ->> k.key END,
                CASE jsonb_typeof(s.becomes -> k.key)
                WHEN 'array' THEN (SELECT string_agg(e, ', ') FROM jsonb_array_elements_text(s.becomes -> k.key) e)
                ELSE s.becomes ->> k.key END) AS t (was, becomes)
            ORDER BY k.key
            """, [.text(user), .text(name), .text(terms.json)])
        do {
            let changes = try answer.rows.map {
                CredentialChange(
                    name: try $0.string("key"), was: try $0.stringOrNil("was"),
                    becomes: try $0.stringOrNil("becomes"))
            }
            return changes.isEmpty && answer.wasInDoubt ? nil : changes
        } catch {
            throw Self.translated(error)
        }
    }

    /// Nothing more is accepted with it, until it is resumed.
    package func suspendCredential(_ name: String, reason: String?) async throws(AdministrationError) -> Bool {
        try await change(
            "SELECT admin.credential_suspend($1, $2, $3)", [.text(user), .text(name), .optional(reason)]
        ).mayHaveChanged
    }

    package func resumeCredential(_ name: String) async throws(AdministrationError) -> Bool {
        try await change("SELECT admin.credential_resume($1, $2)", [.text(user), .text(name)]).mayHaveChanged
    }

    /// For good. When this returns, no node accepts anything more with it, not even what is under way.
    package func revokeCredential(_ name: String, reason: String?) async throws(AdministrationError) -> Bool {
        try await change(
            "SELECT admin.credential_revoke($1, $2, $3)", [.text(user), .text(name), .optional(reason)]
        ).mayHaveChanged
    }

    // MARK: Secrets and certificates

    /// Another secret of a credential, under a login name of its own. The secret is in no other place than here.
    package struct Rotation: Sendable {
        /// `acme.k7m2q9.2`.
        package var username: String
        package var secret: Secret
        /// When the grace ends, by the database's clock.
        package var olderEnd: Instant?
        /// The secrets that were valid still, and when each ends now.
        package var older: [(login: String, end: Instant)]
    }

    /// - Parameter grace: how long the older secrets go on.
    package func rotateCredential(_ name: String, grace: Duration) async throws(AdministrationError) -> Rotation {
        let secret = Secret.make()
        let verifier = secret.verifier()
        let answer = try await repeated(
            """
            SELECT r.login, r.ends_at, o.login AS older, o.ends_at AS older_end
            FROM admin.credential_rotate($1, $2, $3, $4, $5::text::interval) r
            LEFT JOIN LATERAL unnest(r.older, r.older_ends) WITH ORDINALITY AS o (login, ends_at, number) ON true
            ORDER BY o.number
            """,
            [
                .text(user), .text(name), .text(verifier.scram.encoded), .optional(verifier.digest),
                .text("\(grace.components.seconds) seconds"),
            ])
        do {
            guard let first = answer.rows.first else { throw AdministrationError.failed("the database gave no answer") }
            var rotation = Rotation(
                username: try first.string("login"), secret: secret, olderEnd: try first.timestampOrNil("ends_at"),
                older: [])
            for row in answer.rows {
                if let login = try row.stringOrNil("older"), let end = try row.timestampOrNil("older_end") {
                    rotation.older.append((login, end))
                }
            }
            return rotation
        } catch {
            throw Self.translated(error)
        }
    }

    /// What a secret opens, as `admin.credential_check` has it.
    package struct SecretCheck: Sendable, Hashable {
        package var login: String
        package var matches: Bool
        /// Why it could not send now: `credential_revoked`, …; empty: it could.
        package var obstacles: [String]
        /// Empty: all that are offered.
        package var mechanisms: [String]
        package var mode: String
    }

    /// Compares a secret with what is stored, inside the database: no verifier comes out of it.
    ///
    /// - Parameters:
    ///   - name: a credential, or one login of it.
    ///   - address: a client's, to be judged by the credential's networks.
    /// - Returns: each login with a secret.
    package func checkSecret(
        _ secret: [UInt8], of name: String, from address: String?
    ) async throws(AdministrationError) -> [SecretCheck] {
        let digest = SHA256.hash(secret)
        var logins: [String] = []
        var storedKeys: [[UInt8]] = []
        while true {
            let answers = try await read(
                """
                SELECT login, matches, iterations, salt, obstacles, mechanisms, mode
                FROM admin.credential_check($1, $2, $3, $4, $5)
                """,
                [.text(name), .bytes(digest), .textArray(logins), .bytesArray(storedKeys), .optional(address)]
            ) { row in
                (
                    check: SecretCheck(
                        login: try row.string("login"), matches: try row.bool("matches"),
                        obstacles: try row.stringsOrNil("obstacles") ?? [],
                        mechanisms: try row.stringsOrNil("mechanisms") ?? [], mode: try row.string("mode")),
                    iterations: try row.int64OrNil("iterations"), salt: try row.stringOrNil("salt")
                )
            }
            let imported = answers.filter { $0.iterations != nil && !logins.contains($0.check.login) }
            if imported.isEmpty || !logins.isEmpty { return answers.map(\.check) }
            for answer in imported {
                guard let salt = Base64.decode((answer.salt ?? "").utf8) else { continue }
                logins.append(answer.check.login)
                storedKeys.append(
                    SCRAMVerifier.derive(
                        secret: secret, salt: salt, iterations: Int(answer.iterations ?? 0)
                    ).storedKey)
            }
            if logins.isEmpty { return answers.map(\.check) }
        }
    }

    /// A client certificate as a login, by TLS and SASL EXTERNAL.
    ///
    /// - Parameter certificate: SHA-256 of its DER.
    /// - Throws: `taken` where the certificate is another credential's.
    /// - Returns: the login's name; false where the credential had it already.
    package func addCertificate(
        _ certificate: [UInt8], until end: Instant, to name: String
    ) async throws(AdministrationError) -> (login: String, created: Bool) {
        let answer = try await repeated(
            "SELECT login, created FROM admin.credential_certificate_add($1, $2, $3, $4)",
            [.text(user), .text(name), .bytes(certificate), .timestamp(end)])
        do {
            guard let row = answer.rows.first else { throw AdministrationError.failed("the database gave no answer") }
            return (try row.string("login"), try row.bool("created") || answer.wasInDoubt)
        } catch {
            throw Self.translated(error)
        }
    }

    /// Ends a login by certificate, at once.
    package func removeCertificate(_ login: String) async throws(AdministrationError) -> Bool {
        try await change(
            "SELECT admin.credential_certificate_remove($1, $2)", [.text(user), .text(login)]
        ).mayHaveChanged
    }

    // MARK: Looking up

    package func credential(_ name: String) async throws(AdministrationError) -> CredentialRecord {
        let rows = try await read(
            "SELECT " + CredentialRecord.columns + " FROM admin.credential WHERE name = $1", [.text(name)],
            CredentialRecord.init)
        guard let credential = rows.first else { throw .notFound("no credential `\(name)`") }
        return credential
    }

    /// A tenant's first 10,000, oldest first; more than that are read page by page.
    package func credentials(of slug: String) async throws(AdministrationError) -> [CredentialRecord] {
        var filter = CredentialFilter()
        filter.tenant = slug
        return try await credentials(filter, pageSize: 10_000, after: nil)
    }

    /// One page: tenant by tenant in the order they were made, oldest first.
    ///
    /// - Parameter after: the last of the page before.
    package func credentials(
        _ filter: CredentialFilter, pageSize: Int64, after: CredentialRecord?
    ) async throws(AdministrationError) -> [CredentialRecord] {
        // (The parts are put together from literals: a condition that is not asked for must not cost a plan its index.)
        var conditions: [String] = []
        var parameters: [DatabaseValue] = [.int64(pageSize)]
        func add(_ condition: String, _ value: DatabaseValue) {
            parameters.append(value)
            conditions.append(condition.replacing("?", with: "$" + String(parameters.count)))
        }
        if let slug = filter.tenant {
            let ids = try await read("SELECT id FROM admin.tenant WHERE slug = $1", [.text(slug)]) {
                try $0.int64("id")
            }
            guard let id = ids.first else { throw .notFound("no tenant `\(slug)`") }
            add("tenant_id = ?", .int64(id))
            if let after { add("id > ?", .int64(after.id)) }
        } else if let after {
            parameters.append(.int64(after.tenantID))
            let tenant = "$" + String(parameters.count)
            add("(tenant_id, id) > (" + tenant + ", ?)", .int64(after.id))
        }
        if let since = filter.unusedSince {
            add("revoked_at IS NULL AND created_at < ? AND (used_at < ? OR used_at IS NULL)", .timestamp(since))
        }
        if let before = filter.expiresBefore {
            add("revoked_at IS NULL AND expires_at > ledger.clock() AND expires_at < ?", .timestamp(before))
        }
        let condition = conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")
        return try await read(
            "SELECT " + CredentialRecord.columns + " FROM admin.credential" + condition
                + " ORDER BY tenant_id, id LIMIT $1", parameters, CredentialRecord.init)
    }

    /// Names like a mistyped one: those of its tenant, at most 1,000.
    package func credentialNames(of slug: String) async throws(AdministrationError) -> [String] {
        try await read(
            """
            SELECT name FROM admin.credential WHERE tenant_id = (SELECT id FROM admin.tenant WHERE slug = $1)
            ORDER BY id LIMIT 1000
            """, [.text(slug)]
        ) { try $0.string("name") }
    }

    /// Where each limit of a credential comes from.
    package func limits(of credential: String) async throws(AdministrationError) -> [CredentialLimit] {
        try await read(
            "SELECT limit_name, own, tenant_value, tenant_from, in_force, used FROM admin.credential_limits($1)",
            [.text(credential)]
        ) { row in
            CredentialLimit(
                name: try row.string("limit_name"), own: try row.int64OrNil("own"),
                tenant: try row.int64OrNil("tenant_value"), tenantFrom: try row.string("tenant_from"),
                inForce: try row.int64OrNil("in_force"), used: try row.int64OrNil("used"))
        }
    }

    /// A credential's secrets and certificates, oldest first.
    package func logins(of credential: String) async throws(AdministrationError) -> [LoginRecord] {
        try await read(
            """
            SELECT name, valid_until, created_at, used_at, used_from, certificate FROM admin.login
            WHERE credential = $1 ORDER BY id
            """, [.text(credential)]
        ) { row in
            LoginRecord(
                name: try row.string("name"), validUntil: try row.timestampOrNil("valid_until"),
                createdAt: try row.timestamp("created_at"), usedAt: try row.timestampOrNil("used_at"),
                usedFrom: try row.stringOrNil("used_from"), certificate: try row.stringOrNil("certificate"))
        }
    }
}
