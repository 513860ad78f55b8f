import FuzzSupport

@testable import gatepost

extension FuzzTarget {
    /// The settings file, and the environment beside it.
    static let settings = FuzzTarget(name: "settings", longest: 160) { octets throws(Violation) in
        guard let text = String(validating: octets, as: UTF8.self) else { return }
        let file = SettingsFile(text: text, path: "f.yaml")
        for fault in file.faults {
            let description = fault.description
            try demand(
                description.unicodeScalars.allSatisfy(\.isPrintable),
                "a fault is not printable: \(description.debugDescription)")
            if case .file(_, let line, let column) = fault.place {
                try demand(line >= 1 && column >= 1, "a fault at \(line):\(column)")
            }
        }
        var written = ""
        for (path, entry) in file.entries.sorted(by: { $0.key < $1.key }) {
            guard let key = KnownKey.named(path) else { throw Violation("an entry that is no setting") }
            try check(key, entry.items)
            let items = entry.items.map(quoted).joined(separator: ", ")
            written += "\(key.section):\n  \(key.name): \(key.kind.isList ? "[\(items)]" : items)\n"
            // One section each, so that none is given twice.
            let again = SettingsFile(text: written, path: "f.yaml")
            try demand(
                again.faults.isEmpty && again.entries[path]?.items == entry.items,
                "\(path) is not read as it is written: \(again.faults)")
            written = ""
        }
        try checkQuantities(text)
    }

    private static func check(_ key: KnownKey, _ items: [String]) throws(Violation) {
        do {
            _ = try key.kind.value(items)
        } catch {
            throw Violation("an entry of \(key.path) is not sound")
        }
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            if scalar != "\"", scalar != "\\", (0x20...0x7E).contains(scalar.value) {
                quoted.unicodeScalars.append(scalar)
            } else {
                let digits = String(scalar.value, radix: 16)
                quoted += "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
            }
        }
        return quoted + "\""
    }

    private static func checkQuantities(_ text: String) throws(Violation) {
        if let duration = Duration(parsing: text) {
            try demand(Duration(parsing: duration.text) == duration, "a duration is not read as it is written")
        }
        if let size = ByteSize(parsing: text) {
            try demand(ByteSize(parsing: size.text) == size, "a size is not read as it is written")
        }
        if let address = HostPort(parsing: text) {
            try demand(HostPort(parsing: "\(address)") == address, "an address is not read as it is written")
        }
        try demand(text.printable.unicodeScalars.allSatisfy(\.isPrintable), "what is shown is not printable")
    }
}
