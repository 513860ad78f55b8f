/// Who may come in: connections of a node, and those of one address. Pure counts.
///
/// The limit for one address is for those on whom nobody has logged in yet: a customer's hundred workers behind one
/// address are let in as they log in, and one that floods is stopped. A part of all is kept for addresses from which
/// somebody has logged in before, so that strangers cannot fill the house.
package struct ConnectionLimits: Sendable {
    package struct Figures: Sendable, Hashable {
        package var connections: Int
        package var perAddress: Int

        package init(connections: Int, perAddress: Int) {
            self.connections = connections
            self.perAddress = perAddress
        }
    }

    package enum Verdict: Sendable, Hashable {
        case admitted
        case tooManyFromAddress
        case tooMany
    }

    package var figures: Figures
    package private(set) var connections = 0
    private var waiting: [AddressGroup: Int] = [:]

    package init(_ figures: Figures) { self.figures = figures }

    /// - Parameters:
    ///   - room: how many connections there can be, whatever the figures say (``DescriptorRoom``).
    ///   - isLimitedAlone: the limit for one address holds for this one.
    package mutating func enter(
        from address: AddressGroup, isKnown: Bool, room: Int = .max, isLimitedAlone: Bool = true
    ) -> Verdict {
        let mine = waiting[address, default: 0]
        if isLimitedAlone, mine >= figures.perAddress { return .tooManyFromAddress }
        let most = min(figures.connections, room)
        if connections >= (isKnown ? most : most - most / 10) { return .tooMany }
        connections += 1
        waiting[address] = mine + 1
        return .admitted
    }

    /// Somebody has logged in: the connection counts among all of them only.
    package mutating func authenticated(from address: AddressGroup) {
        guard let mine = waiting[address] else { return }
        waiting[address] = mine > 1 ? mine - 1 : nil
    }

    package mutating func leave(from address: AddressGroup, wasAuthenticated: Bool) {
        connections -= 1
        if !wasAuthenticated { authenticated(from: address) }
    }

    /// How many addresses are counted just now. For tests: what has left must not be remembered.
    package var countedAddresses: Int { waiting.count }
}
