internal import COpenSSL

/// HMAC with SHA-256 (RFC 2104): 32 octets.
package enum HMACSHA256 {
    package static func authenticationCode(
        for message: some Sequence<UInt8>, key: some Sequence<UInt8>
    ) -> [UInt8] {
        withContiguous(key) { key in
            withContiguous(message) { message in
                [UInt8](unsafeUninitializedCapacity: SHA256.digestLength) { output, count in
                    var written: UInt32 = 0
                    let done = withNonNull(key) { keyBase in
                        withNonNull(message) { messageBase in
                            HMAC(
                                Algorithm.sha256.pointer, keyBase, Int32(key.count),
                                messageBase.assumingMemoryBound(to: UInt8.self), message.count,
                                output.baseAddress, &written)
                        }
                    }
                    precondition(done != nil && written == 32, "libcrypto refused HMAC-SHA-256")
                    count = SHA256.digestLength
                }
            }
        }
    }
}

/// PBKDF2 with HMAC-SHA-256 (RFC 8018 §5.2). 4,096 iterations take about a millisecond: never on an event loop.
package enum PBKDF2 {
    /// `length` octets (SCRAM's SaltedPassword is 32). `iterations` must be positive.
    package static func sha256(
        password: some Sequence<UInt8>, salt: some Sequence<UInt8>, iterations: Int, length: Int = 32
    ) -> [UInt8] {
        precondition(iterations > 0 && iterations <= Int(Int32.max), "PBKDF2 needs a positive number of iterations")
        return withContiguous(password) { password in
            withContiguous(salt) { salt in
                [UInt8](unsafeUninitializedCapacity: length) { output, count in
                    let done = withNonNull(password) { passwordBase in
                        withNonNull(salt) { saltBase in
                            PKCS5_PBKDF2_HMAC(
                                passwordBase.assumingMemoryBound(to: CChar.self), Int32(password.count),
                                saltBase.assumingMemoryBound(to: UInt8.self), Int32(salt.count), Int32(iterations),
                                Algorithm.sha256.pointer, Int32(length), output.baseAddress)
                        }
                    }
                    precondition(done == 1, "libcrypto refused PBKDF2")
                    count = length
                }
            }
        }
    }
}
