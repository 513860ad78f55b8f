/// What an operator has changed, as `NOTIFY gatepost_directory` tells it.
package enum DirectoryChange: Sendable, Hashable {
    case tenant(Int64)
    case credential(Int64)
    case pool
    /// Something that concerns everyone; also a word we do not know, from a newer version.
    case everything

    package static let channel: StaticString = "gatepost_directory"

    package init(payload: String) {
        let parts = payload.split(separator: ":", maxSplits: 1)
        switch (parts.first, parts.count == 2 ? Int64(parts[1]) : nil) {
        case ("tenant"?, let id?): self = .tenant(id)
        case ("credential"?, let id?): self = .credential(id)
        case ("pool"?, nil): self = .pool
        default: self = .everything
        }
    }
}
