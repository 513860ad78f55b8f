internal import Cryptography

/// One SQL file of the schema, as this binary carries it.
package struct SchemaFile: Sendable, Equatable {
    package enum Kind: String, Sendable {
        /// Applied once, never changed afterwards.
        case migration
        /// Applied again whenever its text changes.
        case function
    }

    package let kind: Kind
    /// `0001_schema.sql`; migrations apply in this order.
    package let name: String
    package let text: String

    package init(kind: Kind, name: String, text: String) {
        self.kind = kind
        self.name = name
        self.text = text
    }

    /// SHA-256 of the text.
    var checksum: [UInt8] { Array(SHA256.hash(text.utf8)) }

    /// The oldest node that can work on the schema this file leaves: its line `-- oldest node: 0.1.0`.
    var oldestNode: Release {
        let marker = "-- oldest node:"
        for line in text.split(separator: "\n").prefix(40) where line.lowercased().hasPrefix(marker) {
            let version = line.dropFirst(marker.count).drop { $0 == " " }.prefix { $0 != " " && $0 != "\r" }
            if let release = Release(version) { return release }
        }
        return Release(0, 1, 0)
    }
}
