import Glibc
package import NIOCore
package import NIOPosix
package import SMTP
import Synchronization

/// The `file` route: one `.eml` per message in a folder, durable and renamed into place before the `250`.
///
/// A reader of the folder never sees a half-written file: names without `.eml` are not messages.
package struct FileRoute: Route {
    private let directory: String
    private let threads: NIOThreadPool
    private let names: FileNames

    /// - Parameters:
    ///   - directory: made if it is missing, with the folders that it is in.
    ///   - threads: the blocking calls run there, never on an event loop.
    /// - Throws: `FileRouteFailure` when the folder cannot be made or written to.
    package init(directory: String, threads: NIOThreadPool) throws(FileRouteFailure) {
        for slash in directory.indices where directory[slash] == "/" && slash > directory.startIndex {
            // What cannot be made here is told by the last.
            _ = mkdir(String(directory[..<slash]), 0o755)
        }
        if mkdir(directory, 0o750) != 0, errno != EEXIST {
            throw FileRouteFailure(path: directory, code: errno)
        }
        guard access(directory, W_OK | X_OK) == 0 else {
            throw FileRouteFailure(path: directory, code: errno)
        }
        self.directory = directory
        self.threads = threads
        names = FileNames()
    }

    @concurrent package func deliver(_ envelope: RelayDialogue.Envelope, content: ByteBuffer) async -> [Reply] {
        let reply: Reply
        do {
            let name = try await threads.runIfActive { try store(envelope, content) }
            reply = .filed(as: name)
        } catch let failure as FileRouteFailure {
            reply = failure.isDiskFull ? .diskFull : .cannotFile
        } catch {
            reply = .fileRouteEnds
        }
        return [Reply](repeating: reply, count: envelope.recipients.count)
    }

    private func store(_ envelope: RelayDialogue.Envelope, _ content: ByteBuffer) throws(FileRouteFailure) -> String {
        let name = names.next()
        let temporary = "\(directory)/.\(name).tmp"
        let final = "\(directory)/\(name).eml"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw FileRouteFailure(path: temporary, code: errno) }
        do throws(FileRouteFailure) {
            defer { close(descriptor) }
            try write(trace(of: envelope), to: descriptor, path: temporary)
            try write(content, to: descriptor, path: temporary)
            guard fsync(descriptor) == 0 else { throw FileRouteFailure(path: temporary, code: errno) }
        } catch {
            unlink(temporary)
            throw error
        }
        guard rename(temporary, final) == 0 else {
            let code = errno
            unlink(temporary)
            throw FileRouteFailure(path: final, code: code)
        }
        try syncDirectory()
        return "\(name).eml"
    }

    /// RFC 5321 §4.4: whoever makes final delivery writes the Return-Path; the recipients are nowhere else.
    private func trace(of envelope: RelayDialogue.Envelope) -> ByteBuffer {
        var text = ByteBuffer()
        text.writeString("Return-Path: <\(envelope.sender)>\r\n")
        for recipient in envelope.recipients {
            text.writeString("X-Envelope-To: \(recipient.mailbox)\r\n")
        }
        return text
    }

    private func write(_ bytes: ByteBuffer, to descriptor: CInt, path: String) throws(FileRouteFailure) {
        var rest = bytes
        while rest.readableBytes > 0 {
            let written = rest.withUnsafeReadableBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw FileRouteFailure(path: path, code: errno) }
            rest.moveReaderIndex(forwardBy: written)
        }
    }

    /// A rename survives a power cut only once its folder has been written too.
    private func syncDirectory() throws(FileRouteFailure) {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileRouteFailure(path: directory, code: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw FileRouteFailure(path: directory, code: errno) }
    }
}

/// A file or folder of the `file` route that could not be written: which, and why.
package struct FileRouteFailure: Error, CustomStringConvertible {
    package let path: String
    package let code: CInt
    package var isDiskFull: Bool { code == ENOSPC || code == EDQUOT }
    package var description: String { "\(path): \(String(cString: strerror(code)))" }
}

/// Names no two messages share: time, process and a counter, so that a listing is in order of arrival.
private final class FileNames: Sendable {
    private let counter = Atomic<UInt64>(0)

    func next() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let count = counter.add(1, ordering: .relaxed).newValue
        return "\(now.tv_sec).\(padded(now.tv_nsec / 1000)).\(getpid()).\(count)"
    }

    private func padded(_ microseconds: Int) -> String {
        let digits = String(microseconds)
        return String(repeating: "0", count: max(0, 6 - digits.count)) + digits
    }
}
