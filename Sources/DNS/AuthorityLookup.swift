internal import Dispatch
internal import Glibc

/// Asks each of a zone's own servers for TXT records, so that no cache stands between what is published and what is seen.
///
/// The zone is found by walking up from the name until one has NS records (RFC 1034 §4.2). Every question has an end.
package struct AuthorityLookup: Sendable {
    /// What one server said.
    package struct Sighting: Sendable, Hashable {
        /// `ns1.example.com`.
        package var server: String
        package var address: String
        package var answer: Answer
    }

    package enum Answer: Sendable, Hashable {
        /// Each record's strings joined; what is not UTF-8 is replaced.
        case texts([String])
        case noRecord, noSuchName
        case failed(String)
    }

    package struct Report: Sendable, Hashable {
        package var zone: String
        package var sightings: [Sighting]
    }

    /// Who is asked for NS records and addresses; empty: the system's resolvers.
    package var resolvers: [NameServer]
    /// Where authoritative servers answer: 53 but in tests and labs.
    package var port: Int
    /// Of one question.
    package var patience: Duration
    /// Servers are many, addresses more: no more than these are asked.
    private static let mostAddresses = 16

    package init(resolvers: [NameServer] = [], port: Int = 53, patience: Duration = .seconds(5)) {
        self.resolvers = resolvers
        self.port = port
        self.patience = patience
    }

    /// - Parameter name: of A-labels, without the last dot.
    package func texts(of name: String) async throws(DNSError) -> Report {
        // libunbound waits in poll: on a thread of its own, never on one that others share.
        let result: Result<Report, DNSError> = await withCheckedContinuation { continuation in
            DispatchQueue(label: "gatepost.dns").async {
                do throws(DNSError) {
                    continuation.resume(returning: .success(try ask(name)))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }

    private func ask(_ name: String) throws(DNSError) -> Report {
        let resolver = try Unbound(resolvers: resolvers)
        let (zone, servers) = try findZone(of: name, resolver)
        var sightings: [Sighting] = []
        for server in servers {
            for address in addresses(of: server, resolver) where sightings.count < Self.mostAddresses {
                let authority = try Unbound(resolvers: resolvers)
                try authority.ask(NameServer(address: address, port: port), about: zone)
                let answer = Answer(authority.resolve(name, .txt, patience: patience))
                sightings.append(Sighting(server: server, address: address, answer: answer))
            }
        }
        guard !sightings.isEmpty else { throw .noServers(zone: zone) }
        return Report(zone: zone, sightings: sightings)
    }

    private func findZone(of name: String, _ resolver: Unbound) throws(DNSError) -> (zone: String, servers: [String]) {
        var zone = name[...]
        while !zone.isEmpty {
            if case .records(let records) = resolver.resolve(String(zone), .ns, patience: patience) {
                let servers = Set(records.compactMap(Wire.name)).sorted()
                if !servers.isEmpty { return (String(zone), servers) }
            }
            guard let dot = zone.firstIndex(of: ".") else { break }
            zone = zone[zone.index(after: dot)...]
        }
        throw .noZone(name)
    }

    private func addresses(of server: String, _ resolver: Unbound) -> [String] {
        var addresses: [String] = []
        for record in [Unbound.Record.a, .aaaa] {
            guard case .records(let records) = resolver.resolve(server, record, patience: patience) else { continue }
            addresses += records.compactMap(Wire.address)
        }
        return addresses
    }
}

extension AuthorityLookup.Answer {
    init(_ answer: DNSAnswer) {
        self =
            switch answer {
            case .records(let records): .texts(records.map(Wire.text))
            case .noRecord: .noRecord
            case .noSuchName: .noSuchName
            case .failed(let reason): .failed(reason)
            }
    }
}

/// Records' data as it stands in a message (RFC 1035 §3.3, 3596 §2.2).
enum Wire {
    /// `<character-string>`s, joined: TXT.
    static func text(_ data: [UInt8]) -> String {
        var octets: [UInt8] = []
        var rest = data[...]
        while let length = rest.first {
            octets += rest.dropFirst().prefix(Int(length))
            rest = rest.dropFirst(Int(length) + 1)
        }
        return String(decoding: octets, as: UTF8.self)
    }

    /// An uncompressed domain name; nil where it is none, or holds what no host name does.
    static func name(_ data: [UInt8]) -> String? {
        var labels: [String] = []
        var rest = data[...]
        while let length = rest.first, length > 0 {
            let label = rest.dropFirst().prefix(Int(length))
            let isPlain = label.allSatisfy { octet in
                UInt8(ascii: "a")...UInt8(ascii: "z") ~= octet | 0x20 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= octet
                    || octet == UInt8(ascii: "-") || octet == UInt8(ascii: "_")
            }
            guard length < 64, label.count == length, isPlain else { return nil }
            labels.append(String(decoding: label, as: UTF8.self).lowercased())
            rest = rest.dropFirst(Int(length) + 1)
        }
        return labels.isEmpty ? nil : labels.joined(separator: ".")
    }

    /// An address of 4 or 16 octets.
    static func address(_ data: [UInt8]) -> String? {
        guard data.count == 4 || data.count == 16 else { return nil }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = data.count == 4 ? AF_INET : AF_INET6
        guard inet_ntop(family, data, &text, socklen_t(text.count)) != nil else { return nil }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
