import Glibc
package import Logging
import NIOCore
package import NIOPosix
package import SMTP

/// The `file` route: one `.eml` per message in a folder, durable and renamed into place before the `250`.
///
/// A reader of the folder never sees a half-written file: names without `.eml` are not messages.
package struct FileRoute: Route {
    private let directory: String
    private let threads: NIOThreadPool
    private let logger: Logger

    /// - Parameters:
    ///   - directory: made if it is missing, with the folders that it is in.
    ///   - threads: the blocking calls run there, never on an event loop.
    /// - Throws: `FileRouteFailure` when the folder cannot be made or written to.
    package init(directory: String, threads: NIOThreadPool, logger: Logger) throws(FileRouteFailure) {
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
        self.logger = logger
    }

    @concurrent package func deliver(_ arrival: Arrival) async -> [Reply] {
        let reply: Reply
        do {
            let name = try await threads.runIfActive { try store(arrival) }
            reply = .filed(as: name)
        } catch let failure as FileRouteFailure {
            logger.warning("a message could not be filed", metadata: ["id": "\(arrival.id)", "error": "\(failure)"])
            reply = failure.isDiskFull ? .diskFull : .cannotFile
        } catch {
            reply = .fileRouteEnds
        }
        return [Reply](repeating: reply, count: arrival.envelope.recipients.count)
    }

    private func store(_ arrival: Arrival) throws(FileRouteFailure) -> String {
        let name = arrival.id
        let temporary = "\(directory)/.\(name).tmp"
        let final = "\(directory)/\(name).eml"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw FileRouteFailure(path: temporary, code: errno) }
        do throws(FileRouteFailure) {
            defer { close(descriptor) }
            try write(head(of: arrival), to: descriptor, path: temporary)
            try write(arrival.content, to: descriptor, path: temporary)
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
    private func head(of arrival: Arrival) -> ByteBuffer {
        var text = ByteBuffer()
        text.writeString("Return-Path: <\(arrival.envelope.sender)>\r\n")
        for recipient in arrival.envelope.recipients {
            text.writeString("X-Envelope-To: \(recipient.mailbox)\r\n")
        }
        text.writeImmutableBuffer(arrival.trace)
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
