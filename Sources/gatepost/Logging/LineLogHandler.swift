import Glibc
import Logging
import Synchronization

/// swift-log's records as lines on the standard error, each in one `write`, so that processes sharing it do not
/// mix theirs.
struct LineLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    /// Set where a logger is to differ from the process's level.
    private var ownLevel: Logger.Level?
    private let level: @Sendable () -> Logger.Level
    private let label: String
    private let isJSON: Bool
    private let output: @Sendable (_ line: String, _ source: String?, _ time: UTCTime) -> Void

    /// - Parameters:
    ///   - level: asked at each record, so that a reload may change it.
    ///   - output: takes a line, and whom it is about if a stranger can cause it as often as he likes.
    init(
        label: String, isJSON: Bool, level: @escaping @Sendable () -> Logger.Level,
        output: @escaping @Sendable (_ line: String, _ source: String?, _ time: UTCTime) -> Void
    ) {
        self.label = label
        self.isJSON = isJSON
        self.level = level
        self.output = output
    }

    init(label: String, level: Logger.Level, isJSON: Bool, output: @escaping @Sendable (String) -> Void) {
        self.init(label: label, isJSON: isJSON, level: { level }, output: { line, _, _ in output(line) })
    }

    var logLevel: Logger.Level {
        get { ownLevel ?? level() }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        // Few into many: merging hashes what it takes in.
        var all = event.metadata ?? [:]
        if let metadataProvider { all.merge(metadataProvider.get()) { old, _ in old } }
        for (key, value) in metadata where all[key] == nil { all[key] = value }
        if let error = event.error { all["error"] = .string(String(describing: error)) }
        let (now, message) = (UTCTime.now(), event.message.description)
        let line =
            isJSON
            ? LogLine.json(at: now, event.level, label, message, all)
            : LogLine.text(at: now, event.level, label, message, all)
        output(line, FloodSummary.source(event.level, message, all), now)
    }
}

/// The least severity that is written, for every logger of the process.
enum LogLevel {
    private static let level = Atomic<Int>(Logger.Level.allCases.firstIndex(of: .info) ?? 0)

    static var current: Logger.Level { Logger.Level.allCases[level.load(ordering: .relaxed)] }

    static func set(_ new: Logger.Level) {
        level.store(Logger.Level.allCases.firstIndex(of: new) ?? 0, ordering: .relaxed)
    }
}

extension Settings.Log {
    /// Sends every logger of this process to the standard error. Call it once, before the first logger is made.
    func start() {
        let isJSON =
            switch format {
            case .auto: isatty(STDERR_FILENO) == 0
            case .text: false
            case .json: true
            }
        LogLevel.set(level)
        let writer = LogWriter.standardError
        writer.start(linesPerMinute: refusalsPerMinute) { source, count in
            var metadata: Logger.Metadata = ["lines": .stringConvertible(count)]
            metadata[source == FloodSummary.waiting ? "about" : "client"] = "\(source)"
            let make = isJSON ? LogLine.json : LogLine.text
            return make(.now(), .warning, "log", "lines left out", metadata)
        }
        LoggingSystem.bootstrap { label in
            LineLogHandler(label: label, isJSON: isJSON, level: { LogLevel.current }) { line, source, time in
                writer.write(line, source: source, at: time.microseconds)
            }
        }
    }

    /// Takes over what may change while the process runs: level and limit of refusals.
    func apply() {
        LogLevel.set(level)
        LogWriter.standardError.setLimit(linesPerMinute: refusalsPerMinute)
    }
}

/// Writes all of a text. What cannot be written is lost, for there may be nobody left to tell; where it was a result,
/// ``LostOutput`` knows.
func write(_ text: String, to descriptor: Int32) {
    var text = text
    let isWritten = text.withUTF8 { writeAll(UnsafeRawBufferPointer($0), to: descriptor) }
    if !isWritten, descriptor == STDOUT_FILENO { LostOutput.note(errno) }
}

/// Whether a result could not be written: then a command has not done all it was asked.
enum LostOutput {
    private static let number = Atomic<Int32>(0)

    fileprivate static func note(_ errno: Int32) { number.store(errno, ordering: .relaxed) }

    /// What is said of it; nil where everything was written.
    static var failure: Failure? {
        let number = number.load(ordering: .relaxed)
        guard number != 0 else { return nil }
        return Failure(
            "standard output: \(String(cString: strerror(number)))",
            hint: "what was printed is not whole; what the command changed stays changed")
    }
}

/// False, with `errno`: it could not all be written.
@discardableResult
func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
    var rest = bytes
    while !rest.isEmpty {
        let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
        if count < 0, errno == EINTR { continue }
        if count < 0, errno == EAGAIN {
            var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            _ = Glibc.poll(&poll, 1, 1000)
            continue
        }
        guard count > 0 else { return false }
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
    return true
}
