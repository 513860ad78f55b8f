/// The parts of one batch that are still to be sent, each in a call of its own.
struct Parts {
    struct Part {
        var items: [AcceptItem]
        var attempts = 0
    }

    private var waiting: [Part]
    /// How often one part may be sent: stale ids, fences and deadlocks pass, and what does not must end.
    private static let maxAttempts = 8

    init(_ items: [AcceptItem]) { waiting = [Part(items: items)] }

    mutating func next() -> Part? { waiting.popLast() }

    mutating func rest() -> [Part] {
        defer { waiting = [] }
        return waiting
    }

    /// False when it has been tried often enough.
    mutating func again(_ part: Part) -> Bool {
        guard part.attempts < Self.maxAttempts else { return false }
        waiting.append(Part(items: part.items, attempts: part.attempts + 1))
        return true
    }

    /// In halves, the first half next: the one bad message is alone after a few calls, its neighbours are stored.
    mutating func apart(_ part: Part) {
        let middle = part.items.count / 2
        waiting.append(Part(items: Array(part.items[middle...])))
        waiting.append(Part(items: Array(part.items[..<middle])))
    }

    /// A call of its own for each tenant: only the one whose meter is held has to wait for it.
    mutating func byTenant(_ part: Part) {
        var order: [Int64] = []
        var tenants: [Int64: [AcceptItem]] = [:]
        for item in part.items {
            if tenants[item.request.tenantID] == nil { order.append(item.request.tenantID) }
            tenants[item.request.tenantID, default: []].append(item)
        }
        for tenant in order.reversed() { waiting.append(Part(items: tenants[tenant] ?? [])) }
    }
}
