/// The relay pool's own certificate authority: a folder with the authority, what it issued and a list of that.
package struct CertificateAuthority: Sendable {
    package enum Kind: Sendable, Hashable {
        /// A relay, reached under these DNS names and IP addresses. Server certificate only.
        case relay(hosts: [String])
        /// A forwarder: the one kind that a relay takes mail from. Client certificate only.
        case forwarder
        /// A submission server, reached under these DNS names and IP addresses. Server certificate only.
        case server(hosts: [String])

        /// `relay`, `forwarder`, `server`: as the command line and the index have it.
        package var word: String {
            switch self {
            case .relay: "relay"
            case .forwarder: "forwarder"
            case .server: "server"
            }
        }
    }

    /// One line of the index.
    package struct Entry: Sendable, Hashable {
        package let name: String
        /// `authority`, `relay`, `forwarder` or `server`.
        package let kind: String
        /// Lower-case hexadecimal.
        package let serial: String
        /// Seconds since the Unix epoch.
        package let notBefore: Int64
        /// Seconds since the Unix epoch.
        package let notAfter: Int64
        /// Subject alternative names.
        package let hosts: [String]
    }

    package let folder: String

    /// Makes the folder (0700), `ca.pem`, `ca.key` and the index. Refuses where an authority is already.
    package static func create(
        in folder: String, name: String = "Gatepost pool CA", days: Int = 3650
    ) throws(TLSError) -> CertificateAuthority { throw .authority(reason: "not built yet") }

    /// An authority made before.
    package init(existing folder: String) throws(TLSError) {
        self.folder = folder
        throw .authority(reason: "not built yet")
    }

    /// Writes `<name>.pem` (certificate) and `<name>.key`, both 0600, and adds a line to the index.
    package func issue(_ name: String, _ kind: Kind, days: Int = 825) throws(TLSError) -> Entry {
        throw .authority(reason: "not built yet")
    }

    /// Everything issued, oldest first, the authority itself included.
    package func list() throws(TLSError) -> [Entry] { throw .authority(reason: "not built yet") }

    package var certificateFile: String { folder + "/ca.pem" }
    package func certificateFile(of name: String) -> String { "\(folder)/\(name).pem" }
    package func keyFile(of name: String) -> String { "\(folder)/\(name).key" }
}
