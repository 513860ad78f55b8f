internal import COpenSSL
internal import Glibc

extension PeerCertificate {
    /// Reads a borrowed `X509`.
    init(_ certificate: OpaquePointer, verification: Verification, authorities: [UInt8]) {
        self.init(
            names: subjectAlternativeNames(of: certificate), commonName: TLS.commonName(of: certificate),
            serial: serialNumber(of: certificate), verification: verification,
            fingerprint: TLS.fingerprint(of: certificate),
            issuer: hexadecimal(octets: X509_get0_authority_key_id(certificate)),
            notAfter: seconds(of: X509_get0_notAfter(certificate)), authorities: authorities)
    }
}

/// Nil where there are none.
func hexadecimal(octets string: UnsafePointer<ASN1_OCTET_STRING>?) -> String? {
    guard let string, let data = ASN1_STRING_get0_data(string) else { return nil }
    return UnsafeBufferPointer(start: data, count: Int(ASN1_STRING_length(string)))
        .map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

/// SHA-256 of the DER; empty where OpenSSL gives none, which no certificate matches.
func fingerprint(of certificate: OpaquePointer) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    var length: UInt32 = 0
    guard X509_digest(certificate, EVP_sha256(), &digest, &length) == 1, length == 32 else {
        ERR_clear_error()
        return []
    }
    return digest
}

/// DNS names (lower case) and IP addresses of the subject alternative name, in order. What is no clean name is left out.
func subjectAlternativeNames(of certificate: OpaquePointer) -> [String] {
    guard let decoded = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else { return [] }
    let stack = OpaquePointer(decoded)
    defer { GENERAL_NAMES_free(stack) }
    var names: [String] = []
    for index in 0..<max(0, OPENSSL_sk_num(stack)) {
        guard let element = OPENSSL_sk_value(stack, index) else { continue }
        let name = element.assumingMemoryBound(to: GENERAL_NAME.self)
        var type: Int32 = -1
        guard let value = GENERAL_NAME_get0_value(name, &type) else { continue }
        switch type {
        case GEN_DNS:
            let octets = octets(of: value.assumingMemoryBound(to: ASN1_STRING.self))
            guard octets.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { continue }
            names.append(String(decoding: octets, as: UTF8.self).lowercased())
        case GEN_IPADD:
            if let text = text(ofAddress: octets(of: value.assumingMemoryBound(to: ASN1_STRING.self))) {
                names.append(text)
            }
        default: continue
        }
    }
    return names
}

func commonName(of certificate: OpaquePointer) -> String? {
    let subject = X509_get_subject_name(certificate)
    let index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1)
    guard index >= 0, let value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)) else { return nil }
    // For people only: whatever could confuse a terminal or a log becomes a question mark.
    let shown = octets(of: value).prefix(64).map { $0 >= 0x20 && $0 < 0x7f ? $0 : UInt8(ascii: "?") }
    return String(decoding: shown, as: UTF8.self)
}

/// Lower-case hexadecimal.
func serialNumber(of certificate: OpaquePointer) -> String { hexadecimal(X509_get0_serialNumber(certificate)) }

/// Lower-case hexadecimal, two digits for each octet.
func hexadecimal(_ integer: UnsafePointer<ASN1_INTEGER>?) -> String {
    guard let number = ASN1_INTEGER_to_BN(integer, nil) else { return "" }
    defer { BN_free(number) }
    guard let text = BN_bn2hex(number) else { return "" }
    defer { CRYPTO_free(text, #file, #line) }
    return String(cString: text).lowercased()
}

/// Seconds since the Unix epoch.
func seconds(of time: UnsafePointer<ASN1_TIME>?) -> Int64? {
    var broken = tm()
    guard ASN1_TIME_to_tm(time, &broken) == 1 else { return nil }
    return Int64(timegm(&broken))
}

private func octets(of string: UnsafePointer<ASN1_STRING>) -> [UInt8] {
    Array(UnsafeBufferPointer(start: ASN1_STRING_get0_data(string), count: Int(ASN1_STRING_length(string))))
}

/// 4 or 16 octets for an IP address in text, nil for what is none.
func octets(ofAddress text: String) -> [UInt8]? {
    var four = [UInt8](repeating: 0, count: 4)
    if inet_pton(AF_INET, text, &four) == 1 { return four }
    var sixteen = [UInt8](repeating: 0, count: 16)
    if inet_pton(AF_INET6, text, &sixteen) == 1 { return sixteen }
    return nil
}

private func text(ofAddress octets: [UInt8]) -> String? {
    guard octets.count == 4 || octets.count == 16 else { return nil }
    var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let family = octets.count == 4 ? AF_INET : AF_INET6
    guard inet_ntop(family, octets, &buffer, socklen_t(buffer.count)) != nil else { return nil }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
