import Foundation
import Yams

/// The file's part of the settings: composed once, walked against the table of known keys, every fault collected.
///
/// swift-configuration's own YAML reader knows no lines, cannot list keys and takes a bad value for a missing one;
/// so the values are read here, and handed to it as texts.
struct SettingsFile: Sendable {
    struct Entry: Equatable, Sendable {
        var items: [String]
        var line: Int
        var column: Int
    }

    /// By path, `submission.listen`; only what the file says and what is sound.
    private(set) var entries: [String: Entry] = [:]
    private(set) var faults: [SettingsFault] = []

    /// The longest file that is read.
    static let maxBytes = 16 << 20

    private let path: String
    private let keys: [String: KnownKey]
    private let sections: Set<String>

    /// Never fails: what is wrong is in `faults`.
    init(text: String, path: String, keys: [KnownKey] = KnownKey.all) {
        self.path = path
        self.keys = Dictionary(uniqueKeysWithValues: keys.map { ($0.path, $0) })
        self.sections = Set(keys.map(\.section))
        if text.unicodeScalars.first == "\u{feff}" {
            faults.append(fault(1, 1, "the file begins with a byte order mark; save it as UTF-8 without one"))
            return
        }
        if let shorthand = YAMLShorthand(in: text) {
            faults.append(
                fault(
                    shorthand.line, shorthand.column,
                    "\(shorthand.name) are not taken; write the value out (found '\(shorthand.character)')"))
            return
        }
        do {
            guard let root = try compose(yaml: text) else { return }
            walk(root: root)
        } catch let error as YamlError {
            faults.append(fault(of: error))
        } catch {
            faults.append(
                SettingsFault(place: .wholeFile(path), text: "no YAML: \(String(describing: error).printable)"))
        }
    }

    private mutating func walk(root: Node) {
        guard let mapping = root.mapping else {
            if !root.isEmptyScalar { add(root, "expected sections like 'submission:' with keys below them") }
            return
        }
        for (key, value) in mapping {
            guard let section = key.scalar?.string else {
                add(key, "expected the name of a section")
                continue
            }
            guard sections.contains(section) else {
                add(key, unknown(section, among: Array(sections), what: "section"))
                continue
            }
            walk(section: section, value)
        }
    }

    private mutating func walk(section: String, _ node: Node) {
        guard let mapping = node.mapping else {
            // A section whose every key is commented out is empty, and that is fine.
            if !node.isEmptyScalar { add(node, "expected keys below '\(section):', like '\(example(in: section))'") }
            return
        }
        for (key, value) in mapping {
            guard let name = key.scalar?.string else {
                add(key, "expected the name of a key")
                continue
            }
            let full = "\(section).\(name)"
            // `tls:` with keys below it, where there are keys that begin so.
            if value.mapping != nil, keys.keys.contains(where: { $0.hasPrefix("\(full).") }) {
                walk(section: full, value)
                continue
            }
            guard let known = keys[full] else {
                add(key, unknown(full, among: Array(keys.keys), what: "key"))
                continue
            }
            read(known, value)
        }
    }

    private mutating func read(_ key: KnownKey, _ node: Node) {
        var nodes = [node]
        if let sequence = node.sequence { nodes = Array(sequence) }
        var items: [String] = []
        for item in nodes {
            guard let text = item.scalar?.string else {
                return add(
                    item, "bad value for '\(key.path)': expected \(key.kind.isList ? "a list of texts" : "a text")")
            }
            items.append(text)
        }
        if node.isEmptyScalar {
            return add(node, "'\(key.path)' has no value; give one or remove the line for the default")
        }
        if node.sequence != nil, !key.kind.isList {
            return add(node, "bad value for '\(key.path)': expected one value, not a list")
        }
        do {
            _ = try key.kind.value(items)
            // (YAML refuses a key twice; this one has two spellings.)
            if entries[key.path] != nil { return add(node, "'\(key.path)' is given more than once") }
            entries[key.path] = Entry(items: items, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
        } catch {
            let culprit = nodes.indices.contains(error.item) ? nodes[error.item] : node
            let shown = items.indices.contains(error.item) ? items[error.item] : ""
            add(culprit, Self.badValue(key, shown, error))
        }
    }

    /// A connection string may hold a password and is never repeated.
    static func badValue(_ key: KnownKey, _ text: String, _ problem: SettingProblem) -> String {
        let shown = key.kind == .databaseURL ? "" : " '\(text.shortened(to: 60).printable)'"
        return "bad value\(shown) for '\(key.path)': expected \(problem.expected)"
    }

    private func unknown(_ name: String, among known: [String], what: String) -> String {
        let shown = name.shortened(to: 60).printable
        guard let nearest = known.nearest(to: name) else { return "unknown \(what) '\(shown)'" }
        return "unknown \(what) '\(shown)'; did you mean '\(nearest)'?"
    }

    private func example(in section: String) -> String {
        keys.keys.sorted().first { $0.hasPrefix("\(section).") }.map { "\($0.dropFirst(section.count + 1)): …" } ?? ""
    }

    private mutating func add(_ node: Node, _ text: String) {
        faults.append(fault(node.mark?.line ?? 1, node.mark?.column ?? 1, text))
    }

    private func fault(_ line: Int, _ column: Int, _ text: String) -> SettingsFault {
        SettingsFault(place: .file(path, line: line, column: column), text: text)
    }

    private func fault(of error: YamlError) -> SettingsFault { Self.fault(of: error, path) }

    /// A fault of the YAML itself, where it is.
    static func fault(of error: YamlError, _ path: String) -> SettingsFault {
        func fault(_ line: Int, _ column: Int, _ text: String) -> SettingsFault {
            SettingsFault(place: .file(path, line: line, column: column), text: text)
        }
        func fault(before offset: Int, in text: String, _ problem: String) -> SettingsFault {
            let lines = text.prefix(offset).split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
            return fault(Swift.max(1, lines.count), (lines.last?.count ?? 0) + 1, problem)
        }
        return switch error {
        case .scanner(_, _, let mark, let text) where Self.isIndentedByTab(mark.line, of: text):
            fault(mark.line, 1, "a tab indents this line; indent with blanks")
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            fault(mark.line, mark.column, problem.printable)
        case .duplicatedKeysInMapping(let keys, let context):
            fault(
                context.mark.line, context.mark.column,
                "key '\(keys.joined(separator: "', '").shortened(to: 60).printable)' is given more than once")
        case .reader(let problem, let offset, _, let text):
            fault(before: offset ?? 0, in: text, problem.printable)
        case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
            SettingsFault(place: .wholeFile(path), text: "no YAML")
        }
    }

    private static func isIndentedByTab(_ line: Int, of text: String) -> Bool {
        text.split(separator: "\n", omittingEmptySubsequences: false).dropFirst(line - 1).first?
            .prefix { $0 == " " || $0 == "\t" }.contains("\t") ?? false
    }
}

extension Node {
    /// `key:` with nothing after it.
    fileprivate var isEmptyScalar: Bool {
        guard let scalar else { return false }
        return scalar.string.isEmpty && scalar.style == .plain
    }
}

extension String {
    func shortened(to count: Int) -> String { self.count <= count ? self : prefix(count) + "…" }
}
