import Postgres
import Tenancy

// How a tenant looks to people and to programs.

extension TenantRecord {
    var json: JSON {
        [
            "tenant": .string(slug), "status": .string(status), "reason": .string(reason),
            "hold_queue": .bool(holdsQueue), "daily": .number(daily), "monthly": .number(monthly),
            "rate": .number(rate), "burst": .number(burst), "max_message_size": .number(messageSize),
            "recipients_per_message": .number(recipientsPerMessage), "sessions": .number(sessions),
            "time_zone": .string(zone), "next_time_zone": .string(nextZone),
            "next_time_zone_from": nextZoneFrom.json, "policy": .string(policy), "partial": .bool(partial),
            "resubmission": .bool(resubmission), "null_sender": .bool(nullSender),
            "foreign_names": .bool(foreignNames), "pool": .string(pool),
            "created_at": createdAt.json, "window": .string(window), "bytes_daily": .number(bytesDaily),
            "first_time_daily": .number(firstTimeDaily), "message_size": .number(messageSize),
            "warn": .array(warn.map { .number($0) }), "shadow_daily": .number(shadowDaily),
            "shadow_monthly": .number(shadowMonthly), "shadow_bytes_daily": .number(shadowBytesDaily),
            "shadow_first_time_daily": .number(shadowFirstTimeDaily), "contact": .string(contact),
            "plan": .string(plan),
            "origins": .object(
                TenantSetting.allCases.filter(\.isInheritable).map {
                    JSON.Member(name: $0.rawValue, value: .string(origin(of: $0).word))
                }),
        ]
    }

    /// The limits that matter most, and what else was just changed, in a sentence; behind it the caps that are proposed.
    func summary(of changes: TenantChanges) -> String {
        var first: [TenantSetting] = [.daily, .monthly, .rate, .sessions, .pool]
        if plan != nil { first.insert(.plan, at: 0) }
        let changed = TenantSetting.allCases.filter { changes[$0] != nil && !first.contains($0) && !$0.isProposal }
        let proposed = TenantSetting.allCases.filter {
            $0.isProposal && (changes[$0] != nil || value(of: $0) != .none)
        }
        let sentence = (first + changed).map {
            "\($0 == .zone ? "time zone" : $0.rawValue) \(Show.value(value(of: $0), of: $0))"
        }
        let proposals = proposed.map { "\($0.limit?.name ?? $0.rawValue) \(Show.value(value(of: $0), of: $0))" }
        return sentence.joined(separator: ", ")
            + (proposals.isEmpty ? "" : "; proposed: \(proposals.joined(separator: ", "))")
    }

    /// What is no limit above, then each limit with its unit and where it is from.
    var properties: String {
        var text = Table.properties([
            "tenant": slug, "status": reason.map { "\(status): \($0)" } ?? status,
            "queue": status == "deleted" ? "gone" : holdsQueue ? "held" : "goes on", "plan": plan ?? "none",
            "time zone": nextZone.map { "\(zone), \($0) from \(Show.time(nextZoneFrom?.microseconds))" } ?? zone,
            "pool": pool, "contact": contact ?? "none", "created": Show.time(createdAt.microseconds),
        ])
        var table = Table([.key("LIMIT"), .right("VALUE"), .left("COUNTED"), .left("FROM")])
        for setting in TenantSetting.allCases where setting.isInheritable {
            let value = value(of: setting)
            // Proposals that nobody made are no news.
            if setting.isProposal, value == .none { continue }
            table.add([
                setting.rawValue, Show.value(value, of: setting), Self.counted(setting), origin(of: setting).word,
            ])
        }
        text += "\n" + table.text(for: .output)
        return text
    }

    private static func counted(_ setting: TenantSetting) -> String {
        switch setting {
        case .window: "what daily's day is"
        case .burst: "recipients at once within the rate"
        case .policy: "over a cap: defer 450, reject 550"
        case .partial: "at RCPT, what still fits is taken"
        case .resubmission: "sent again within 10 minutes: not charged"
        case .nullSender: "MAIL FROM:<> is taken"
        case .foreignNames: "names may show a foreign address"
        case .warn: "percents of a cap"
        default:
            setting.limit.map { limit in
                (setting.rawValue == limit.name ? "" : "proposed: ")
                    + "\(limit.unit.rawValue), \(limit.window.rawValue)"
            } ?? ""
        }
    }
}

extension TenantRecord.Origin {
    var word: String {
        switch self {
        case .tenant: "tenant"
        case .plan(let name): "plan \(name)"
        case .standard: "default"
        }
    }
}
