import NIOCore
import Network
import Testing

/// THREATS §3, §7: who a client is, by the word of a listed balancer and of nobody else.
@Suite struct ProxyHeaderTests {
    private static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10]

    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let octets: [UInt8]
        /// Address and port; "balancer"; or "fault".
        let result: String
        var testDescription: String { name }

        init(_ name: String, _ octets: [UInt8], _ result: String) {
            self.name = name
            self.octets = octets
            self.result = result
        }

        init(line: String, _ result: String) { self.init(line, Array(line.utf8), result) }

        /// Version 2.
        init(
            _ name: String, command: UInt8 = 0x21, family: UInt8, _ payload: [UInt8], length: Int? = nil,
            _ result: String
        ) {
            let length = length ?? payload.count
            self.init(
                name,
                ProxyHeaderTests.signature + [command, family, UInt8(length >> 8), UInt8(length & 255)] + payload,
                result)
        }
    }

    private static let four: [UInt8] = [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0x02, 0x4b]
    private static let six: [UInt8] =
        [0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [1] + [UInt8](repeating: 0, count: 16) + [
            0, 25, 1, 209,
        ]

    static let cases: [Case] = [
        Case(line: "PROXY TCP4 192.0.2.1 198.51.100.1 56324 587\r\n", "192.0.2.1 56324"),
        Case(line: "PROXY TCP6 2001:db8::1 2001:db8::2 1 465\r\n", "2001:db8::1 1"),
        Case(line: "PROXY UNKNOWN\r\n", "balancer"),
        Case(line: "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "balancer"),
        Case(line: "PROXY TCP4 192.0.2.1 198.51.100.1 65536 587\r\n", "fault"),
        Case(line: "PROXY TCP4 192.0.2.1 198.51.100.1 01 587\r\n", "fault"),
        Case(line: "PROXY TCP4 192.0.2.300 198.51.100.1 1 587\r\n", "fault"),
        Case(line: "PROXY TCP4 2001:db8::1 2001:db8::2 1 465\r\n", "fault"),
        Case(line: "PROXY TCP4 192.0.2.1  198.51.100.1 1 587\r\n", "fault"),
        Case(line: "PROXY TCP4 192.0.2.1 198.51.100.1 1 587\n", "more"),
        Case(line: "PROXY " + String(repeating: "x", count: 101), "fault"),
        Case(line: "EHLO mallory\r\n", "fault"),
        Case("a TLS hello", [0x16, 3, 1, 2, 0], "fault"),
        Case("v2 IPv4", family: 0x11, four, "192.0.2.7 56324"),
        Case("v2 IPv4 with TLVs", family: 0x11, four + [4, 0, 3, 1, 2, 3], "192.0.2.7 56324"),
        Case("v2 IPv6", family: 0x21, six, "2001:db8::1 25"),
        Case("v2 LOCAL", command: 0x20, family: 0x00, [], "balancer"),
        Case("v2 LOCAL with addresses", command: 0x20, family: 0x11, four, "balancer"),
        Case("v2 UNIX", family: 0x31, [UInt8](repeating: 0, count: 216), "balancer"),
        Case("v2 unspecified", family: 0x00, [], "balancer"),
        Case("v2 UDP", family: 0x12, four, "fault"),
        Case("v2 too short for its addresses", family: 0x11, Array(four.dropLast()), "fault"),
        Case("v2 longer than 536", family: 0x11, [], length: 521, "fault"),
        Case("v2 of version 3", command: 0x31, family: 0x11, four, "fault"),
        Case("v2 with an unknown command", command: 0x22, family: 0x11, four, "fault"),
        Case("a broken signature", [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 11], "fault"),
    ]

    private func read(_ buffer: inout ByteBuffer) -> String {
        do throws(ProxyHeader.Fault) {
            switch try ProxyHeader.read(&buffer)?.origin {
            case nil: return "more"
            case .balancer?: return "balancer"
            case .client(let address, let port)?: return "\(address) \(port)"
            }
        } catch { return "fault" }
    }

    @Test(arguments: cases) func `a header is read whole, and what follows is left alone`(_ one: Case) {
        var buffer = ByteBuffer(bytes: one.octets + Array("EHLO".utf8))
        if one.result == "more" { buffer = ByteBuffer(bytes: one.octets) }
        #expect(read(&buffer) == one.result)
        if one.result != "fault", one.result != "more" { #expect(String(buffer: buffer) == "EHLO") }
    }

    @Test(arguments: cases) func `octet by octet it comes to the same`(_ one: Case) {
        var buffer = ByteBuffer()
        var result = "more"
        for octet in one.octets {
            buffer.writeInteger(octet)
            result = read(&buffer)
            if result != "more" { break }
        }
        #expect(result == one.result)
    }
}
