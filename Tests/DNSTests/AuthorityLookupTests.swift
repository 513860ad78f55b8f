import Foundation
import TestSupport
import Testing

@testable import DNS

/// Real name servers (nsd) on loopback, authoritative for `acme.example`.
@Suite(.timeLimit(.minutes(10))) struct AuthorityLookupTests {
    @Test func `each of a zone's own servers is asked, and each says what it has`() async throws {
        let port = FreePort.find()
        let zone = """
            @ 60 IN SOA ns1 hostmaster 1 60 60 60 60
            @ 60 IN NS ns1
            @ 60 IN NS ns2
            ns1 60 IN A 127.0.0.1
            ns2 60 IN A 127.0.0.2
            """
        let first = try NameServerProcess(
            "127.0.0.1", port, zone + "\n_gatepost 60 IN TXT \"gatepost-verify=\" \"abc\"\n_gatepost 60 IN TXT \"x\"\n")
        let second = try NameServerProcess("127.0.0.2", port, zone + "\n")
        defer {
            first.stop()
            second.stop()
        }
        let lookup = AuthorityLookup(
            resolvers: [NameServer(address: "127.0.0.1", port: port)], port: port, patience: .seconds(5))
        #expect(
            await eventually { await isUp(lookup) }, "\(first.log)")
        let report = try await lookup.texts(of: "_gatepost.acme.example")
        #expect(report.zone == "acme.example")
        #expect(report.sightings.map(\.server) == ["ns1.acme.example", "ns2.acme.example"])
        #expect(report.sightings.map(\.address) == ["127.0.0.1", "127.0.0.2"])
        guard case .texts(let texts) = report.sightings[0].answer else {
            Issue.record("\(report)")
            return
        }
        #expect(Set(texts) == ["gatepost-verify=abc", "x"])
        #expect(report.sightings[1].answer == .noSuchName)
    }

    @Test func `a server that does not answer ends in time, and is told apart`() async throws {
        let port = FreePort.find()
        let first = try NameServerProcess(
            "127.0.0.1", port,
            """
            @ 60 IN SOA ns1 hostmaster 1 60 60 60 60
            @ 60 IN NS ns1
            @ 60 IN NS gone
            ns1 60 IN A 127.0.0.1
            gone 60 IN A 127.0.0.3
            _gatepost 60 IN TXT "gatepost-verify=abc"

            """)
        defer { first.stop() }
        let resolvers = [NameServer(address: "127.0.0.1", port: port)]
        let patient = AuthorityLookup(resolvers: resolvers, port: port)
        #expect(
            await eventually { await isUp(patient) }, "\(first.log)")
        let begun = ContinuousClock.now
        let report = try await AuthorityLookup(resolvers: resolvers, port: port, patience: .milliseconds(1500))
            .texts(of: "_gatepost.acme.example")
        #expect(ContinuousClock.now - begun < .seconds(15))
        #expect(report.sightings.first { $0.address == "127.0.0.1" }?.answer == .texts(["gatepost-verify=abc"]))
        guard case .failed = report.sightings.first(where: { $0.address == "127.0.0.3" })?.answer else {
            Issue.record("\(report)")
            return
        }
    }

    @Test func `a name without a zone is an error, in words`() async throws {
        let lookup = AuthorityLookup(
            resolvers: [NameServer(address: "127.0.0.1", port: FreePort.find())], port: 1,
            patience: .milliseconds(300))
        await #expect(throws: DNSError.noZone("_gatepost.acme.example")) {
            try await lookup.texts(of: "_gatepost.acme.example")
        }
    }

    @Test(arguments: [
        ([3, 0x61, 0x62, 0x63, 0], "abc"), ([1, 0x41, 2, 0x62, 0x2D, 0], "a.b-"), ([0], nil),
        ([1, 0x1B, 0], nil), ([5, 0x61], nil),
    ])
    func `names come from the wire plain or not at all`(data: [UInt8], name: String?) {
        #expect(Wire.name(data) == name)
    }
}

/// Whether the zone's first server answers for it.
private func isUp(_ lookup: AuthorityLookup) async -> Bool {
    guard let report = try? await lookup.texts(of: "ns1.acme.example") else { return false }
    return report.sightings.contains { $0.address == "127.0.0.1" && $0.answer == .noRecord }
}
