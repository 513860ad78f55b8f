package import Postgres

/// A named set of limits.
package struct PlanRecord: Sendable, Hashable {
    package var name: String
    /// By the names of `admin.tenant_set`; what is missing is the default.
    package var limits: TenantChanges
    package var tenants: Int64
    package var createdAt: Instant
}

extension Administration {
    /// - Throws: `taken` where there is a plan of that name.
    package func createPlan(_ name: String, _ limits: TenantChanges) async throws(AdministrationError) {
        let made = try await change(
            "SELECT created FROM admin.plan_create($1, $2, $3::text::jsonb)",
            [.text(user), .text(name), .text(limits.json)])
        if !made.isTrue, !made.wasInDoubt { throw .taken("there is a plan `\(name)` already") }
    }

    /// What became of a plan's change.
    package struct PlanChange: Sendable, Hashable {
        package var changed: Bool
        /// Tenants that had other limits before.
        package var tenants: Int64
    }

    /// Changes the plan, then its tenants, so many in a transaction; when this returns, nothing is accepted by the old
    /// limits. Interrupted, some tenants have the new limits already; a repeat goes on with the others.
    ///
    /// - Parameter progress: how many tenants have been gone through, after each part.
    package func setPlan(
        _ name: String, _ changes: TenantChanges, progress: (Int64) -> Void = { _ in }
    ) async throws(AdministrationError) -> PlanChange {
        var change = PlanChange(
            changed: try await self.change(
                "SELECT admin.plan_set($1, $2, $3::text::jsonb)", [.text(user), .text(name), .text(changes.json)]
            ).mayHaveChanged, tenants: 0)
        var last: Int64 = 0
        var seen: Int64 = 0
        do {
            while true {
                let part = try await repeated(
                    "SELECT last, changed FROM admin.plan_apply($1, $2, $3, $4)",
                    [.text(user), .text(name), .int64(last), .int32(Self.planPart)])
                guard let row = part.rows.first, let next = try row.int64OrNil("last") else { return change }
                change.tenants += try row.int64("changed")
                last = next
                seen += Int64(Self.planPart)
                progress(seen)
            }
        } catch {
            throw Self.translated(error)
        }
    }

    /// Tenants in a transaction: as long as it takes, they take no mail.
    private static let planPart: Int32 = 200

    /// - Throws: `invalid` where tenants have it.
    /// - Returns: false where there was none.
    package func deletePlan(_ name: String) async throws(AdministrationError) -> Bool {
        try await change("SELECT admin.plan_delete($1, $2)", [.text(user), .text(name)]).mayHaveChanged
    }

    package func plans() async throws(AdministrationError) -> [PlanRecord] {
        try await plans("ORDER BY name", [])
    }

    package func plan(_ name: String) async throws(AdministrationError) -> PlanRecord {
        guard let plan = try await plans("WHERE name = $1", [.text(name)]).first else {
            throw .notFound("no plan `\(name)`")
        }
        return plan
    }

    private func plans(
        _ rest: String, _ parameters: [DatabaseValue]
    ) async throws(AdministrationError) -> [PlanRecord] {
        try await read(
            """
            SELECT name, tenants, created_at,
                   ARRAY(SELECT k FROM jsonb_object_keys(limits) AS k ORDER BY k) AS keys,
                   ARRAY(SELECT coalesce(limits ->> k, '') FROM jsonb_object_keys(limits) AS k ORDER BY k) AS texts
            FROM admin.plan \(rest)
            """, parameters
        ) { row in
            var limits = TenantChanges()
            for (key, text) in zip(try row.strings("keys"), try row.strings("texts")) {
                guard let setting = TenantSetting(rawValue: key) else { continue }
                limits[setting] = setting.stored(text)
            }
            return PlanRecord(
                name: try row.string("name"), limits: limits, tenants: try row.int64("tenants"),
                createdAt: try row.timestamp("created_at"))
        }
    }
}

extension TenantSetting {
    /// A value as it stands in a plan's JSON; null comes empty.
    fileprivate func stored(_ text: String) -> TenantValue? {
        switch kind {
        case .count, .octets: Int64(text).map { .number($0) } ?? .unlimited
        case .proposal: Int64(text).map { .number($0) } ?? TenantValue.none
        case .word, .name: .text(text)
        case .flag: .flag(text == "true")
        case .percents: .percents(text.split { !$0.isNumber }.compactMap { Int($0) })
        }
    }
}
