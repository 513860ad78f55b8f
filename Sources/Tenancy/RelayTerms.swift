/// What a relay is to be: only what is named changes.
package struct RelayTerms: Sendable, Hashable {
    /// A value, or none of it any more.
    package enum Setting<Value: Sendable & Hashable>: Sendable, Hashable {
        case value(Value)
        case none
    }

    /// `lmtp` or `smtp`.
    package var wire: String?
    package var tls: String?
    package var weight: Int64?
    /// From each node; none: the node's setting.
    package var connections: Setting<Int64>?
    /// None: its host.
    package var serverName: Setting<String>?
    /// Active again, or draining.
    package var isDraining: Bool?
    /// None: no AUTH. With a value, `password` must be there.
    package var username: Setting<String>?
    /// Goes to the database beside the JSON, never into the audit.
    package var password: String?

    package init() {}

    package var isEmpty: Bool { self == RelayTerms() }

    /// For `admin.relay_add` and `admin.relay_set`, without the password.
    var json: String {
        var members: [(String, String)] = []
        if let wire { members.append(("protocol", JSONText.string(wire))) }
        if let tls { members.append(("tls", JSONText.string(tls))) }
        if let weight { members.append(("weight", "\(weight)")) }
        if let connections { members.append(("connections", Self.json(connections) { "\($0)" })) }
        if let serverName { members.append(("server_name", Self.json(serverName, JSONText.string))) }
        if let isDraining { members.append(("status", isDraining ? "\"draining\"" : "\"active\"")) }
        if let username { members.append(("username", Self.json(username, JSONText.string))) }
        return "{" + members.map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", ") + "}"
    }

    private static func json<Value>(_ setting: Setting<Value>, _ text: (Value) -> String) -> String {
        switch setting {
        case .value(let value): text(value)
        case .none: "null"
        }
    }
}

extension RelayTerms: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { json }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
