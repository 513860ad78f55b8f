internal import Cryptography

/// Why a message is none that we take; for the log.
struct SCRAMFault: Error {
    let reason: String
}

/// The client's first message (RFC 5802 §7), held to the letter and to this server's rules. libsasl2 reads it again.
///
///     client-first-message = gs2-header client-first-message-bare
///     gs2-header           = gs2-cbind-flag "," [ authzid ] ","
///     client-first-message-bare = [reserved-mext ","] username "," nonce ["," extensions]
struct SCRAMClientFirst {
    /// libscram takes 2,048; nothing honest is a quarter of it.
    static let longest = 1_500

    let gs2Header: [UInt8]
    let name: LoginName
    let nonce: [UInt8]
    /// What the exchange is bound to, by the client's word: with -PLUS always, else never.
    let binding: ChannelBindings.Kind?
    private let octets: [UInt8]
    private let flag: [UInt8]

    /// `isPlus`: the mechanism's name. `bindings`: what is there; where there is one, -PLUS was offered.
    init(parsing octets: [UInt8], isPlus: Bool, bindings: ChannelBindings) throws(SCRAMFault) {
        self.octets = octets
        guard octets.count <= Self.longest else { throw SCRAMFault(reason: "client-first is too long") }
        let parts = octets.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        guard parts.count >= 4 else { throw SCRAMFault(reason: "client-first has too few parts") }
        guard parts.count == 4 else { throw SCRAMFault(reason: "client-first has extensions") }
        flag = Array(parts[0])
        binding = try Self.binding(flag: flag, isPlus: isPlus, bindings: bindings)
        gs2Header = Array(octets[..<parts[2].startIndex])

        guard parts[2].starts(with: "n=".utf8) else { throw SCRAMFault(reason: "client-first names no user") }
        let user = try Self.decode(name: parts[2].dropFirst(2))
        if !parts[1].isEmpty {
            guard parts[1].starts(with: "a=".utf8) else { throw SCRAMFault(reason: "gs2-header is none") }
            guard try Self.decode(name: parts[1].dropFirst(2)) == user else {
                throw SCRAMFault(reason: "the authorization identity is another's")
            }
        }
        name = LoginName(user)
        guard parts[3].starts(with: "r=".utf8) else { throw SCRAMFault(reason: "client-first has no nonce") }
        nonce = Array(parts[3].dropFirst(2))
        guard !nonce.isEmpty, nonce.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw SCRAMFault(reason: "the client's nonce is empty or not printable")
        }
    }

    /// What libsasl2 is given. An impossible name never reaches it: its stand-in takes the name's place, and makes the
    /// proof wrong whatever the client computed.
    var forLibrary: [UInt8] {
        name.isPossible ? octets : flag + Array(",,n=\(name.text),r=".utf8) + nonce
    }

    private static func binding(
        flag: [UInt8], isPlus: Bool, bindings: ChannelBindings
    ) throws(SCRAMFault) -> ChannelBindings.Kind? {
        let text = String(decoding: flag, as: UTF8.self)
        switch text {
        case "n":
            // libsasl2 2.1.28 takes this one.
            if isPlus { throw SCRAMFault(reason: "-PLUS without channel binding (n)") }
            return nil
        case "y":
            if isPlus { throw SCRAMFault(reason: "-PLUS without channel binding (y)") }
            if !bindings.isEmpty {
                throw SCRAMFault(reason: "downgrade: the client was not shown that -PLUS is offered (y)")
            }
            return nil
        default:
            guard text.hasPrefix("p="), let kind = ChannelBindings.Kind(rawValue: String(text.dropFirst(2))) else {
                throw SCRAMFault(reason: "an unknown channel binding, or no gs2-header")
            }
            if !isPlus { throw SCRAMFault(reason: "channel binding without -PLUS (p)") }
            guard bindings.data(of: kind) != nil else {
                throw SCRAMFault(reason: "this connection has no \(kind.rawValue)")
            }
            return kind
        }
    }

    /// saslname: `=2C` is a comma, `=3D` an equals sign, and no other equals sign is allowed.
    private static func decode(name: some Collection<UInt8>) throws(SCRAMFault) -> [UInt8] {
        guard !name.isEmpty else { throw SCRAMFault(reason: "an empty name") }
        var decoded: [UInt8] = []
        var rest = name[...]
        while let octet = rest.popFirst() {
            guard octet == UInt8(ascii: "=") else {
                decoded.append(octet)
                continue
            }
            switch Array(rest.prefix(2)) {
            case Array("2C".utf8): decoded.append(UInt8(ascii: ","))
            case Array("3D".utf8): decoded.append(UInt8(ascii: "="))
            default: throw SCRAMFault(reason: "a name with a bare equals sign")
            }
            rest = rest.dropFirst(2)
        }
        return decoded
    }
}

/// Judges the client's final message (RFC 5802 §7) before libsasl2 checks its proof.
///
///     client-final-message = channel-binding "," nonce ["," extensions] "," proof
func check(
    clientFinal octets: [UInt8], gs2Header: [UInt8], channelBinding: [UInt8], nonce: [UInt8]
) throws(SCRAMFault) {
    guard octets.count <= 2_000 else { throw SCRAMFault(reason: "client-final is too long") }
    let parts = octets.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].starts(with: "c=".utf8), parts[1].starts(with: "r=".utf8),
        parts[2].starts(with: "p=".utf8)
    else { throw SCRAMFault(reason: "client-final is none, or has extensions") }
    guard let binding = Base64.decode(parts[0].dropFirst(2)),
        constantTimeEquals(binding, gs2Header + channelBinding)
    else { throw SCRAMFault(reason: "the channel binding is not this connection's") }
    guard parts[1].dropFirst(2).elementsEqual(nonce) else { throw SCRAMFault(reason: "the nonce is not ours") }
    guard Base64.decode(parts[2].dropFirst(2))?.count == SHA256.digestLength else {
        throw SCRAMFault(reason: "the proof is none")
    }
}
