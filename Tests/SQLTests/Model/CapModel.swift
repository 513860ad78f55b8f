/// What the ledger's rules say, without a database: forty lines that decide, and the counters they decide by.
///
/// Not how accept does it: the order in which rules are tried is left open. A refusal is right if it names any rule
/// that the message breaks, with that rule's cap and use.
struct CapModel {
    struct Counter: Equatable, CustomStringConvertible {
        var recipients: Int64 = 0, messages: Int64 = 0, bytes: Int64 = 0, firstTime: Int64 = 0
        var description: String { "\(recipients)/\(messages)/\(bytes)/\(firstTime)" }
        mutating func add(_ other: Counter) {
            recipients += other.recipients
            messages += other.messages
            bytes += other.bytes
            firstTime += other.firstTime
        }
    }

    /// A row of `usage`: the tenant's (credential empty) or a credential's, and its day, month or test day.
    struct Row: Hashable, CustomStringConvertible {
        var tenant: String, credential: String, period: String, starts: String
        var description: String { "\(tenant) \(credential) \(period) \(starts)" }
    }

    /// GCRA in integers: 1/60,000,000 recipient, so that `rate` units drain in a microsecond.
    struct Bucket {
        static let recipient: Int64 = 60_000_000
        var debt: Int64 = 0
        var at: Int64 = 0
        func drained(at now: Int64, rate: Int64) -> Int64 {
            let elapsed = now - at
            return elapsed > debt / rate ? 0 : debt - rate * elapsed
        }
    }

    struct Rate {
        var rate: Int64
        var burst: Int64
    }

    struct Caps {
        var daily: Int64?
        var monthly: Int64?
        var bytes: Int64?
        var rate: Rate?
        var size: Int64?
        var recipients: Int64?
    }

    struct Tenant {
        var caps = Caps()
        var isRolling = false
        var firstTime: Int64?
        var isSuspended = false
        var hasDomain = true
        var resubmission = true
        /// Whom it does not write to any more.
        var suppressed: Set<String> = []
        var bucket = Bucket()
        var hours: [Int64: Int64] = [:]
        /// The UTC day on which an address was last written to.
        var known: [String: Int64] = [:]
    }

    struct Credential {
        var tenant: String
        var caps = Caps()
        var isRevoked = false
        var isSuspended = false
        var isTest = false
        var notBefore: Int64?
        var expires: Int64?
        var bucket = Bucket()
        /// Each secret's login name, and until when it is good.
        var logins: [String: Int64?] = [:]
    }

    struct Recent {
        var id: String
        var at: Int64
    }

    enum State: Equatable {
        case free
        case leased(Int)
        case marked(Int)
        case markedFree, delivered, bounced, cancelled
        /// Not stored, for its address was suppressed.
        case dropped
    }

    struct Stored {
        var tenant: String, credential: String, day: String, month: String, hour: Int64
        var recipients: [State]
        /// What its credential, envelope and content made, if it may be recognized.
        var key: String?
    }

    struct Message {
        var id: String, tenant: String, credential: String, login: String, to: [String], size: Int64, digest: String?
        /// The node's, whose lease it is stored under; nil: stored free.
        var owner: Int?
    }

    var now: Int64 = 0
    /// Each tenant's local day and the first of its month, by the calendar.
    var calendar: [String: (day: String, month: String)] = [:]
    var tenants: [String: Tenant] = [:]
    var credentials: [String: Credential] = [:]
    var usage: [Row: Counter] = [:]
    var recent: [String: Recent] = [:]
    var stored: [String: Stored] = [:]

    // MARK: Deciding

