import Tenancy

/// Plans and tenants in the form that `gatepost apply` takes.
enum StateText {
    static func plan(_ plan: PlanRecord) -> String {
        block(plan.name, TenantSetting.allCases.compactMap { setting in plan.limits[setting].map { (setting, $0) } })
    }

    /// What is the tenant's own, and its domains; not what it inherits.
    static func tenant(_ tenant: TenantRecord, _ domains: [DomainRecord]) -> String {
        var text = block(tenant.slug, tenant.wanted)
        let lists = [
            ("domains", domains.filter { $0.verifiedAt != nil }),
            ("unproven-domains", domains.filter { $0.verifiedAt == nil }),
        ]
        if text.hasSuffix(": {}\n"), !domains.isEmpty { text = "  \(tenant.slug):\n" }
        for (name, list) in lists where !list.isEmpty {
            text += "    \(name): [\(list.map(\.domain).joined(separator: ", "))]\n"
        }
        return text
    }

    private static func block(_ name: String, _ values: [(TenantSetting, TenantValue)]) -> String {
        if values.isEmpty { return "  \(name): {}\n" }
        return "  \(name):\n"
            + values.map { setting, value in
                let text = Show.value(value, of: setting)
                // An address may hold what YAML reads as its own.
                let shown = setting == .contact ? JSON.string(text).text : text
                return "    \(setting.option.dropFirst(2)): \(shown)\n"
            }.joined()
    }
}

extension TenantRecord {
    /// What a file must say for this tenant: its own values, and of what no plan has, what is not the default.
    var wanted: [(TenantSetting, TenantValue)] {
        TenantSetting.allCases.compactMap { setting in
            let value = value(of: setting)
            switch setting {
            case .plan, .contact: return value == .none ? nil : (setting, value)
            case .zone: return value == .text("UTC") ? nil : (setting, value)
            case .pool: return value == .text("default") ? nil : (setting, value)
            default: return own.contains(setting.rawValue) ? (setting, value) : nil
            }
        }
    }
}
