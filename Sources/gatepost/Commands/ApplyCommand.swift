import ArgumentParser
import Glibc
import Tenancy

/// `gatepost apply`: the database becomes as a file says.
struct ApplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply", abstract: "Make plans, tenants and domains as a file says.",
        discussion: """
            Shows what differs, asks, and changes only that; given again, it changes nothing. A tenant in the file has \
            what the file says of its own and inherits the rest; one that is not in the file is left alone. Nothing is \
            removed without --prune: then domains, tenants and plans that the file does not name go, where it has their \
            section; `tenants: {}` says that there are none. A name that is new and looks like one that the file does \
            not name is taken for a slip: --create makes it all the same. `gatepost export` writes such a file.

            Examples:
              gatepost apply -f tenants.yaml --dry-run
              gatepost apply -f tenants.yaml --yes
              gatepost export >tenants.yaml
            """)

    @OptionGroup var common: CommonOptions
    @OptionGroup var confirmation: Confirmation
    @Option(
        name: [.customShort("f"), .customLong("file")],
        help: ArgumentHelp("Plans, tenants and domains in YAML.", valueName: "file"), completion: .file())
    var path: String
    @Flag(help: "Only show what differs; exit status 2 where something does.") var dryRun = false
    @Flag(help: "Remove what the file does not name.") var prune = false
    @Flag(help: "Make new tenants whose names look like existing ones.") var create = false

    func run() async throws {
        let file = try Self.read(path)
        try await Desk.sit(common) { desk in
            var difference = try await compare(file, desk.administration)
            let deletions = difference.deletions
            if !prune { difference.keepAll() }
            if dryRun {
                desk.output.show(difference.json, difference.text)
                if !prune, deletions > 0 { desk.output.note(Self.kept(deletions)) }
                if !difference.changes.isEmpty { throw Differs() }
                return
            }
            if !difference.changes.isEmpty, !confirmation.yes, !desk.output.isJSON {
                write(difference.text, to: STDERR_FILENO)
            }
            if !difference.changes.isEmpty {
                let gone = difference.deletions > 0 ? ", \(difference.deletions) of them removals" : ""
                try confirmation.ask("Make these \(difference.changes.count) changes\(gone). Go on")
            }
            for (number, change) in difference.changes.enumerated() {
                do {
                    try await make(change, desk)
                } catch {
                    desk.output.note(
                        "\(number) of \(difference.changes.count) changes made; give the same command again to go on")
                    throw error
                }
            }
            desk.output.show(difference.json, difference.text)
            if !prune, deletions > 0 { desk.output.note(Self.kept(deletions)) }
        }
    }

    private static func kept(_ count: Int) -> String {
        "\(count) domains, tenants or plans that the file does not name are left alone; --prune removes them"
    }

    private static func read(_ path: String) throws -> StateFile {
        let bytes: [UInt8]
        do {
            bytes = try readFile(path, limit: SettingsFile.maxBytes).bytes
        } catch {
            throw Failure("\(error.path.printable): \(error.reason)")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure("\(path.printable) is not UTF-8")
        }
        let file = StateFile(text: text, path: path)
        guard file.faults.isEmpty else {
            throw Failure(
                file.faults.map(\.description).joined(separator: "\n"),
                hint: "nothing was changed; `gatepost export` writes a file as it should be", .usage)
        }
        return file
    }

    // MARK: Comparing

    /// Tenants looked up at a time.
    private static let pageSize = 500

    private func compare(_ file: StateFile, _ administration: Administration) async throws -> StateDifference {
        var difference = StateDifference()
        let plans = try await administration.plans()
        let known = Dictionary(plans.map { ($0.name, $0) }) { $1 }
        for (name, limits) in (file.plans ?? [:]).sorted(by: { $0.key < $1.key }) {
            difference.compare(plan: name, limits, with: known[name])
        }
        let wanted = file.tenants ?? [:]
        let pools = try await administration.pools().map(\.name)
        let zones = try await administration.timeZones(among: wanted.values.compactMap { $0.text(of: .zone) })
        let slugs = wanted.keys.sorted()
        for start in stride(from: 0, to: slugs.count, by: Self.pageSize) {
            let page = Array(slugs[start..<min(start + Self.pageSize, slugs.count)])
            let records = Dictionary(try await administration.tenants(named: page).map { ($0.slug, $0) }) { $1 }
            let deleted = try await administration.deletedSlugs(among: page)
            let domains = Dictionary(grouping: try await administration.domains(ofAll: page), by: \.tenant)
            for slug in page {
                guard let tenant = wanted[slug] else { continue }
                if deleted.contains(slug) {
                    throw Failure(
                        "\(path.printable):\(tenant.line): the tenant `\(slug)` is deleted, and nobody else gets the name",
                        hint: "nothing was changed; take it out of the file", .usage)
                }
                if records[slug] == nil { try await refuseSlip(slug, tenant, wanted, administration) }
                try refuseMissing(tenant, file, known)
                try refuseImpossible(tenant, pools, zones)
                difference.compare(tenant: slug, tenant, with: records[slug], domains: domains[slug] ?? [])
            }
        }
        if file.tenants != nil {
            var filter = Administration.TenantFilter()
            while true {
                let page = try await administration.tenants(filter, pageSize: Int64(Self.pageSize))
                for record in page where wanted[record.slug] == nil { difference.missing(tenant: record.slug) }
                guard page.count == Self.pageSize, let last = page.last else { break }
                filter.after = last.slug
            }
        }
        if let named = file.plans {
            for plan in plans where named[plan.name] == nil {
                difference.missing(plan: plan.name)
                if prune, file.tenants == nil { try await refuseUsed(plan.name, administration) }
            }
        }
        return difference
    }

    /// A new name near one that the file does not name is more likely a slip than a new customer.
    private func refuseSlip(
        _ slug: String, _ tenant: StateFile.Tenant, _ wanted: [String: StateFile.Tenant],
        _ administration: Administration
    ) async throws {
        if create { return }
        let near = try await administration.slugs(like: slug).filter { wanted[$0] == nil }.nearest(to: slug)
        if let near {
            throw Failure(
                "\(path.printable):\(tenant.line): there is no tenant `\(slug)`; did you mean `\(near)`?",
                hint: "nothing was changed; --create makes `\(slug)` as a new tenant", .usage)
        }
    }

    private func refuseMissing(
        _ tenant: StateFile.Tenant, _ file: StateFile, _ known: [String: PlanRecord]
    ) throws {
        guard case .text(let plan) = tenant.settings[.plan] else { return }
        // (A plan that the file does not name is gone in the end, where it names any and prunes.)
        let names = Array((file.plans ?? [:]).keys) + (prune && file.plans != nil ? [] : Array(known.keys))
        if !names.contains(plan) {
            let near = names.nearest(to: plan).map { "; did you mean `\($0)`?" } ?? ""
            throw Failure("\(place(of: .plan, tenant)): there is no plan `\(plan)`\(near)", .usage)
        }
    }

    /// A plan that tenants have stays, and the file says nothing of them.
    private func refuseUsed(_ plan: String, _ administration: Administration) async throws {
        var filter = Administration.TenantFilter()
        filter.plan = plan
        if let tenant = try await administration.tenants(filter, pageSize: 1).first {
            throw Failure(
                "\(path.printable): the plan `\(plan)` is not in it, and the tenant `\(tenant.slug)` has it",
                hint: "nothing was changed; `gatepost tenant list --plan \(plan)` lists all who have it", .usage)
        }
    }

    private func place(of setting: TenantSetting, _ tenant: StateFile.Tenant) -> String {
        "\(path.printable):\(tenant.lines[setting] ?? tenant.line)"
    }

    /// What the database would refuse is refused before anything is made.
    private func refuseImpossible(_ tenant: StateFile.Tenant, _ pools: [String], _ zones: Set<String>) throws {
        if let pool = tenant.text(of: .pool), !pools.contains(pool) {
            let near = pools.nearest(to: pool).map { "; did you mean `\($0)`?" } ?? ""
            throw Failure("\(place(of: .pool, tenant)): there is no relay pool `\(pool.printable)`\(near)", .usage)
        }
        if let zone = tenant.text(of: .zone), !zones.contains(zone) {
            throw Failure(
                "\(place(of: .zone, tenant)): there is no time zone `\(zone.printable)`",
                hint: "a name like Europe/Brussels, or UTC",
                .usage)
        }
        if case .number? = tenant.settings[.burst], tenant.text(of: .plan) == nil {
            if case .number? = tenant.settings[.rate] { return }
            throw Failure("\(place(of: .burst, tenant)): a burst needs a rate", .usage)
        }
    }

    private func make(_ change: StateDifference.Change, _ desk: Desk) async throws {
        let administration = desk.administration
        switch change {
        case .createPlan(let name, let limits): try await administration.createPlan(name, limits)
        case .setPlan(let name, let changes, _): _ = try await administration.setPlan(name, changes)
        case .createTenant(let slug, let settings): try await administration.createTenant(slug, settings)
        case .setTenant(let slug, let changes, _): _ = try await administration.setTenant(slug, changes)
        case .addDomain(let domain, let slug, let trusted):
            let others = try await administration.addDomain(domain, to: slug, trusted: trusted).others
            if trusted, !others.isEmpty { desk.output.remark("\(slug): \(remark(onSharing: domain, with: others))") }
        case .distrustDomain(let domain, let slug):
            _ = try await administration.removeDomain(domain, from: slug)
            _ = try await administration.addDomain(domain, to: slug, trusted: false)
        case .removeDomain(let domain, let slug): _ = try await administration.removeDomain(domain, from: slug)
        case .deleteTenant(let slug): _ = try await administration.deleteTenant(slug)
        case .deletePlan(let name): _ = try await administration.deletePlan(name)
        }
    }
}

