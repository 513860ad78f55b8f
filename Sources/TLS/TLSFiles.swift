internal import COpenSSL
internal import Glibc

/// Reads a file of certificates or keys whole. Nothing of that kind is a megabyte long.
func readFile(_ path: String, isSecret: Bool = false) throws(TLSError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .file(path: path, reason: lastSystemError()) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .file(path: path, reason: lastSystemError()) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .file(path: path, reason: "not a file") }
    guard status.st_size <= 1 << 20 else { throw .file(path: path, reason: "too long for a PEM file") }
    if isSecret { try checkSecrecy(of: path, status) }
    var content = [UInt8](repeating: 0, count: Int(status.st_size))
    var filled = 0
    while filled < content.count {
        let count = content.withUnsafeMutableBytes {
            read(descriptor, $0.baseAddress?.advanced(by: filled), $0.count - filled)
        }
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw .file(path: path, reason: lastSystemError()) }
        if count == 0 { break }
        filled += count
    }
    content.removeLast(content.count - filled)
    return content
}

/// 0600 or less; where the file is root's, its group may read it, as Debian's `ssl-cert` does.
private func checkSecrecy(of path: String, _ status: stat) throws(TLSError) {
    let forbidden: mode_t = status.st_uid == 0 ? 0o137 : 0o177
    guard status.st_mode & forbidden & 0o077 == 0 else {
        throw .file(path: path, reason: "the private key is open to other users; run: chmod 600 \(path)")
    }
}

func lastSystemError() -> String { String(cString: strerror(errno)) }

/// Certificates in PEM, first to last; the caller owns them.
func readCertificates(_ path: String) throws(TLSError) -> [Certificate] {
    let content = try readFile(path)
    guard let bio = content.withUnsafeBytes({ makeMemoryBIO($0) }) else {
        throw .file(path: path, reason: "OpenSSL has no memory to read it")
    }
    defer { BIO_free(bio) }
    var certificates: [Certificate] = []
    while true {
        ERR_clear_error()
        guard let pointer = PEM_read_bio_X509(bio, nil, nil, nil) else { break }
        certificates.append(Certificate(adopting: pointer))
    }
    // "No start line" is how OpenSSL says that nothing more comes; anything else is a broken file.
    let last = ERR_peek_last_error()
    let isAtEnd = Int32(last & 0x7f_ffff) == PEM_R_NO_START_LINE
    let reason = drainedReason("it cannot be read")
    guard isAtEnd else { throw .file(path: path, reason: "a certificate in it is broken or cut short (\(reason))") }
    guard !certificates.isEmpty else { throw .file(path: path, reason: "there is no PEM certificate in it") }
    return certificates
}

/// The first private key in a PEM file that only its owner may read.
func readPrivateKey(_ path: String) throws(TLSError) -> PrivateKey {
    var content = try readFile(path, isSecret: true)
    defer { content.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) } }
    guard let bio = content.withUnsafeBytes({ makeMemoryBIO($0) }) else {
        throw .file(path: path, reason: "OpenSSL has no memory to read it")
    }
    defer { BIO_free(bio) }
    guard String(decoding: content, as: UTF8.self).contains("PRIVATE KEY-----") else {
        throw .file(path: path, reason: "there is no PEM private key in it")
    }
    ERR_clear_error()
    guard let pointer = PEM_read_bio_PrivateKey(bio, nil, refuseToAskForPassphrase, nil) else {
        let reason = drainedReason("it cannot be read")
        throw .file(
            path: path, reason: "the private key in it is broken, cut short or has a passphrase (\(reason))")
    }
    return PrivateKey(adopting: pointer)
}

func makeMemoryBIO(_ bytes: UnsafeRawBufferPointer) -> OpaquePointer? {
    // Copied into a BIO of its own: a read-only BIO would need the array to stay where it is.
    guard let bio = BIO_new(BIO_s_mem()) else { return nil }
    BIO_write(bio, bytes.baseAddress, Int32(bytes.count))
    return bio
}

/// OpenSSL would ask on the terminal otherwise.
private let refuseToAskForPassphrase:
    @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32 = { _, _, _, _ in -1
    }

/// Owns one `X509`, freed by `deinit`.
final class Certificate {
    let pointer: OpaquePointer

    init(adopting pointer: OpaquePointer) { self.pointer = pointer }
    deinit { X509_free(pointer) }

    var notBefore: Int64? { seconds(of: X509_get0_notBefore(pointer)) }
    var notAfter: Int64? { seconds(of: X509_get0_notAfter(pointer)) }
}

/// Owns one `EVP_PKEY`, freed by `deinit`.
final class PrivateKey {
    let pointer: OpaquePointer

    init(adopting pointer: OpaquePointer) { self.pointer = pointer }
    deinit { EVP_PKEY_free(pointer) }
}

func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
}

/// Makes the folder and those above it that are missing, for their owner alone.
func makeFolder(_ path: String) throws(TLSError) {
    if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
        throw .file(path: path, reason: lastSystemError())
    }
    try makeFolder(String(path[..<slash]))
    guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw .file(path: path, reason: lastSystemError()) }
}

/// Writes a file that was not there before, 0600 and on the disk when this returns.
func writeNewFile(_ path: String, _ content: [UInt8]) throws(TLSError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .file(path: path, reason: lastSystemError()) }
    defer { close(descriptor) }
    do throws(TLSError) {
        try writeAll(content, to: descriptor, path)
    } catch {
        unlink(path)
        throw error
    }
}

/// Puts new content in a file's place in one step: readers see the old or the new, whole, and on the disk.
func replaceFile(_ path: String, _ content: [UInt8], mode: mode_t) throws(TLSError) {
    let fresh = path + ".new"
    // What an interrupted command left; those at work now hold the index and are not two.
    unlink(fresh)
    try writeNewFile(fresh, content)
    guard chmod(fresh, mode) == 0, rename(fresh, path) == 0 else {
        let reason = lastSystemError()
        unlink(fresh)
        throw .file(path: path, reason: reason)
    }
    let folder = open(path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { return }
    defer { close(folder) }
    fsync(folder)
}

func writeAll(_ content: [UInt8], to descriptor: Int32, _ path: String) throws(TLSError) {
    var written = 0
    while written < content.count {
        let count = content.withUnsafeBytes {
            write(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written)
        }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw .file(path: path, reason: lastSystemError()) }
        written += count
    }
    guard fsync(descriptor) == 0 else { throw .file(path: path, reason: lastSystemError()) }
}
