import Postgres

/// In which of the three roles a command works.
enum DatabaseRole: Sendable {
    /// `serve`.
    case node
    /// The operator's commands.
    case admin
    /// `migrate`.
    case owner

    /// The setting that says how to connect in it.
    var key: String {
        switch self {
        case .node: "database.url"
        case .admin: "database.admin-url"
        case .owner: "database.owner-url"
        }
    }
}

extension Settings {
    /// How to reach the database in a role.
    func database(as role: DatabaseRole) throws(Failure) -> DatabaseConfiguration {
        let url =
            switch role {
            case .node: database.url
            case .admin: database.adminURL
            case .owner: database.ownerURL
            }
        guard var url else {
            throw Failure(
                "no database is configured: `database.url` is not set",
                hint: "set it in the settings file, or GATEPOST_DATABASE_URL in the environment")
        }
        if let password = database.password { url = url.adding(password: password) }
        return DatabaseConfiguration(
            url: url, passwordFile: database.passwordFile, applicationName: "gatepost \(role)",
            isAdministrative: role != .node)
    }
}

extension String {
    /// libpq takes a password as a parameter of either form of connection string.
    fileprivate func adding(password: Redacted) -> String {
        guard firstRange(of: "://") != nil else {
            let quoted = password.value.map { $0 == "'" || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
            return self + " password='\(quoted)'"
        }
        let encoded = password.value.utf8.map { octet in
            let digits = String(octet, radix: 16, uppercase: true)
            return octet < 0x10 ? "%0" + digits : "%" + digits
        }.joined()
        return self + (contains("?") ? "&" : "?") + "password=" + encoded
    }
}