    /// Judges what accept said about a message, and takes it over. Nil: it was right.
    ///
    /// `behind`: how many recipients of the same tenant were accepted behind it in the same batch.
    mutating func judge(_ message: Message, _ said: Verdict, behind: Int64) -> String? {
        guard let tenant = tenants[message.tenant], let credential = credentials[message.credential],
            let today = calendar[message.tenant]
        else { return "the model does not know \(message.tenant) \(message.credential)" }
        let grounds = grounds(tenant, credential, message.login)
        if !grounds.isEmpty {
            return grounds.contains(said.verdict) ? nil : "one of \(grounds.sorted()) was to be said"
        }
        let key = tenant.resubmission ? message.digest.map { "\(message.tenant) \(message.credential) \($0)" } : nil
        if let first = key.flatMap({ recent[$0] }), first.at > now - 600_000_000 {
            return said.verdict == "resubmitted" && said.queueID == first.id ? nil : "resubmitted was to be said"
        }
        let left = left(message)
        let news = newcomers(left, tenant)
        if left.isEmpty, said.verdict == "suppressed" {
            return said.used == Int64(message.to.count) ? nil : "suppressed of \(message.to.count) was to be said"
        }
        let broken = broken(message, tenant, credential, today, Int64(left.count), news)
        guard broken.isEmpty else {
            guard let rule = broken.first(where: { $0.verdict == said.verdict && $0.limit == said.limit }) else {
                return "one of \(broken.map(\.limit)) was to be said"
            }
            let isRight = said.cap == rule.cap && said.used == rule.used
            return isRight ? nil : "\(rule.limit): cap \(rule.cap) used \(rule.used) was to be said"
        }
        guard !left.isEmpty else { return "suppressed was to be said" }
        guard said.verdict == "accepted", said.queueID == said.id else { return "accepted was to be said" }
        let dropped = message.to.enumerated().filter { tenant.suppressed.contains($0.element) }
        let detail =
            credential.isTest
            ? "test" : dropped.isEmpty ? nil : "suppressed " + dropped.map { "\($0.offset + 1)" }.joined(separator: " ")
        guard said.detail == detail else { return "the detail \(detail ?? "-") was to be said" }
        take(message, said.id, today, key, news)
        let rest = rest(message, today)
        guard let rest, let remaining = said.remaining else {
            return said.remaining == rest ? nil : "remaining \(rest.map(String.init) ?? "-") was to be said"
        }
        return (rest - behind...rest).contains(remaining) ? nil : "remaining \(rest) was to be said"
    }

    /// Its recipients but for those that are suppressed.
    func left(_ message: Message) -> [String] {
        guard let tenant = tenants[message.tenant] else { return [] }
        return message.to.filter { !tenant.suppressed.contains($0) }
    }

    private func grounds(_ tenant: Tenant, _ credential: Credential, _ login: String) -> Set<String> {
        var grounds: Set<String> = []
        if tenant.isSuspended { grounds.insert("tenant_suspended") }
        if credential.isRevoked { grounds.insert("credential_revoked") }
        if credential.isSuspended { grounds.insert("credential_suspended") }
        if let expires = credential.expires, expires <= now { grounds.insert("credential_expired") }
        if let begins = credential.notBefore, begins > now { grounds.insert("credential_not_yet") }
        if case .some(.some(let ends)) = credential.logins[login], ends <= now { grounds.insert("login_expired") }
        if !tenant.hasDomain { grounds.insert("sender_domain") }
        return grounds
    }

    private struct Broken {
        var limit: String, verdict: String, cap: Int64, used: Int64
    }

