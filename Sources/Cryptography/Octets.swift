internal import COpenSSL

/// `count` octets from the kernel-seeded generator of libcrypto. Traps where the machine has no randomness to give:
/// nothing that Gatepost does is safe then.
package func randomBytes(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { output, initialized in
        precondition(RAND_bytes(output.baseAddress, Int32(count)) == 1, "no random octets from libcrypto")
        initialized = count
    }
}

/// Whether both hold the same octets, in a time that depends on their length alone. Lengths are not secret.
package func constantTimeEquals(_ left: some Sequence<UInt8>, _ right: some Sequence<UInt8>) -> Bool {
    withContiguous(left) { left in
        withContiguous(right) { right in
            left.count == right.count
                && (left.count == 0 || CRYPTO_memcmp(left.baseAddress, right.baseAddress, left.count) == 0)
        }
    }
}

/// Overwrites a secret in place and empties it, in a way that the optimiser may not drop.
package func wipe(_ bytes: inout [UInt8]) {
    bytes.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
    bytes.removeAll()
}

/// Lower-case hexadecimal, two digits per octet.
package func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}

/// Fills memory that someone else owns, as `randomBytes(_:)` does.
package func fillWithRandomBytes(_ buffer: UnsafeMutableRawBufferPointer) {
    guard let base = buffer.baseAddress, buffer.count > 0 else { return }
    let octets = base.assumingMemoryBound(to: UInt8.self)
    precondition(RAND_bytes(octets, Int32(buffer.count)) == 1, "no random octets from libcrypto")
}
