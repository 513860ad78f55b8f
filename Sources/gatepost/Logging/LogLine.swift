import Logging

/// How records are written: `auto` is `text` on a terminal and `json` elsewhere.
enum LogFormat: String, Sendable { case auto, text, json }

/// One record on one line, whatever is in it: what users sent stays inert (`String.printable`, `JSON`).
enum LogLine {
    /// `2026-08-05T10:15:30.123Z info submission: accepted tenant=acme recipients=3`, its pairs in the order of names.
    static func text(
        at time: UTCTime, _ level: Logger.Level, _ label: String, _ message: String, _ metadata: Logger.Metadata
    ) -> String {
        var line = "\(time.text) \(level.rawValue) \(label.printable): \(message.printable)"
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            line += " \(key.printable)=\(quoted(value.description))"
        }
        return line + "\n"
    }

    /// `{"time":…,"level":…,"logger":…,"message":…, …}` and the metadata beside them.
    static func json(
        at time: UTCTime, _ level: Logger.Level, _ label: String, _ message: String, _ metadata: Logger.Metadata
    ) -> String {
        var members = [
            JSON.Member(name: "time", value: .string(time.text)),
            JSON.Member(name: "level", value: .string(level.rawValue)),
            JSON.Member(name: "logger", value: .string(label)),
            JSON.Member(name: "message", value: .string(message)),
        ]
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            // A member given twice means whatever its reader makes of it.
            let name = members.prefix(4).contains { $0.name == key } ? key + "_" : key
            members.append(JSON.Member(name: name, value: json(value)))
        }
        var line = ""
        line.reserveCapacity(400)
        JSON.object(members).write(to: &line)
        line += "\n"
        return line
    }

    private static func json(_ value: Logger.MetadataValue) -> JSON {
        switch value {
        case .string(let text): .string(text)
        case .stringConvertible(let value):
            switch value {
            case let number as Int: .number(Int64(number))
            case let number as Int64: .number(number)
            case let truth as Bool: .bool(truth)
            default: .string(value.description)
            }
        case .array(let values): .array(values.map(json))
        case .dictionary(let values):
            .object(values.sorted { $0.key < $1.key }.map { JSON.Member(name: $0.key, value: json($0.value)) })
        }
    }

    /// Quoted where a reader could not tell where the value ends.
    private static func quoted(_ value: String) -> String {
        let shown = value.printable
        guard shown.isEmpty || shown.contains(where: { $0 == " " || $0 == "\"" || $0 == "=" }) else { return shown }
        return "\"" + shown.map { $0 == "\"" ? "\\\"" : String($0) }.joined() + "\""
    }
}
