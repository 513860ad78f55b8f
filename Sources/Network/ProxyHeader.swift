package import NIOCore

/// The header by which a load balancer says whom it speaks for: HAProxy's PROXY protocol, versions 1 and 2.
///
/// It comes before anything else on the connection, TLS included. Pure: bytes in, a header or a fault out.
package struct ProxyHeader: Sendable, Hashable {
    package enum Origin: Sendable, Hashable {
        /// The client behind the balancer.
        case client(address: String, port: Int)
        /// The balancer speaks for itself (a health check: LOCAL, UNKNOWN), or for a client without an IP address.
        case balancer
    }

    package let origin: Origin

    /// Why what came is no header; for the log.
    package struct Fault: Error, Sendable, Hashable, CustomStringConvertible {
        package let description: String
    }

    /// The longest line of version 1, with CRLF.
    static let longestLine = 107
    /// What a header of version 2 may take with its TLVs. The specification asks senders to stay within 536.
    static let longestBinary = 536
    private static let signature: [UInt8] = [
        0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
    ]

    /// Takes the header off the head of `buffer`. Nil: more octets are needed.
    package static func read(_ buffer: inout ByteBuffer) throws(Fault) -> ProxyHeader? {
        let bytes = buffer.readableBytesView.prefix(max(longestLine, longestBinary))
        guard let first = bytes.first else { return nil }
        if first == signature[0] { return try readBinary(&buffer) }
        return try readLine(&buffer)
    }

    // MARK: Version 1

    /// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 587` CRLF
    private static func readLine(_ buffer: inout ByteBuffer) throws(Fault) -> ProxyHeader? {
        let bytes = Array(buffer.readableBytesView.prefix(longestLine))
        guard zip(bytes, "PROXY ".utf8).allSatisfy({ $0 == $1 }) else {
            throw Fault(description: "the connection does not begin with a PROXY header")
        }
        guard let end = bytes.indices.dropFirst().first(where: { bytes[$0] == 0x0a && bytes[$0 - 1] == 0x0d }) else {
            guard bytes.count < longestLine else { throw Fault(description: "the PROXY line has no end") }
            return nil
        }
        buffer.moveReaderIndex(forwardBy: end + 1)
        let words = String(decoding: bytes[..<(end - 1)], as: UTF8.self)
            .split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        if words.count >= 2, words[1] == "UNKNOWN" { return ProxyHeader(origin: .balancer) }
        guard words.count == 6, words[1] == "TCP4" || words[1] == "TCP6" else {
            throw Fault(description: "the PROXY line is malformed")
        }
        guard let source = AddressOctets(words[2]), let destination = AddressOctets(words[3]),
            source.octets.count == (words[1] == "TCP4" ? 4 : 16), destination.octets.count == source.octets.count,
            let port = self.port(words[4]), self.port(words[5]) != nil
        else { throw Fault(description: "an address or port of the PROXY line is malformed") }
        return ProxyHeader(origin: .client(address: source.text, port: port))
    }

    private static func port(_ text: String) -> Int? {
        guard (1...5).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            text == "0" || text.first != "0", let port = Int(text), port <= 65_535
        else { return nil }
        return port
    }

    // MARK: Version 2

    /// 12 octets of signature, version and command, family and protocol, length (2), addresses, TLVs.
    private static func readBinary(_ buffer: inout ByteBuffer) throws(Fault) -> ProxyHeader? {
        let bytes = Array(buffer.readableBytesView.prefix(longestBinary))
        guard zip(bytes, signature).allSatisfy({ $0 == $1 }) else {
            throw Fault(description: "the signature of the PROXY header is wrong")
        }
        guard bytes.count >= 16 else { return nil }
        guard bytes[12] >> 4 == 2 else { throw Fault(description: "the PROXY header's version is not 2") }
        let length = Int(bytes[14]) << 8 | Int(bytes[15])
        guard 16 + length <= longestBinary else { throw Fault(description: "the PROXY header is too long") }
        guard bytes.count >= 16 + length else { return nil }
        buffer.moveReaderIndex(forwardBy: 16 + length)
        switch bytes[12] & 0x0f {
        case 0: return ProxyHeader(origin: .balancer)  // LOCAL
        case 1: break
        default: throw Fault(description: "the PROXY header's command is unknown")
        }
        let addressLength: Int
        switch bytes[13] {
        case 0x11: addressLength = 4  // TCP over IPv4
        case 0x21: addressLength = 16  // TCP over IPv6
        case 0x00, 0x31, 0x32: return ProxyHeader(origin: .balancer)  // unspecified, UNIX
        default: throw Fault(description: "the PROXY header's family is not TCP")
        }
        guard length >= 2 * addressLength + 4 else {
            throw Fault(description: "the PROXY header is too short for its addresses")
        }
        // TLVs follow and say nothing that counts here.
        let source = AddressOctets(octets: Array(bytes[16..<(16 + addressLength)]))
        let portAt = 16 + 2 * addressLength
        let port = Int(bytes[portAt]) << 8 | Int(bytes[portAt + 1])
        return ProxyHeader(origin: .client(address: source.text, port: port))
    }
}
