import Tenancy

/// What must change so that the database is as the file says; a pure comparison.
struct StateDifference: Equatable {
    enum Change: Equatable {
        case createPlan(String, TenantChanges)
        case setPlan(String, TenantChanges, was: TenantChanges)
        case createTenant(String, TenantChanges)
        case setTenant(String, TenantChanges, was: [TenantSetting: TenantValue])
        case addDomain(String, to: String, trusted: Bool)
        /// Its owner has not proved it: an operator vouched for it, and does no more.
        case distrustDomain(String, of: String)
        case removeDomain(String, from: String)
        case deleteTenant(String)
        case deletePlan(String)

        var isDeletion: Bool {
            switch self {
            case .removeDomain, .deleteTenant, .deletePlan: true
            case .createPlan, .setPlan, .createTenant, .setTenant, .addDomain, .distrustDomain: false
            }
        }
    }

    private(set) var changes: [Change] = []
    private(set) var unchanged = 0

    var deletions: Int { changes.count(where: \.isDeletion) }

    // MARK: Comparing

    mutating func compare(plan name: String, _ wanted: TenantChanges, with record: PlanRecord?) {
        guard let record else { return changes.append(.createPlan(name, wanted)) }
        let different = Self.difference(
            wanted.values, was: record.limits.values, owned: Set(record.limits.values.keys))
        if different.isEmpty {
            unchanged += 1
        } else {
            changes.append(.setPlan(name, different, was: record.limits))
        }
    }

    mutating func compare(
        tenant slug: String, _ wanted: StateFile.Tenant, with record: TenantRecord?, domains: [DomainRecord]
    ) {
        let before = changes.count
        if let record {
            var settings = wanted.settings.values
            // What the file leaves out is the default.
            settings[.zone] = settings[.zone] ?? .text("UTC")
            settings[.pool] = settings[.pool] ?? .text("default")
            settings[.plan] = settings[.plan] ?? TenantValue.none
            settings[.contact] = settings[.contact] ?? TenantValue.none
            let was = Dictionary(
                uniqueKeysWithValues: TenantSetting.allCases.map { ($0, record.value(of: $0)) })
            let owned = Set(
                TenantSetting.allCases.filter { !$0.isInheritable || record.own.contains($0.rawValue) })
            let different = Self.difference(settings, was: was, owned: owned)
            if !different.isEmpty { changes.append(.setTenant(slug, different, was: was)) }
        } else {
            changes.append(.createTenant(slug, wanted.settings))
        }
        if let names = wanted.domains {
            let there = Dictionary(domains.map { ($0.domain, $0.verifiedAt != nil) }) { $1 }
            let vouchedFor = Set(domains.filter { $0.verifiedBy == "operator" }.map(\.domain))
            for name in names.sorted() where there[name] != true {
                changes.append(.addDomain(name, to: slug, trusted: true))
            }
            for name in wanted.unproven.sorted() where !names.contains(name) {
                if there[name] == nil {
                    changes.append(.addDomain(name, to: slug, trusted: false))
                } else if vouchedFor.contains(name) {
                    changes.append(.distrustDomain(name, of: slug))
                }
            }
            for name in there.keys.sorted() where !names.contains(name) && !wanted.unproven.contains(name) {
                changes.append(.removeDomain(name, from: slug))
            }
        }
        if changes.count == before { unchanged += 1 }
    }

    mutating func missing(tenant slug: String) { changes.append(.deleteTenant(slug)) }
    mutating func missing(plan name: String) { changes.append(.deletePlan(name)) }

    /// Deletions are left out unless they were asked for.
    mutating func keepAll() {
        var kept: Set<String> = []
        var changed: Set<String> = []
        for change in changes {
            switch change {
            case .removeDomain(_, let slug): kept.insert(slug)
            case .createTenant(let slug, _), .setTenant(let slug, _, _), .addDomain(_, let slug, _),
                .distrustDomain(_, let slug):
                changed.insert(slug)
            case .createPlan, .setPlan, .deleteTenant, .deletePlan: break
            }
        }
        changes.removeAll(where: \.isDeletion)
        unchanged += kept.subtracting(changed).count
    }

    /// - Parameter owned: what is given and not inherited; what of it is not wanted is given back.
    private static func difference(
        _ wanted: [TenantSetting: TenantValue], was: [TenantSetting: TenantValue], owned: Set<TenantSetting>
    ) -> TenantChanges {
        var changes = TenantChanges()
        for setting in TenantSetting.allCases {
            if let value = wanted[setting] {
                if !owned.contains(setting) || was[setting] != value { changes[setting] = value }
            } else if owned.contains(setting), setting.isInheritable {
                changes[setting] = .inherit
            }
        }
        // A rate that changes would take its burst along.
        if changes[.rate] != nil, changes[.rate] != .inherit, let burst = wanted[.burst] { changes[.burst] = burst }
        return changes
    }

    // MARK: Saying it

    /// `+`, `~` and `-` lines, then how many of each.
    var text: String {
        changes.map(\.text).joined()
            + "= \(unchanged) unchanged, ~ \(count("~")) changed, + \(count("+")) added, - \(count("-")) removed\n"
    }

    private func count(_ sign: String) -> Int { changes.count { $0.text.hasPrefix(sign) } }

    var json: JSON {
        [
            "unchanged": .number(unchanged), "changed": .number(count("~")), "added": .number(count("+")),
            "removed": .number(count("-")),
            "changes": .strings(
                changes.flatMap { $0.text.split(separator: "\n").map(String.init) }),
        ]
    }
}

extension StateDifference.Change {
    var text: String {
        switch self {
        case .createPlan(let name, let limits): "+ plan \(name)\n" + Self.lines(limits) { _ in nil }
        case .setPlan(let name, let changes, let was):
            "~ plan \(name)\n" + Self.lines(changes) { was[$0] ?? .inherit }
        case .createTenant(let slug, let settings): "+ tenant \(slug)\n" + Self.lines(settings) { _ in nil }
        case .setTenant(let slug, let changes, let was): "~ tenant \(slug)\n" + Self.lines(changes) { was[$0] }
        case .addDomain(let domain, let slug, let trusted):
            "+ domain \(domain) of \(slug)\(trusted ? "" : ", unproven")\n"
        case .distrustDomain(let domain, let slug): "~ domain \(domain) of \(slug): trusted -> unproven\n"
        case .removeDomain(let domain, let slug): "- domain \(domain) of \(slug)\n"
        case .deleteTenant(let slug): "- tenant \(slug)\n"
        case .deletePlan(let name): "- plan \(name)\n"
        }
    }

    private static func lines(_ changes: TenantChanges, _ was: (TenantSetting) -> TenantValue?) -> String {
        TenantSetting.allCases.compactMap { setting in
            changes[setting].map { value in
                let before = was(setting).map { "\(Show.value($0, of: setting)) -> " } ?? ""
                return "    \(setting.option.dropFirst(2)): \(before)\(Show.value(value, of: setting))\n"
            }
        }.joined()
    }
}
