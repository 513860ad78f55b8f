/// A limit as operators write it: a number from 1, or the word `unlimited`.
package enum Limit: Sendable, Hashable {
    case unlimited
    case of(Int64)
}

/// What a tenant does with mail over a cap: 450 (come back later) or 550 (no).
package enum CapPolicy: String, Sendable, CaseIterable {
    case `defer`, reject
}

/// Limits and ways of a tenant or a plan to set; what is not named stays as it is, or is inherited by a new one.
package struct TenantChanges: Sendable, Hashable {
    package var values: [TenantSetting: TenantValue] = [:]

    package init() {}

    package init(_ values: [TenantSetting: TenantValue]) { self.values = values }

    package var isEmpty: Bool { values.isEmpty }

    /// What `admin.tenant_create`, `admin.tenant_set` and the plans' functions take.
    package var json: String {
        let members = TenantSetting.allCases.compactMap { setting in
            values[setting].map { "\(JSONText.string(setting.rawValue)): \($0.json)" }
        }
        return "{" + members.joined(separator: ", ") + "}"
    }

    package subscript(setting: TenantSetting) -> TenantValue? {
        get { values[setting] }
        set { values[setting] = newValue }
    }
}

// The same by name, for callers that set one or two.
extension TenantChanges {
    /// Recipients a local day.
    package var daily: Limit? {
        get { limit(.daily) }
        set { values[.daily] = newValue.map(Self.value) }
    }
    /// Recipients a local month.
    package var monthly: Limit? {
        get { limit(.monthly) }
        set { values[.monthly] = newValue.map(Self.value) }
    }
    /// Recipients a minute.
    package var rate: Limit? {
        get { limit(.rate) }
        set { values[.rate] = newValue.map(Self.value) }
    }
    /// Recipients at once.
    package var burst: Int64? {
        get { number(.burst) }
        set { values[.burst] = newValue.map { .number($0) } }
    }
    /// Octets.
    package var messageSize: Int64? {
        get { number(.messageSize) }
        set { values[.messageSize] = newValue.map { .number($0) } }
    }
    package var recipientsPerMessage: Int64? {
        get { number(.recipientsPerMessage) }
        set { values[.recipientsPerMessage] = newValue.map { .number($0) } }
    }
    /// At a time, on each node.
    package var sessions: Limit? {
        get { limit(.sessions) }
        set { values[.sessions] = newValue.map(Self.value) }
    }
    /// An IANA name.
    package var zone: String? {
        get { text(.zone) }
        set { values[.zone] = newValue.map { .text($0) } }
    }
    package var policy: CapPolicy? {
        get { text(.policy).flatMap(CapPolicy.init) }
        set { values[.policy] = newValue.map { .text($0.rawValue) } }
    }
    package var partial: Bool? {
        get { flag(.partial) }
        set { values[.partial] = newValue.map { .flag($0) } }
    }
    package var resubmission: Bool? {
        get { flag(.resubmission) }
        set { values[.resubmission] = newValue.map { .flag($0) } }
    }
    package var nullSender: Bool? {
        get { flag(.nullSender) }
        set { values[.nullSender] = newValue.map { .flag($0) } }
    }
    package var pool: String? {
        get { text(.pool) }
        set { values[.pool] = newValue.map { .text($0) } }
    }

    private static func value(_ limit: Limit) -> TenantValue {
        switch limit {
        case .unlimited: .unlimited
        case .of(let number): .number(number)
        }
    }

    private func limit(_ setting: TenantSetting) -> Limit? {
        switch values[setting] {
        case .unlimited: .unlimited
        case .number(let number): .of(number)
        case .inherit?, .some(.none), .flag?, .text?, .percents?, nil: nil
        }
    }

    private func number(_ setting: TenantSetting) -> Int64? {
        if case .number(let number) = values[setting] { number } else { nil }
    }

    private func flag(_ setting: TenantSetting) -> Bool? {
        if case .flag(let flag) = values[setting] { flag } else { nil }
    }

    private func text(_ setting: TenantSetting) -> String? {
        if case .text(let text) = values[setting] { text } else { nil }
    }
}
