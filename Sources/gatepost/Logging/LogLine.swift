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
        var octets: [UInt8] = []
        octets.reserveCapacity(512)
        octets.append(UInt8(ascii: "{"))
        JSON.Member(name: "time", value: .string(time.text)).write(to: &octets)
        for member in [("level", level.rawValue), ("logger", label), ("message", message)] {
            octets.append(UInt8(ascii: ","))
            JSON.Member(name: member.0, value: .string(member.1)).write(to: &octets)
        }
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            octets.append(UInt8(ascii: ","))
            JSON.Member(name: name(of: key), value: json(value)).write(to: &octets)
        }
        octets += "}\n".utf8
        return String(decoding: octets, as: UTF8.self)
    }

    /// A member given twice means whatever its reader makes of it.
    private static func name(of key: String) -> String {
        switch key {
        case "time", "level", "logger", "message": key + "_"
        default: key
        }
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
