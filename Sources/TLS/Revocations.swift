internal import COpenSSL
internal import Glibc

/// What the authorities have taken back (RFC 5280 §5), as a file said when it was read.
package struct Revocations: Sendable {
    package let path: String
    /// Serial numbers in lower-case hexadecimal.
    package let serials: Set<String>
    /// The earliest promise of a newer list, in seconds since the Unix epoch: past it, nobody is trusted.
    package let nextUpdate: Int64?
    /// When the last of them begins to count.
    private let thisUpdate: Int64?
    /// Which keys signed the lists, as ``PeerCertificate/issuer``; nil: one of them does not say.
    private let issuers: Set<String>?
    /// Why the file says nothing; nil where it does.
    package let fault: String?
    /// There is no file, and need not be one: nothing has been taken back yet.
    package let isAbsent: Bool
    /// What the file looked like, so that a new one is noticed.
    let stamp: FileStamp?
    let isOptional: Bool

    /// Reads every list of the file into a certificate store. Never fails: a file that cannot be read leaves the store
    /// without a list, and a store that must look at one trusts nobody then.
    ///
    /// - Parameters:
    ///   - isOptional: where there is no file at all, nothing has been taken back. (One in a folder that this process may
    ///     not look into is no such file.)
    ///   - store: nil: the list is for ``condemnation(of:)`` alone.
    init(_ path: String, isOptional: Bool, into store: OpaquePointer?) {
        self.path = path
        self.isOptional = isOptional
        (stamp, isAbsent) =
            if let found = FileStamp(of: path) { (found, false) } else { (nil, isOptional && Self.isNowhere(path)) }
        if isAbsent {
            (serials, nextUpdate, thisUpdate, issuers, fault) = ([], nil, nil, [], nil)
            return
        }
        if let store { X509_STORE_set_flags(store, UInt(X509_V_FLAG_CRL_CHECK)) }
        var serials: Set<String> = []
        var nextUpdate: Int64?
        var thisUpdate: Int64?
        var issuers: Set<String>? = []
        do throws(TLSError) {
            for list in try readRevocationLists(path) {
                ERR_clear_error()
                if let store { X509_STORE_add_crl(store, list.pointer) }
                _ = drainErrorQueue()
                for index in 0..<copenssl_crl_count(list.pointer) {
                    serials.insert(hexadecimal(copenssl_crl_serial(list.pointer, index)))
                }
                if let issuer = Self.issuer(of: list.pointer) { issuers?.insert(issuer) } else { issuers = nil }
                if let begin = seconds(of: X509_CRL_get0_lastUpdate(list.pointer)) {
                    thisUpdate = max(thisUpdate ?? begin, begin)
                }
                if let end = seconds(of: X509_CRL_get0_nextUpdate(list.pointer)) {
                    nextUpdate = min(nextUpdate ?? end, end)
                }
            }
            fault = nil
        } catch { fault = "\(error)" }
        self.serials = serials
        self.nextUpdate = nextUpdate
        self.thisUpdate = thisUpdate
        self.issuers = issuers
    }

    /// Not even a link that leads to nothing.
    private static func isNowhere(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) != 0 && errno == ENOENT
    }

    private static func issuer(of list: OpaquePointer) -> String? {
        guard let extensions = X509_CRL_get_ext_d2i(list, NID_authority_key_identifier, nil, nil) else { return nil }
        let identifier = extensions.assumingMemoryBound(to: AUTHORITY_KEYID.self)
        defer { AUTHORITY_KEYID_free(identifier) }
        return hexadecimal(octets: identifier.pointee.keyid)
    }

    /// Whether the file is another one now, or was written again.
    package var hasChanged: Bool { FileStamp(of: path) != stamp }

    /// Why a peer that was trusted by an earlier list is not by this one.
    package enum Condemnation: Sendable, Hashable {
        case revoked
        /// There is no list of its authority, or none that can be read, or that counts yet.
        case unreadable
        /// Past its next update.
        case outOfDate
        /// The certificate's own time is over.
        case ended
        /// The file of authorities is another one now.
        case otherAuthorities

        /// Nobody has taken it back: a message under way may be finished.
        package var spares: Bool { self == .ended || self == .otherAuthorities }
    }

    /// Nil: the peer may stay.
    package func condemnation(of peer: PeerCertificate) -> Condemnation? {
        if serials.contains(peer.serial) { return .revoked }
        if isAbsent { return nil }
        let now = Int64(time(nil))
        // As a handshake would have it, which asks for the list of the very authority.
        if let issuer = peer.issuer, issuers?.contains(issuer) == false { return .unreadable }
        if fault != nil || thisUpdate ?? 0 > now { return .unreadable }
        guard let nextUpdate, nextUpdate < now else { return nil }
        return .outOfDate
    }

}

/// What tells one state of a file from the next without reading it.
struct FileStamp: Sendable, Hashable {
    let device, inode: UInt
    let size: Int
    let seconds, nanoseconds: Int

    init?(of path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        device = status.st_dev
        inode = status.st_ino
        size = Int(status.st_size)
        seconds = status.st_mtim.tv_sec
        nanoseconds = status.st_mtim.tv_nsec
    }
}

/// Owns one `X509_CRL`, freed by `deinit`.
final class RevocationListPointer {
    let pointer: OpaquePointer

    init(adopting pointer: OpaquePointer) { self.pointer = pointer }
    deinit { X509_CRL_free(pointer) }
}

/// Every list of a PEM file; one at least.
func readRevocationLists(_ path: String) throws(TLSError) -> [RevocationListPointer] {
    let content = try readFile(path)
    guard let bio = content.withUnsafeBytes({ makeMemoryBIO($0) }) else {
        throw .file(path: path, reason: "OpenSSL has no memory to read it")
    }
    defer { BIO_free(bio) }
    var lists: [RevocationListPointer] = []
    while true {
        ERR_clear_error()
        guard let pointer = PEM_read_bio_X509_CRL(bio, nil, nil, nil) else { break }
        lists.append(RevocationListPointer(adopting: pointer))
    }
    let isAtEnd = Int32(ERR_peek_last_error() & 0x7f_ffff) == PEM_R_NO_START_LINE
    let reason = drainedReason("it cannot be read")
    guard isAtEnd else { throw .file(path: path, reason: "a revocation list in it is broken or cut short (\(reason))") }
    guard !lists.isEmpty else { throw .file(path: path, reason: "there is no revocation list in it") }
    return lists
}

extension PeerCertificate {
    /// Whether its time is over.
    package var hasEnded: Bool { notAfter.map { $0 < Int64(time(nil)) } ?? false }
}
