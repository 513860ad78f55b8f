internal import COpenSSL
internal import Cryptography

/// What is to stand in a new certificate (RFC 5280 §4). Values of extensions are in OpenSSL's configuration language:
/// nothing unchecked may get into them.
struct CertificateRequest {
    let commonName: String
    let validity: Validity
    let extensions: [(kind: Int32, value: String)]

    /// A new key on P-256.
    static func makeKey() throws(TLSError) -> PrivateKey {
        ERR_clear_error()
        guard let pointer = copenssl_generate_p256() else {
            throw .authority(reason: drainedReason("OpenSSL makes no key"))
        }
        return PrivateKey(adopting: pointer)
    }

    /// A certificate signed by `issuer`, or by itself if that is nil.
    func sign(key: PrivateKey, issuer: Certificate?, issuerKey: PrivateKey) throws(TLSError) -> Certificate {
        ERR_clear_error()
        guard let pointer = X509_new() else { throw .authority(reason: drainedReason("OpenSSL has no memory")) }
        let certificate = Certificate(adopting: pointer)
        let authority = issuer?.pointer ?? pointer
        guard X509_set_version(pointer, 2) == 1, setSerial(pointer), setSubject(pointer),
            X509_set_issuer_name(pointer, X509_get_subject_name(authority)) == 1,
            ASN1_TIME_set(X509_getm_notBefore(pointer), Int(validity.start)) != nil,
            ASN1_TIME_set(X509_getm_notAfter(pointer), Int(validity.end)) != nil,
            X509_set_pubkey(pointer, key.pointer) == 1
        else { throw .authority(reason: drainedReason("OpenSSL refuses a field of the certificate")) }
        for (kind, value) in extensions {
            var context = X509V3_CTX()
            X509V3_set_ctx(&context, authority, pointer, nil, nil, 0)
            guard let made = X509V3_EXT_conf_nid(nil, &context, kind, value) else {
                throw .authority(reason: drainedReason("OpenSSL refuses the extension \(value)"))
            }
            defer { X509_EXTENSION_free(made) }
            guard X509_add_ext(pointer, made, -1) == 1 else {
                throw .authority(reason: drainedReason("OpenSSL does not add the extension \(value)"))
            }
        }
        guard X509_sign(pointer, issuerKey.pointer, EVP_sha256()) > 0 else {
            throw .authority(reason: drainedReason("OpenSSL does not sign"))
        }
        return certificate
    }

    /// 127 random bits: positive, and at most the 20 octets of RFC 5280 §4.1.2.2.
    private func setSerial(_ certificate: OpaquePointer) -> Bool {
        var octets = randomBytes(16)
        octets[0] = octets[0] & 0x7f | 0x40
        guard let number = BN_bin2bn(octets, Int32(octets.count), nil) else { return false }
        defer { BN_free(number) }
        return BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nil
    }

    private func setSubject(_ certificate: OpaquePointer) -> Bool {
        let subject = X509_get_subject_name(certificate)
        return X509_NAME_add_entry_by_NID(
            subject, NID_commonName, MBSTRING_UTF8, Array(commonName.utf8), Int32(commonName.utf8.count), -1, 0) == 1
    }
}

func pem(of certificate: Certificate) throws(TLSError) -> [UInt8] {
    try pem { PEM_write_bio_X509($0, certificate.pointer) }
}

/// PKCS #8, without a passphrase.
func pem(of key: PrivateKey) throws(TLSError) -> [UInt8] {
    try pem { PEM_write_bio_PrivateKey($0, key.pointer, nil, nil, 0, nil, nil) }
}

func pem(_ write: (OpaquePointer) -> Int32) throws(TLSError) -> [UInt8] {
    ERR_clear_error()
    guard let bio = BIO_new(BIO_s_mem()) else { throw .authority(reason: "OpenSSL has no memory") }
    defer { BIO_free(bio) }
    guard write(bio) == 1 else { throw .authority(reason: drainedReason("OpenSSL writes no PEM")) }
    var text = [UInt8](repeating: 0, count: BIO_ctrl_pending(bio))
    let count = BIO_read(bio, &text, Int32(text.count))
    text.removeLast(text.count - max(0, Int(count)))
    return text
}
