internal import COpenSSL
internal import Cryptography
internal import Glibc
internal import Synchronization

/// The keys of session tickets (RFC 5077, RFC 8446 §4.6.1), the same on every node that has the same secret, so that a
/// session begun at one node resumes at another.
///
/// They are derived from the secret and the time, and change every twelve hours by themselves: a key that leaks opens
/// the tickets of a day, not of a year. A ticket is taken under the key of its own half day and of the one before.
/// Nothing but resumption hangs on them: early data is off, and authentication is SASL's, anew in each connection.
package final class TicketKeys: Sendable {
    /// What a secret must have at least.
    static let shortest = 32
    private static let period: Int64 = 43_200

    private struct State {
        /// Newest first: new tickets are made with the first, old ones open with any.
        var secrets: [[UInt8]]
        var keys: [Key] = []
        var derivedAt: Int64 = .min
    }

    struct Key {
        let name: [UInt8]
        let cipher: [UInt8]
        let authentication: [UInt8]
    }

    private let state: Mutex<State>
    private let now: @Sendable () -> Int64

    /// - Parameter secret: 32 octets or more.
    package convenience init(secret: [UInt8]) throws(TLSError) {
        try self.init(secret: secret, now: { Int64(time(nil)) })
    }

    init(secret: [UInt8], now: @escaping @Sendable () -> Int64) throws(TLSError) {
        guard secret.count >= Self.shortest else {
            throw .configuration(reason: "the secret of session tickets has fewer than \(Self.shortest) octets")
        }
        state = Mutex(State(secrets: [secret]))
        self.now = now
    }

    /// Makes tickets with a new secret from now on; those of the one before are still taken. What is shorter than a
    /// secret may be, or the same as before, changes nothing.
    package func rotate(to secret: [UInt8]) {
        guard secret.count >= Self.shortest else { return }
        state.withLock { state in
            guard state.secrets.first != secret else { return }
            state.secrets = [secret] + state.secrets.prefix(1)
            state.derivedAt = .min
        }
    }

    /// The key of new tickets.
    func sealing() -> Key? { keys().first }

    /// The key of that name, and whether it is the newest.
    func opening(_ name: UnsafeBufferPointer<UInt8>) -> (key: Key, isNewest: Bool)? {
        let keys = keys()
        guard let index = keys.firstIndex(where: { $0.name.elementsEqual(name) }) else { return nil }
        return (keys[index], index == 0)
    }

    private func keys() -> [Key] {
        let epoch = now() / Self.period
        return state.withLock { state in
            if state.derivedAt != epoch {
                state.keys = state.secrets.flatMap { secret in
                    // The one ahead, too: another node's clock may be a little fast.
                    [epoch, epoch - 1, epoch + 1].map { Self.derive(secret, epoch: $0) }
                }
                state.derivedAt = epoch
            }
            return state.keys
        }
    }

    private static func derive(_ secret: [UInt8], epoch: Int64) -> Key {
        func octets(_ purpose: String) -> [UInt8] {
            HMACSHA256.authenticationCode(for: "ticket \(purpose) \(epoch)".utf8, key: secret)
        }
        return Key(
            name: Array(octets("name").prefix(16)), cipher: octets("cipher"), authentication: octets("authentication"))
    }

    /// The `SSL_CTX` finds this object through its extra data; its `TLSContext` keeps it for as long.
    func install(in pointer: OpaquePointer) throws(TLSError) {
        guard SSL_CTX_set_ex_data(pointer, 0, Unmanaged.passUnretained(self).toOpaque()) == 1,
            SSL_CTX_set_tlsext_ticket_key_evp_cb(pointer, useTicketKey) == 1
        else { throw .configuration(reason: drainedReason("OpenSSL takes no ticket keys")) }
        SSL_CTX_set_timeout(pointer, 7_200)
    }
}

extension TicketKeys: CustomStringConvertible, CustomReflectable {
    package var description: String { "TicketKeys(redacted)" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// OpenSSL asks for the key of a new ticket, or of one that a client shows. 0: no such key, go on with a full
/// handshake; 1: here it is; 2: here it is, and the client shall have a newer ticket.
private let useTicketKey:
    @convention(c) (
        OpaquePointer?, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt8>?, OpaquePointer?, OpaquePointer?,
        Int32
    ) -> Int32 = { ssl, name, initialization, cipher, authentication, isSealing in
        guard let ssl, let name, let initialization,
            let data = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0) ?? TLSConnection.of(ssl)?.ticketKeys
        else { return -1 }
        let keys = Unmanaged<TicketKeys>.fromOpaque(data).takeUnretainedValue()
        if isSealing == 1 {
            guard let key = keys.sealing(), RAND_bytes(initialization, 16) == 1 else { return -1 }
            name.update(from: key.name, count: key.name.count)
            guard EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nil, key.cipher, initialization) == 1,
                copenssl_mac_set_hmac_sha256(authentication, key.authentication, key.authentication.count) == 1
            else { return -1 }
            return 1
        }
        guard let (key, isNewest) = keys.opening(UnsafeBufferPointer(start: name, count: 16)) else { return 0 }
        guard copenssl_mac_set_hmac_sha256(authentication, key.authentication, key.authentication.count) == 1,
            EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nil, key.cipher, initialization) == 1
        else { return -1 }
        return isNewest ? 1 : 2
    }