    private func broken(
        _ message: Message, _ tenant: Tenant, _ credential: Credential, _ today: (day: String, month: String),
        _ recipients: Int64, _ news: Int64
    ) -> [Broken] {
        var broken: [Broken] = []
        let offered = Int64(message.to.count)
        func check(_ limit: String, _ verdict: String, _ cap: Int64?, used: Int64, adds: Int64) {
            if let cap, used + adds > cap {
                broken.append(Broken(limit: limit, verdict: verdict, cap: cap, used: used))
            }
        }
        let isTest = credential.isTest
        let day = isTest ? "test" : "day"
        let mine = counter(message.tenant, "", day, today.day)
        let own = counter(message.tenant, message.credential, day, today.day)
        let isRolling = tenant.isRolling && !isTest
        check(
            "daily", "cap_daily", tenant.caps.daily, used: isRolling ? rolling(tenant) : mine.recipients,
            adds: recipients)
        check("credential_daily", "cap_credential_daily", credential.caps.daily, used: own.recipients, adds: recipients)
        check("bytes_daily", "cap_bytes_daily", tenant.caps.bytes, used: mine.bytes, adds: message.size)
        check(
            "credential_bytes_daily", "cap_credential_bytes_daily", credential.caps.bytes, used: own.bytes,
            adds: message.size)
        // A message is measured alone, and the refusal names what it measured.
        func measure(_ verdict: String, _ size: Int64, _ limits: [(name: String, cap: Int64?)]) {
            let least = limits.compactMap(\.cap).min() ?? .max
            guard size > least else { return }
            for limit in limits where limit.cap == least {
                broken.append(Broken(limit: limit.name, verdict: verdict, cap: least, used: size))
            }
        }
        measure(
            "message_size", message.size,
            [
                ("message_size", tenant.caps.size), ("credential_message_size", credential.caps.size),
                ("bytes_daily", tenant.caps.bytes), ("credential_bytes_daily", credential.caps.bytes),
            ])
        measure(
            "too_many_recipients", offered,
            [
                ("recipients_per_message", tenant.caps.recipients),
                ("credential_recipients_per_message", credential.caps.recipients),
            ])
        // Nobody is left whom a cap could refuse.
        if recipients == 0 { return broken.filter { ["message_size", "too_many_recipients"].contains($0.verdict) } }
        check(
            "credential_monthly", "cap_credential_monthly", credential.caps.monthly,
            used: month(message.tenant, message.credential, day, today.month), adds: recipients)
        func pace(_ limit: String, _ rate: Rate?, _ bucket: Bucket) {
            guard let rate else { return }
            let debt = bucket.drained(at: now, rate: rate.rate)
            if debt > 0, debt + recipients * Bucket.recipient > rate.burst * Bucket.recipient {
                let used = (debt + Bucket.recipient - 1) / Bucket.recipient
                broken.append(Broken(limit: limit, verdict: limit, cap: rate.rate, used: used))
            }
        }
        pace("credential_rate", credential.caps.rate, credential.bucket)
        // The tenant's others do not hold for what nobody is sent.
        guard !isTest else { return broken }
        pace("rate", tenant.caps.rate, tenant.bucket)
        check(
            "monthly", "cap_monthly", tenant.caps.monthly,
            used: counter(message.tenant, "", "month", today.month).recipients, adds: recipients)
        if news > 0 {
            check("first_time_daily", "cap_first_time", tenant.firstTime, used: mine.firstTime, adds: news)
        }
        return broken
    }

    // MARK: Counting

    private mutating func take(
        _ message: Message, _ id: String, _ today: (day: String, month: String), _ key: String?, _ news: Int64
    ) {
        let isTest = credentials[message.credential]?.isTest ?? false
        let left = left(message)
        let recipients = Int64(left.count)
        let cost = Counter(recipients: recipients, messages: 1, bytes: message.size, firstTime: isTest ? 0 : news)
        if let key { recent[key] = Recent(id: id, at: now) }
        let hour = now / 3_600_000_000
        let state: State = isTest ? .cancelled : message.owner.map { .leased($0) } ?? .free
        stored[id] = Stored(
            tenant: message.tenant, credential: message.credential, day: today.day, month: today.month, hour: hour,
            recipients: message.to.map { left.contains($0) ? state : .dropped }, key: key)
        if var credential = credentials[message.credential], let rate = credential.caps.rate {
            let debt = credential.bucket.drained(at: now, rate: rate.rate)
            credential.bucket = Bucket(debt: debt + recipients * Bucket.recipient, at: now)
            credentials[message.credential] = credential
        }
        guard !isTest else {
            for credential in ["", message.credential] { charge(message.tenant, credential, "test", today.day, cost) }
            return
        }
        charge(message.tenant, "", "day", today.day, cost)
        charge(message.tenant, "", "month", today.month, cost)
        charge(message.tenant, message.credential, "day", today.day, cost)
        guard var tenant = tenants[message.tenant] else { return }
        tenant.hours[hour, default: 0] += recipients
        if let rate = tenant.caps.rate {
            let debt = tenant.bucket.drained(at: now, rate: rate.rate)
            tenant.bucket = Bucket(debt: debt + recipients * Bucket.recipient, at: now)
        }
        if tenant.firstTime != nil { for address in left { tenant.known[address] = utcDay } }
        tenants[message.tenant] = tenant
    }

    private mutating func charge(
        _ tenant: String, _ credential: String, _ period: String, _ starts: String, _ cost: Counter
    ) {
        usage[Row(tenant: tenant, credential: credential, period: period, starts: starts), default: Counter()].add(cost)
    }

    /// Recipients back, to the day, month, hour and credential that paid.
    mutating func refund(_ message: Stored, _ recipients: Int64) {
        let back = Counter(recipients: -recipients)
        charge(message.tenant, "", "day", message.day, back)
        charge(message.tenant, "", "month", message.month, back)
        charge(message.tenant, message.credential, "day", message.day, back)
        tenants[message.tenant]?.hours[message.hour, default: 0] -= recipients
    }

