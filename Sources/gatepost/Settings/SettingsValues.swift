import Configuration

/// Environment over file over defaults, merged by swift-configuration, every value already known to be sound.
///
/// What is asked for is a key of the table with its kind; anything else is a mistake of ours and traps.
struct SettingsValues: Sendable {
    private let reader: ConfigReader
    private let file: SettingsFile
    private let folder: String?
    private let environment: [String: String]

    /// - Parameter folder: the file's own, from which its relative paths count. Those of the environment count from
    ///   the working directory, as everywhere else.
    init(file: SettingsFile, folder: String?, environment: [String: String]) {
        self.file = file
        self.folder = folder
        self.environment = environment
        var values: [AbsoluteConfigKey: ConfigValue] = [:]
        for (path, entry) in file.entries {
            guard let key = KnownKey.named(path) else { continue }
            let content: ConfigContent =
                key.kind.isList ? .stringArray(entry.items) : .string(entry.items.first ?? "")
            values[AbsoluteConfigKey(ConfigKey(path))] = ConfigValue(content, isSecret: key.kind == .databaseURL)
        }
        reader = ConfigReader(providers: [
            EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "gatepost"),
            InMemoryProvider(name: "file", values: values),
        ])
    }

    private func value(_ path: String) -> SettingValue? {
        guard let key = KnownKey.named(path) else { preconditionFailure("no setting \(path)") }
        let items: [String]?
        if key.kind.isList {
            items = reader.stringArray(forKey: ConfigKey(path)) ?? key.standardItems
        } else {
            items = reader.string(forKey: ConfigKey(path)).map { [$0] } ?? key.standardItems
        }
        guard let items else { return nil }
        do {
            return try key.kind.value(items)
        } catch {
            preconditionFailure("\(path) was read without being checked")
        }
    }

    func text(_ path: String) -> String? {
        guard case .text(let text)? = value(path) else { return nil }
        return text
    }

    /// A path of the file's counts from the file's folder.
    func path(_ path: String) -> String? {
        guard let text = text(path) else { return nil }
        let isFromFile = KnownKey.named(path).map { environment[$0.variable] == nil } ?? false
        guard isFromFile, file.entries[path] != nil, let folder, !text.hasPrefix("/") else { return text }
        return folder + "/" + text
    }

    func word<Word: RawRepresentable<String>>(_ path: String) -> Word {
        guard let word = text(path).flatMap(Word.init(rawValue:)) else { preconditionFailure("\(path): unknown word") }
        return word
    }

    func boolean(_ path: String) -> Bool {
        guard case .boolean(let isOn)? = value(path) else { preconditionFailure("\(path) is no yes or no") }
        return isOn
    }

    func duration(_ path: String) -> Duration {
        guard case .duration(let duration)? = value(path) else { preconditionFailure("\(path) is no duration") }
        return duration
    }

    func durations(_ path: String) -> [Duration] {
        guard case .durations(let durations)? = value(path) else { preconditionFailure("\(path) is no list") }
        return durations
    }

    /// Of a list without a default: empty where nobody sets it.
    func addressesOrNone(_ path: String) -> [HostPort] {
        if case .addresses(let addresses)? = value(path) { addresses } else { [] }
    }

    func addresses(_ path: String) -> [HostPort] {
        guard case .addresses(let addresses)? = value(path) else { preconditionFailure("\(path) is no list") }
        return addresses
    }

    func texts(_ path: String) -> [String] {
        guard case .texts(let texts)? = value(path) else { preconditionFailure("\(path) is no list") }
        return texts
    }

    /// Every setting's value, for telling what a reload has changed.
    var all: [String: SettingValue] {
        Dictionary(
            uniqueKeysWithValues: KnownKey.all.compactMap { key in value(key.path).map { (key.path, $0) } })
    }

    func optionalCount(_ path: String) -> Int? {
        guard case .count(let count)? = value(path) else { preconditionFailure("\(path) is no number") }
        return count
    }

    func count(_ path: String) -> Int {
        guard let count = optionalCount(path) else { preconditionFailure("\(path) has no number") }
        return count
    }
}

extension KnownKey {
    /// The default as a list of items.
    var standardItems: [String]? {
        guard let standard else { return nil }
        guard kind.isList else { return [standard] }
        return Self.items(of: standard)
    }

    /// A list as an environment variable has it: items apart by commas, blanks around them without meaning.
    static func items(of text: String) -> [String] {
        text.split(separator: ",", omittingEmptySubsequences: false).map { item in
            var item = item.drop { $0 == " " || $0 == "\t" }
            while let last = item.last, last == " " || last == "\t" { item.removeLast() }
            return String(item)
        }
    }
}
