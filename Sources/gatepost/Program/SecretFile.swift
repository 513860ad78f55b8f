import Glibc

/// A file that holds secrets: new, readable by its owner alone, or not written at all.
struct SecretFile: Sendable {
    let path: String
    private let descriptor: Int32

    /// Nothing is there yet (`O_EXCL`), not even a link, and whoever opens it must be its owner (0600).
    init(creating path: String) throws(Failure) {
        descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        self.path = path
        guard descriptor >= 0 else {
            let isThere = errno == EEXIST
            throw Failure(
                "the file \(path.printable) cannot be made for secrets: "
                    + (isThere ? "there is one already" : String(cString: strerror(errno))),
                hint: isThere ? "nothing was changed; name a file that is not there yet" : "nothing was changed")
        }
        try lock()
    }

    /// One that was made by `init(creating:)`, to go on with.
    init(reopening path: String) throws(Failure) {
        descriptor = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC)
        self.path = path
        guard descriptor >= 0 else {
            throw Failure("the file \(path.printable) cannot be opened: \(String(cString: strerror(errno)))")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(),
            status.st_mode & 0o077 == 0
        else {
            close(descriptor)
            throw Failure(
                "the file \(path.printable) is not this user's alone", hint: "chmod 600 \(path.printable)", .denied)
        }
        try lock()
    }

    /// Two at once would write into each other's rows.
    private func lock() throws(Failure) {
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw Failure("the file \(path.printable) is being written by another command")
        }
    }

    /// From its end on, and all of it: nothing waits in a buffer.
    func write(_ text: String) throws(Failure) {
        let octets = Array(text.utf8)
        var written = 0
        while written < octets.count {
            let count = octets[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure() }
            written += count
        }
    }

    /// On the disk when this returns. (A pipe or a terminal has none.)
    func synchronize() throws(Failure) {
        guard fsync(descriptor) == 0 || errno == EINVAL || errno == EROFS else { throw failure() }
    }

    /// What it holds; the next write goes behind it.
    func content(limit: Int) throws(Failure) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        guard lseek(descriptor, 0, SEEK_SET) == 0 else { throw failure() }
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure() }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= limit else { throw Failure("the file \(path.printable) is too long") }
        }
    }

    var length: Int { Int(lseek(descriptor, 0, SEEK_END)) }

    /// Forgets what stands behind `length`.
    func truncate(to length: Int) throws(Failure) {
        guard ftruncate(descriptor, off_t(length)) == 0, lseek(descriptor, off_t(length), SEEK_SET) >= 0 else {
            throw failure()
        }
    }

    func remove() { unlink(path) }

    func removeIfEmpty() { if length == 0 { remove() } }

    private func failure() -> Failure {
        Failure("the file \(path.printable) cannot be written: \(String(cString: strerror(errno)))")
    }
}
