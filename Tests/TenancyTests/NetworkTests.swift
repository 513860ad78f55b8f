import Testing

@testable import Tenancy

@Suite struct `A network` {
    @Test(arguments: [
        ("192.0.2.0/24", "192.0.2.255", true), ("192.0.2.0/24", "192.0.3.0", false), ("192.0.2.7", "192.0.2.7", true),
        ("192.0.2.7", "192.0.2.8", false), ("0.0.0.0/0", "203.0.113.9", true), ("0.0.0.0/0", "::1", false),
        ("192.0.2.128/25", "192.0.2.127", false), ("2001:db8::/32", "2001:db8:ffff::1", true),
        ("2001:db8::/33", "2001:db8:8000::1", false), ("192.0.2.0/24", "::ffff:192.0.2.1", true),
        ("192.0.2.0/24", "192.0.2.1%eth0", false), ("192.0.2.0/24", "", false),
    ])
    func `holds the addresses of its prefix`(network: String, address: String, isIn: Bool) throws {
        let network = try Network(parsing: network)
        #expect((Network.octets(of: address).map(network.contains) ?? false) == isIn)
    }

    @Test(arguments: ["", "192.0.2.1/24", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/-1", "192.0.2/24", "::/129", "a/8"])
    func `is refused where it is none`(text: String) {
        #expect(throws: Network.ParsingError.self) { try Network(parsing: text) }
    }
}
