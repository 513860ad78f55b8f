/// Where questions go: an address, never a name, and its port.
package struct NameServer: Sendable, Hashable, CustomStringConvertible {
    package var address: String
    package var port: Int

    package init(address: String, port: Int = 53) {
        self.address = address
        self.port = port
    }

    /// As libunbound takes it.
    package var description: String { "\(address)@\(port)" }
}

/// Why the servers of a name could not be asked at all.
package enum DNSError: Error, Sendable, Hashable, CustomStringConvertible {
    /// libunbound could not be set up.
    case setUp(String)
    /// No name above it has NS records that could be had.
    case noZone(String)
    /// The zone's servers have no addresses that could be had.
    case noServers(zone: String)

    package var description: String {
        switch self {
        case .setUp(let reason): "the resolver could not be set up: \(reason)"
        case .noZone(let name): "no name servers were found for \(name), nor for any name above it"
        case .noServers(let zone): "the name servers of \(zone) have no addresses that could be found"
        }
    }
}

/// What became of one question.
package enum DNSAnswer: Sendable, Hashable {
    /// The records' data, in the order they came.
    case records([[UInt8]])
    /// The name is there and has none of these.
    case noRecord
    case noSuchName
    /// No answer that counts: `timed out`, `SERVFAIL`, …
    case failed(String)
}
