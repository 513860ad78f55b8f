internal import CLibPQ
internal import Glibc

/// How to reach the database, and what each connection pins.
package struct DatabaseConfiguration: Sendable, CustomStringConvertible {
    /// A libpq connection string or URI; several hosts for failover. May hold a password: never printed.
    package var url: String
    /// A file whose first line is the password. Read at each connect, so that it may be rotated.
    package var passwordFile: String?
    package var applicationName: String
    /// For the CLI's sessions: one that forgets a transaction must not hold a meter's lock for long.
    package var isAdministrative: Bool

    package init(
        url: String, passwordFile: String? = nil, applicationName: String = "gatepost", isAdministrative: Bool = false
    ) {
        self.url = url
        self.passwordFile = passwordFile
        self.applicationName = applicationName
        self.isAdministrative = isAdministrative
    }

    /// Of libpq, `15.14`.
    package static var libraryVersion: String {
        let number = PQlibVersion()
        return "\(number / 10_000).\(number % 10_000)"
    }

    /// Host, port, user and database, without secrets.
    package var description: String {
        guard let given = try? parsed() else { return "(unreadable connection string)" }
        let parts = ["host", "hostaddr", "port", "user", "dbname"].compactMap { key in
            given.first { $0.0 == key }.map { "\(key)=\($0.1)" }
        }
        return parts.isEmpty ? "libpq's defaults" : parts.joined(separator: " ")
    }

    /// What is added unless the connection string says otherwise: a dead peer is noticed within seconds.
    static let defaults: [(String, String)] = [
        ("connect_timeout", "5"), ("keepalives", "1"), ("keepalives_idle", "2"), ("keepalives_interval", "1"),
        ("keepalives_count", "5"), ("tcp_user_timeout", "5000"), ("target_session_attrs", "read-write"),
        ("client_encoding", "UTF8"),
    ]

    /// Everything `PQconnectdbParams` is given.
    func parameters() throws(DatabaseError) -> [(String, String)] {
        let given = try parsed()
        var all = Self.defaults.filter { item in !given.contains { $0.0 == item.0 } }
        if !given.contains(where: { $0.0 == "application_name" }) {
            all.append(("fallback_application_name", applicationName))
        }
        all += given
        if let passwordFile, !given.contains(where: { $0.0 == "password" }) {
            all.append(("password", try readPassword(passwordFile)))
        }
        return all
    }

    /// What every session pins, whatever the role or the database says (LEDGER, "accept").
    var sessionSettings: String {
        let idle = isAdministrative ? "10s" : "0"
        #if PLANTED_FAULTS
            let synchronous = Planted.active == .commitNotWaited ? "local" : "on"
        #else
            let synchronous = "on"
        #endif
        return """
            SET default_transaction_isolation = 'read committed';
            SET default_transaction_read_only = off;
            SET client_min_messages = warning;
            SET synchronous_commit = \(synchronous);
            SET statement_timeout = 0;
            SET lock_timeout = 0;
            SET idle_in_transaction_session_timeout = '\(idle)';
            SET search_path = pg_catalog;
            SET timezone = 'UTC'
            """
    }

    private func parsed() throws(DatabaseError) -> [(String, String)] {
        var reason: UnsafeMutablePointer<CChar>?
        guard let options = PQconninfoParse(url, &reason) else {
            defer { PQfreemem(reason) }
            // libpq's sentence may quote the string, and the string may hold the password.
            let mayLeak = url.contains("@") || url.contains("password")
            let detail = mayLeak ? "" : ": " + (reason.map { String(cString: $0) } ?? "out of memory").trimmed
            throw DatabaseError(.configuration, "the database's connection string cannot be read\(detail)")
        }
        defer { PQconninfoFree(options) }
        var all: [(String, String)] = []
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { all.append((String(cString: keyword), String(cString: value))) }
            option += 1
        }
        return all
    }
}

/// The first line of a file that holds a password.
private func readPassword(_ path: String) throws(DatabaseError) -> String {
    guard let file = fopen(path, "re") else {
        throw DatabaseError(
            .configuration, "cannot read the database password file \(path): \(String(cString: strerror(errno)))")
    }
    defer { fclose(file) }
    var line = [UInt8]()
    while case let octet = getc(file), octet != EOF, octet != 10, line.count < 4096 { line.append(UInt8(octet)) }
    if line.last == 13 { line.removeLast() }
    guard !line.isEmpty else {
        throw DatabaseError(.configuration, "the database password file \(path) is empty")
    }
    return String(decoding: line, as: UTF8.self)
}

extension String {
    /// Without the line end libpq's messages have.
    var trimmed: String {
        var text = self[...]
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text)
    }
}
