import FuzzSupport
import NIOCore

@testable import Network

extension FuzzTarget {
    /// The header of a load balancer, whole and as it arrives.
    static let proxy = FuzzTarget(name: "proxy", longest: 128) { octets throws(Violation) in
        func read(_ count: Int) -> (Result<ProxyHeader?, ProxyHeader.Fault>, left: Int) {
            let all = ByteBuffer(bytes: octets)
            guard var buffer = all.getSlice(at: 0, length: count) else { return (.success(nil), 0) }
            let result = Result<ProxyHeader?, ProxyHeader.Fault> { () throws(ProxyHeader.Fault) in
                try ProxyHeader.read(&buffer)
            }
            return (result, buffer.readableBytes)
        }
        let (whole, left) = read(octets.count)
        let taken = octets.count - left
        for count in [octets.count / 2, max(0, taken - 1), taken] {
            let (part, left) = read(count)
            switch (part, whole) {
            case (.success(nil), _): try demand(left == count, "an unfinished header is taken")
            case (.success(let one), .success(let other)): try demand(one == other, "cut, it is another header")
            case (.failure, .failure): break
            case (.success, .failure), (.failure, .success): throw Violation("cut, it is a fault or none")
            }
        }
        guard case .success(let header?) = whole else { return }
        try demand(taken <= max(ProxyHeader.longestLine, ProxyHeader.longestBinary), "a header of \(taken) octets")
        guard case .client(let address, let port) = header.origin else { return }
        let kind = address.contains(":") ? "TCP6" : "TCP4"
        let other = address.contains(":") ? "::1" : "192.0.2.1"
        var again = ByteBuffer(string: "PROXY \(kind) \(address) \(other) \(port) 587\r\n")
        try demand(
            (try? ProxyHeader.read(&again))?.origin == header.origin, "\(address) \(port) is not read as written")
    }
}
