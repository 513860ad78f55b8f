import Tenancy
import Yams

/// `tenants.yaml`: plans, tenants and their domains as an operator wants them. Read whole; every fault is collected with
/// its line, and with one fault nothing is applied.
///
///     plans:
///       small: { daily: 500 }
///     tenants:
///       acme:
///         plan: small
///         domains: [acme.example]
struct StateFile: Equatable {
    struct Tenant: Equatable {
        var line: Int
        /// Where each setting stands.
        var lines: [TenantSetting: Int] = [:]
        var settings = TenantChanges()
        /// nil: the file does not speak of domains, and leaves them alone.
        var domains: [String]?
        /// Listed without the operator's word: they wait for their proof.
        var unproven: [String] = []
    }

    /// nil: the file has no such section, and nothing of that kind is changed or missed.
    private(set) var plans: [String: TenantChanges]?
    private(set) var tenants: [String: Tenant]?
    private(set) var faults: [SettingsFault] = []

    private let path: String

    /// The keys of a tenant: the options of `tenant set` without their dashes.
    static let keys = Dictionary(
        uniqueKeysWithValues: TenantSetting.allCases.map { (String($0.option.dropFirst(2)), $0) })

    init(text: String, path: String) {
        self.path = path
        if let shorthand = YAMLShorthand(in: text) {
            faults.append(fault(shorthand.line, shorthand.column, "\(shorthand.name) are not taken; write it out"))
            return
        }
        do {
            guard let root = try compose(yaml: text) else { return }
            walk(root)
        } catch let error as YamlError {
            faults.append(SettingsFile.fault(of: error, path))
        } catch {
            faults.append(SettingsFault(place: .wholeFile(path), text: "no YAML"))
        }
    }

    private mutating func walk(_ root: Node) {
        guard let mapping = root.mapping else {
            return add(root, "expected `plans:` or `tenants:` with names below them")
        }
        for (key, value) in mapping {
            let name = key.scalar?.string ?? ""
            // A file that was cut off there must not read as one without any, whom --prune would take for gone.
            if ["plans", "tenants"].contains(name), value.isNothing {
                add(key, "nothing below '\(name):'; write '\(name): {}' where there are none")
                continue
            }
            switch name {
            case "plans": plans = read(value, "plan") { $0.plan($1) }
            case "tenants": tenants = read(value, "tenant") { $0.tenant($1) }
            default: add(key, unknown(name, ["plans", "tenants"], "section"))
            }
        }
    }

    private mutating func read<Value>(
        _ node: Node, _ what: String, _ value: (inout StateFile, Node) -> Value
    ) -> [String: Value] {
        var all: [String: Value] = [:]
        guard let mapping = node.mapping else {
            add(node, "expected names of \(what)s, each with its values below it")
            return all
        }
        for (key, node) in mapping {
            let name = key.scalar?.string ?? ""
            guard let slug = try? ArgumentText.slug(name) else {
                add(key, "'\(name.shortened(to: 60).printable)' cannot be a \(what)'s name: [a-z0-9][a-z0-9-]{0,39}")
                continue
            }
            all[slug] = value(&self, node)
            if var tenant = all[slug] as? Tenant, let line = key.mark?.line {
                tenant.line = line
                all[slug] = tenant as? Value
            }
        }
        return all
    }

    private mutating func plan(_ node: Node) -> TenantChanges {
        var limits = TenantChanges()
        let keys = Self.keys.filter { $0.value.isInheritable }
        for (key, value) in members(of: node) {
            let name = key.scalar?.string ?? ""
            guard let setting = keys[name] else {
                add(key, unknown(name, Array(keys.keys), "key of a plan"))
                continue
            }
            if let value = read(setting, value) { limits[setting] = value }
        }
        return limits
    }

    private mutating func tenant(_ node: Node) -> Tenant {
        var tenant = Tenant(line: node.mark?.line ?? 1)
        for (key, value) in members(of: node) {
            let name = key.scalar?.string ?? ""
            switch name {
            case "domains": tenant.domains = (tenant.domains ?? []) + domains(value)
            case "unproven-domains":
                tenant.unproven = domains(value)
                tenant.domains = tenant.domains ?? []
            default:
                guard let setting = Self.keys[name] else {
                    add(key, unknown(name, Array(Self.keys.keys) + ["domains", "unproven-domains"], "key of a tenant"))
                    continue
                }
                tenant.lines[setting] = key.mark?.line
                if let value = read(setting, value) { tenant.settings[setting] = value }
            }
        }
        for name in tenant.unproven where tenant.domains?.contains(name) == true {
            add(node, "'\(name)' is in 'domains' and in 'unproven-domains'; it can only be in one of them")
        }
        return tenant
    }

    private mutating func members(of node: Node) -> [(key: Node, value: Node)] {
        if node.isEmptyText { return [] }
        guard let mapping = node.mapping else {
            add(node, "expected keys like 'daily: 500'")
            return []
        }
        return mapping.map { ($0.key, $0.value) }
    }

    private mutating func read(_ setting: TenantSetting, _ node: Node) -> TenantValue? {
        // A list of percents may be written as one.
        let text = node.scalar?.string ?? node.sequence?.compactMap { $0.scalar?.string }.joined(separator: ",") ?? ""
        do {
            let value = try ArgumentText.value(of: setting, text)
            guard value != .inherit else { throw ArgumentProblem("expected a value; leave the line out to inherit") }
            return value
        } catch {
            add(node, "bad value '\(text.shortened(to: 60).printable)' for '\(setting.option.dropFirst(2))': \(error)")
            return nil
        }
    }

    private mutating func domains(_ node: Node) -> [String] {
        if node.isNothing {
            add(node, "nothing below the key; write '[]' where there are no domains")
            return []
        }
        var names: [String] = []
        for item in node.sequence.map(Array.init) ?? [node] {
            do {
                let name = try ArgumentText.domain(item.scalar?.string ?? "")
                if !names.contains(name) { names.append(name) }
            } catch {
                add(item, "bad domain '\((item.scalar?.string ?? "").shortened(to: 60).printable)': \(error)")
            }
        }
        return names
    }

    private func unknown(_ name: String, _ known: [String], _ what: String) -> String {
        let near = known.nearest(to: name).map { "; did you mean '\($0)'?" } ?? ""
        return "unknown \(what) '\(name.shortened(to: 60).printable)'" + near
    }

    private mutating func add(_ node: Node, _ text: String) {
        faults.append(fault(node.mark?.line ?? 1, node.mark?.column ?? 1, text))
    }

    private func fault(_ line: Int, _ column: Int, _ text: String) -> SettingsFault {
        SettingsFault(place: .file(path, line: line, column: column), text: text)
    }
}

extension Node {
    /// `key:` with nothing after it.
    fileprivate var isEmptyText: Bool {
        guard let scalar else { return false }
        return scalar.string.isEmpty && scalar.style == .plain
    }

    /// That, or YAML's words for null.
    fileprivate var isNothing: Bool {
        guard let scalar, scalar.style == .plain else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }
}
