import Glibc
import Logging

/// swift-log's records as lines on the standard error, each in one `write`, so that processes sharing it do not
/// mix theirs.
struct LineLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    var logLevel: Logger.Level
    private let label: String
    private let isJSON: Bool
    private let output: @Sendable (String) -> Void

    init(
        label: String, level: Logger.Level, isJSON: Bool,
        output: @escaping @Sendable (String) -> Void = { write($0, to: STDERR_FILENO) }
    ) {
        self.label = label
        self.logLevel = level
        self.isJSON = isJSON
        self.output = output
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let metadataProvider { all.merge(metadataProvider.get()) { _, new in new } }
        if let metadata = event.metadata { all.merge(metadata) { _, new in new } }
        if let error = event.error { all["error"] = .string(String(describing: error)) }
        let line =
            isJSON
            ? LogLine.json(at: .now(), event.level, label, event.message.description, all)
            : LogLine.text(at: .now(), event.level, label, event.message.description, all)
        output(line)
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
        let level = level
        LoggingSystem.bootstrap { LineLogHandler(label: $0, level: level, isJSON: isJSON) }
    }
}

/// Writes all of a text; what cannot be written is lost, for there is nobody left to tell.
func write(_ text: String, to descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
        var rest = UnsafeRawBufferPointer(bytes)
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }
}
