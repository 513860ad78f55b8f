internal import Glibc

/// An IP address as its 4 or 16 octets. An IPv4 address that came through IPv6 (`::ffff:192.0.2.1`) stays as it is
/// here and counts as IPv4 in `group`.
package struct AddressOctets: Sendable, Hashable {
    package let octets: [UInt8]

    /// - Parameter octets: 4 or 16.
    package init(octets: [UInt8]) {
        precondition(octets.count == 4 || octets.count == 16, "no address has \(octets.count) octets")
        self.octets = octets
    }

    package init?(_ text: String) {
        var four = [UInt8](repeating: 0, count: 4)
        var sixteen = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &four) == 1 {
            octets = four
        } else if inet_pton(AF_INET6, text, &sixteen) == 1 {
            octets = sixteen
        } else {
            return nil
        }
    }

    package var text: String {
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = octets.count == 4 ? AF_INET : AF_INET6
        guard inet_ntop(family, octets, &buffer, socklen_t(buffer.count)) != nil else { return "unknown" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// What one customer or one attacker has: an IPv4 address, or the 64 bits of an IPv6 network.
    package var group: AddressGroup {
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
        let own = octets.starts(with: mapped) ? Array(octets[12...]) : octets
        return AddressGroup(octets: own.count == 4 ? own : Array(own.prefix(8)))
    }
}

/// Addresses that count as one: see `AddressOctets.group`.
package struct AddressGroup: Sendable, Hashable {
    package let octets: [UInt8]
    init(octets: [UInt8]) { self.octets = octets }

    /// Of an address as text; what is none shares one group.
    package init(_ text: String) { self = AddressOctets(text)?.group ?? AddressGroup(octets: []) }
}
