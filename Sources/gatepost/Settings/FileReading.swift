import Glibc

/// Why a file could not be taken; `reason` goes on after the path.
struct FileReadError: Error, Equatable {
    var path: String
    var reason: String
    /// It has a secret that others than its owner can read.
    var isOpen = false
}

/// Reads a whole regular file, or a pipe (`<(…)`), of at most `limit` octets.
func readFile(_ path: String, limit: Int) throws(FileReadError) -> (bytes: [UInt8], mode: mode_t) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileReadError(path: path, reason: reason(of: errno)) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileReadError(path: path, reason: reason(of: errno)) }
    guard status.st_mode & S_IFMT != S_IFDIR else { throw FileReadError(path: path, reason: "is a folder") }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
        let count = read(descriptor, &chunk, chunk.count)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw FileReadError(path: path, reason: reason(of: errno)) }
        if count == 0 { break }
        bytes += chunk[..<count]
        guard bytes.count <= limit else {
            throw FileReadError(path: path, reason: "is longer than \(ByteSize(bytes: limit).text)")
        }
    }
    return (bytes, status.st_mode)
}

/// The first line of a file that nobody but its owner can read.
func readSecretFile(_ path: String) throws(FileReadError) -> String {
    let content = try readFile(path, limit: 64 << 10)
    let isPipe = content.mode & S_IFMT != S_IFREG
    guard isPipe || content.mode & 0o077 == 0 else {
        throw FileReadError(
            path: path, reason: "can be read by others; run: chmod 600 \(path.printable)", isOpen: true)
    }
    let line = content.bytes.prefix { $0 != 0x0A && $0 != 0x0D }
    guard !line.isEmpty, let secret = String(validating: line, as: UTF8.self) else {
        throw FileReadError(path: path, reason: "has no secret in its first line")
    }
    return secret
}

private func reason(of code: Int32) -> String {
    switch code {
    case ENOENT: "there is no such file"
    case EACCES: "may not be read by this user"
    default: "cannot be read: \(String(cString: strerror(code)))"
    }
}