    private func counter(_ tenant: String, _ credential: String, _ period: String, _ starts: String) -> Counter {
        usage[Row(tenant: tenant, credential: credential, period: period, starts: starts)] ?? Counter()
    }

    private func month(_ tenant: String, _ credential: String, _ period: String, _ month: String) -> Int64 {
        let rows = usage.filter {
            $0.key.tenant == tenant && $0.key.credential == credential && $0.key.period == period
                && $0.key.starts.hasPrefix(month.prefix(7))
        }
        return rows.values.reduce(0) { $0 + $1.recipients }
    }

    /// 25 UTC hour buckets.
    private func rolling(_ tenant: Tenant) -> Int64 {
        tenant.hours.reduce(0) { $1.key >= now / 3_600_000_000 - 24 ? $0 + $1.value : $0 }
    }

    private var utcDay: Int64 { now / 86_400_000_000 }

    private func newcomers(_ addresses: [String], _ tenant: Tenant) -> Int64 {
        guard tenant.firstTime != nil else { return 0 }
        return Int64(addresses.count { (tenant.known[$0] ?? .min) < utcDay - 90 })
    }

    /// What the smallest cap in recipients has left, after a message was taken.
    private func rest(_ message: Message, _ today: (day: String, month: String)) -> Int64? {
        guard let tenant = tenants[message.tenant], let credential = credentials[message.credential] else { return nil }
        let day = credential.isTest ? "test" : "day"
        let used = counter(message.tenant, "", day, today.day).recipients
        var rests: [Int64?] = [
            tenant.caps.daily.map { $0 - (tenant.isRolling && !credential.isTest ? rolling(tenant) : used) },
            credential.caps.daily.map { $0 - counter(message.tenant, message.credential, day, today.day).recipients },
        ]
        rests.append(credential.caps.monthly.map { $0 - month(message.tenant, message.credential, day, today.month) })
        if !credential.isTest {
            rests.append(
                tenant.caps.monthly.map { $0 - counter(message.tenant, "", "month", today.month).recipients })
        }
        return rests.compactMap { $0 }.min()
    }

    // MARK: What operators and forwarders do

    /// All of a message's recipients taken back; what is under way is only marked.
    mutating func cancel(_ id: String) {
        guard var message = stored[id] else { return }
        var refunded: Int64 = 0
        for number in message.recipients.indices {
            switch message.recipients[number] {
            case .free, .markedFree:
                message.recipients[number] = .cancelled
                refunded += 1
            case .leased(let owner): message.recipients[number] = .marked(owner)
            case .marked, .delivered, .bounced, .cancelled, .dropped: break
            }
        }
        stored[id] = message
        refund(message, refunded)
        // Sent again, it is new mail.
        if let key = message.key, recent[key]?.id == id { recent[key] = nil }
    }

    /// What became of a recipient that an owner had. Marked and not delivered, it waits for upkeep.
    mutating func settle(_ id: String, _ number: Int, _ outcome: String) {
        guard let state = stored[id]?.recipients[number] else { return }
        var isMarked = false
        if case .marked = state { isMarked = true }
        let after: State =
            switch outcome {
            case "delivered": .delivered
            case "bounced": .bounced
            default: isMarked ? .markedFree : .free
            }
        stored[id]?.recipients[number] = after
    }

    /// Upkeep finishes and refunds what was marked and is free now.
    mutating func upkeep() -> Int64 {
        var all: Int64 = 0
        for (id, message) in stored {
            let count = Int64(message.recipients.count { $0 == .markedFree })
            guard count > 0 else { continue }
            stored[id]?.recipients = message.recipients.map { $0 == .markedFree ? .cancelled : $0 }
            refund(message, count)
            all += count
        }
        return all
    }

    /// A new rate drains what the old one left; none forgets it.
    mutating func setRate(_ tenant: String, _ rate: Rate?) {
        guard let old = tenants[tenant]?.caps.rate else {
            tenants[tenant]?.caps.rate = rate
            return
        }
        if rate?.rate != old.rate, let bucket = tenants[tenant]?.bucket {
            tenants[tenant]?.bucket = Bucket(debt: rate == nil ? 0 : bucket.drained(at: now, rate: old.rate), at: now)
        }
        tenants[tenant]?.caps.rate = rate
    }
}
