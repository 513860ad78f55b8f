internal import Glibc

/// Who changed something, for the audit: the operating system's word, and sudo's for whom root stands.
package enum OperatingSystemUser {
    /// `alice`, or `alice as root` under sudo. For the audit only: what may be done is the database role's to say.
    package static func current(environment: [String: String]) -> String {
        name(of: geteuid(), sudoUser: environment["SUDO_USER"])
    }

    static func name(of id: uid_t, sudoUser: String?) -> String {
        let own = getpwuid(id).map { String(cString: $0.pointee.pw_name) } ?? "uid \(id)"
        guard let sudoUser, sudoUser != own, isName(sudoUser) else { return own }
        return "\(sudoUser) as \(own)"
    }

    private static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { octet in
                switch octet {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
    }
}
