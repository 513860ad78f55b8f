/// What PLAIN and LOGIN bring: a name and a secret. Describes itself without the secret.
struct PasswordMessage: CustomStringConvertible, CustomReflectable {
    /// LOGIN's plugin takes no more, and PLAIN is held to the same.
    static let longestSecret = 1_024

    let name: LoginName
    let secret: [UInt8]
    /// PLAIN with an authorization identity, which is the same as the name, octet for octet.
    let namesAuthorization: Bool

    var description: String { "PasswordMessage(\(name.text), redacted)" }
    var customMirror: Mirror { Mirror(self, children: []) }

    enum Fault: Error {
        /// No such message at all.
        case malformed(String)
        /// A message that cannot log anyone in.
        case refused(String, LoginName)
    }

    init(name: LoginName, secret: [UInt8], namesAuthorization: Bool = false) throws(Fault) {
        guard !secret.isEmpty else { throw .refused("an empty secret", name) }
        guard secret.count <= Self.longestSecret else { throw .refused("the secret is too long", name) }
        let forbidden: [UInt8] = [0, UInt8(ascii: "\r"), UInt8(ascii: "\n")]
        guard !secret.contains(where: { forbidden.contains($0) }) else {
            throw .refused("NUL or a line end in the secret", name)
        }
        self.name = name
        self.secret = secret
        self.namesAuthorization = namesAuthorization
    }

    /// RFC 4616 §2: `[authzid] NUL authcid NUL passwd`.
    init(parsingPlain octets: [UInt8]) throws(Fault) {
        let parts = octets.split(separator: 0, omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw .malformed("PLAIN has \(parts.count - 1) NULs instead of 2") }
        let name = LoginName(parts[1])
        guard !parts[1].isEmpty else { throw .refused("an empty user name", name) }
        guard parts[0].isEmpty || parts[0].elementsEqual(parts[1]) else {
            throw .refused("the authorization identity is another's", name)
        }
        try self.init(name: name, secret: Array(parts[2]), namesAuthorization: !parts[0].isEmpty)
    }

    /// The same as PLAIN, with the canonical name.
    var forLibrary: [UInt8] {
        let name = Array(self.name.text.utf8)
        return (namesAuthorization ? name : []) + [0] + name + [0] + secret
    }
}
