/// One thing wrong with the settings, and where.
struct SettingsFault: Hashable, Sendable, CustomStringConvertible {
    enum Place: Hashable, Sendable {
        case file(String, line: Int, column: Int)
        case wholeFile(String)
        case variable(String)
    }

    var place: Place
    var text: String

    /// `gatepost.yaml:4:3: unknown key 'http.unknwon'`; safe to print.
    var description: String {
        switch place {
        case .file(let path, let line, let column): "\(path.printable):\(line):\(column): \(text)"
        case .wholeFile(let path): "\(path.printable): \(text)"
        case .variable(let name): "\(name.printable): \(text)"
        }
    }
}

/// All that is wrong with the settings, in the order of the file, then of the variables' names.
struct SettingsError: Error, Equatable, CustomStringConvertible {
    var faults: [SettingsFault]

    var description: String { faults.map(\.description).joined(separator: "\n") }
}