/// Something differs, and it has been shown: exit status 2, and nothing more to say.
struct Differs: Error {}

/// `gatepost export`: what `gatepost apply` takes.
struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write plans, tenants and domains as `gatepost apply` takes them.",
        discussion: """
            What is a tenant's own, not what it inherits: a file to keep in git. Credentials, secrets and usage are not \
            in it; `gatepost tenant export` has what is held on one tenant. It is YAML always: --json is refused.

            Example:
              gatepost export >tenants.yaml
            """)

    @OptionGroup var common: CommonOptions

    func validate() throws {
        if common.json {
            throw ValidationError("It writes YAML, for `gatepost apply`; `gatepost tenant export NAME` writes JSON.")
        }
    }

    func run() async throws {
        try await Desk.sit(common) { desk in
            let plans = try await desk.administration.plans()
            write("plans:" + (plans.isEmpty ? " {}\n" : "\n"), to: STDOUT_FILENO)
            for plan in plans { write(StateText.plan(plan), to: STDOUT_FILENO) }
            var filter = Administration.TenantFilter()
            var isFirst = true
            while true {
                let page = try await desk.administration.tenants(filter, pageSize: 500)
                if isFirst { write("tenants:" + (page.isEmpty ? " {}\n" : "\n"), to: STDOUT_FILENO) }
                isFirst = false
                let domains = Dictionary(
                    grouping: try await desk.administration.domains(ofAll: page.map(\.slug)), by: \.tenant)
                for tenant in page { write(StateText.tenant(tenant, domains[tenant.slug] ?? []), to: STDOUT_FILENO) }
                guard page.count == 500, let last = page.last else { return }
                filter.after = last.slug
            }
        }
    }
}

extension StateFile.Tenant {
    fileprivate func text(of setting: TenantSetting) -> String? {
        if case .text(let text)? = settings[setting] { text } else { nil }
    }
}
