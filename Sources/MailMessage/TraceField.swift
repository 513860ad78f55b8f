package import NIOCore

/// The field that says how a message came to us (RFC 5321 §4.4, with RFC 3848's protocol names).
package enum TraceField {
    /// What tells our own Received fields from others': a message that bears it has been here before.
    static let mark = "(Gatepost)"

    /// One Received field, folded, with its CRLF:
    ///
    ///     Received: from app.example ([192.0.2.7])
    ///     \tby smtp.acme.example (Gatepost) with ESMTPSA
    ///     \t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)
    ///     \tid 019ab6f4-…; Tue, 24 Nov 2026 13:30:55 +0000
    ///
    /// Each value is checked against an alphabet of its own, for none may end the line or begin a comment: what does not
    /// fit is written as `unknown`, and an address that is none is left out.
    package static func received(
        heloName: String, clientAddress: String, protocol transmission: String, tlsVersion: String?, cipher: String?,
        hostname: String, queueID: String, date unixSeconds: Int64
    ) -> ByteBuffer {
        var field = ByteBuffer()
        field.reserveCapacity(320)
        field.writeString("Received: from ")
        field.writeString(safe(heloName, heloNameAlphabet, limit: 255))
        if let literal = addressLiteral(clientAddress) {
            field.writeString(heloName.utf8.count > 40 ? "\r\n\t([" : " ([")
            field.writeString(literal)
            field.writeString("])")
        }
        field.writeString("\r\n\tby ")
        field.writeString(safe(hostname, hostnameAlphabet, limit: 255))
        field.writeString(hostname.utf8.count > 40 ? "\r\n\t\(mark) with " : " \(mark) with ")
        field.writeString(safe(transmission, transmissionAlphabet, limit: 16))
        if let tlsVersion {
            field.writeString("\r\n\t(using ")
            field.writeString(safe(tlsVersion, wordAlphabet, limit: 16))
            if let cipher {
                field.writeString(" with cipher ")
                field.writeString(safe(cipher, wordAlphabet, limit: 64))
            }
            field.writeString(")")
        }
        field.writeString("\r\n\tid ")
        field.writeString(safe(queueID, wordAlphabet, limit: 64))
        field.writeString("; ")
        field.writeString(MessageDate.string(unixSeconds: unixSeconds))
        field.writeString("\r\n")
        return field
    }

    /// RFC 5321 §4.1.3: IPv6 has its tag; an IPv4 address mapped into IPv6 is written as what it is.
    private static func addressLiteral(_ address: String) -> String? {
        let bare = address.hasPrefix("::ffff:") && address.contains(".") ? String(address.dropFirst(7)) : address
        guard !bare.isEmpty, bare.utf8.count <= 45, bare.utf8.allSatisfy(addressAlphabet) else { return nil }
        return bare.utf8.contains(UInt8(ascii: ":")) ? "IPv6:" + bare : bare
    }

    private static func safe(_ value: String, _ alphabet: (UInt8) -> Bool, limit: Int) -> String {
        !value.isEmpty && value.utf8.count <= limit && value.utf8.allSatisfy(alphabet) ? value : "unknown"
    }

    private static func isAlphanumeric(_ octet: UInt8) -> Bool {
        octet &- UInt8(ascii: "0") < 10 || (octet | 0x20) &- UInt8(ascii: "a") < 26
    }

    private static func hostnameAlphabet(_ octet: UInt8) -> Bool {
        isAlphanumeric(octet) || octet == UInt8(ascii: ".") || octet == UInt8(ascii: "-")
    }

    /// A domain, an address literal, and the underscore that many clients' host names have.
    private static func heloNameAlphabet(_ octet: UInt8) -> Bool {
        hostnameAlphabet(octet) || octet == UInt8(ascii: "_") || octet == UInt8(ascii: ":")
            || octet == UInt8(ascii: "[") || octet == UInt8(ascii: "]")
    }

    private static func transmissionAlphabet(_ octet: UInt8) -> Bool { isAlphanumeric(octet) }

    private static func wordAlphabet(_ octet: UInt8) -> Bool {
        hostnameAlphabet(octet) || octet == UInt8(ascii: "_")
    }

    private static func addressAlphabet(_ octet: UInt8) -> Bool {
        octet &- UInt8(ascii: "0") < 10 || (octet | 0x20) &- UInt8(ascii: "a") < 6 || octet == UInt8(ascii: ".")
            || octet == UInt8(ascii: ":")
    }
}
