internal import COpenSSL

// Cryptography: the few primitives that Gatepost computes itself, all of them libcrypto's. It never holds a key
// for longer than a call and never prints one. TLS has its own use of the library, and its own module.
//
// SHA-256 (FIPS 180-4), HMAC (RFC 2104), PBKDF2 (RFC 8018 §5.2), random octets, comparison in constant time,
// Base64 (RFC 4648 §4).

/// SHA-256, at once or piece by piece. A copy of a half-fed hash goes on independently.
package struct SHA256 {
    package static let digestLength = 32

    private var state = State()

    package init() {}

    /// The 32 octets of `bytes`' hash. Contiguous bytes (arrays, slices, a `ByteBufferView`) are not copied.
    package static func hash(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        withContiguous(bytes) { hash($0) }
    }

    /// The same over memory that the caller keeps alive for the call.
    package static func hash(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: digestLength) { output, count in
            var written: UInt32 = 0
            let done = withNonNull(bytes) {
                EVP_Digest($0, bytes.count, output.baseAddress, &written, Algorithm.sha256.pointer, nil)
            }
            precondition(done == 1 && written == 32, "libcrypto refused SHA-256")
            count = digestLength
        }
    }

    package mutating func update(_ bytes: some Sequence<UInt8>) {
        makeUnique()
        withContiguous(bytes) { state.update($0) }
    }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        makeUnique()
        state.update(bytes)
    }

    /// The hash of all that was fed. The value itself is not touched: it can be fed on.
    package func finalize() -> [UInt8] {
        State(copying: state).finish()
    }

    private mutating func makeUnique() {
        if !isKnownUniquelyReferenced(&state) { state = State(copying: state) }
    }

    /// Owns one `EVP_MD_CTX`, freed by `deinit`.
    private final class State {
        private let context: OpaquePointer?

        init() {
            context = EVP_MD_CTX_new()
            precondition(EVP_DigestInit_ex(context, Algorithm.sha256.pointer, nil) == 1, "libcrypto refused SHA-256")
        }

        init(copying other: State) {
            context = EVP_MD_CTX_new()
            precondition(EVP_MD_CTX_copy_ex(context, other.context) == 1, "libcrypto refused to copy a hash")
        }

        deinit { EVP_MD_CTX_free(context) }

        func update(_ bytes: UnsafeRawBufferPointer) {
            let done = withNonNull(bytes) { EVP_DigestUpdate(context, $0, bytes.count) }
            precondition(done == 1, "libcrypto refused to hash")
        }

        func finish() -> [UInt8] {
            [UInt8](unsafeUninitializedCapacity: SHA256.digestLength) { output, count in
                var written: UInt32 = 0
                let done = EVP_DigestFinal_ex(context, output.baseAddress, &written)
                precondition(done == 1 && written == 32, "libcrypto refused to finish a hash")
                count = SHA256.digestLength
            }
        }
    }
}

/// The fetched algorithm: fetching it anew for every hash costs more than a short hash does.
struct Algorithm: @unchecked Sendable {
    // Sendable: the pointer is set once, and an EVP_MD is immutable and reference-counted atomically by libcrypto.
    let pointer: OpaquePointer?

    static let sha256 = Algorithm(pointer: EVP_MD_fetch(nil, "SHA256", nil))
}

/// Lends `bytes` as one piece of memory, copied only where they are not contiguous.
func withContiguous<R>(_ bytes: some Sequence<UInt8>, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    if let result = bytes.withContiguousStorageIfAvailable({ body(UnsafeRawBufferPointer($0)) }) { return result }
    return Array(bytes).withUnsafeBytes(body)
}

/// libcrypto takes a null pointer for "no key" or "no salt" in places: an empty buffer lends a real address instead.
func withNonNull<R>(_ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawPointer) -> R) -> R {
    if let base = bytes.baseAddress { return body(base) }
    return withUnsafeBytes(of: UInt8(0)) { zero in
        guard let base = zero.baseAddress else { preconditionFailure("a value has an address") }
        return body(base)
    }
}
