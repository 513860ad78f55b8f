import Delivery
import Glibc

extension Settings {
    /// Where the settings are when neither --config nor GATEPOST_CONFIG says so.
    static let standardPath = "/etc/gatepost/gatepost.yaml"

    /// Reads the file and the environment.
    ///
    /// - Parameters:
    ///   - path: the file; nil: `GATEPOST_CONFIG`, else `/etc/gatepost/gatepost.yaml` where there is one, else none.
    ///   - environment: all of the process's variables.
    ///   - usesDatabase: false: the password's file need not be there yet.
    /// - Throws: every fault of the file and of the variables at once.
    static func load(
        path: String?, environment: [String: String], usesDatabase: Bool = true
    ) throws(SettingsError) -> Settings {
        var path = path ?? environment["GATEPOST_CONFIG"]
        if path == nil, access(standardPath, F_OK) == 0 { path = standardPath }
        var faults: [SettingsFault] = []
        var file = SettingsFile(text: "", path: "")
        if let path {
            do throws(FileReadError) {
                let content = try readFile(path, limit: SettingsFile.maxBytes)
                guard let text = String(validating: content.bytes, as: UTF8.self) else {
                    throw FileReadError(path: path, reason: "is not UTF-8 text")
                }
                file = SettingsFile(text: text, path: path)
                faults += file.faults.sorted { $0.position < $1.position }
                faults += exposedPassword(in: file, path: path, mode: content.mode)
            } catch {
                faults.append(SettingsFault(place: .wholeFile(path), text: error.reason))
            }
        }
        let variables = environment.filter { $0.key.hasPrefix("GATEPOST_") }
        faults += variableFaults(variables)
        guard faults.isEmpty else { throw SettingsError(faults: faults) }

        let values = SettingsValues(file: file, folder: path.map(folder(of:)), environment: variables)
        if usesDatabase { try checkPasswordFile(values) }
        try checkSmarthostLogin(values, file: file, path: path, variables)
        let password = variables["GATEPOST_DATABASE_PASSWORD"].map(Redacted.init)
        return Settings(values, password: password, machineName: machineName())
    }

    /// A connection string with a password in it makes the settings file a secret file.
    private static func exposedPassword(in file: SettingsFile, path: String, mode: mode_t) -> [SettingsFault] {
        guard mode & 0o077 != 0 else { return [] }
        return file.entries.sorted { $0.key < $1.key }.compactMap { name, entry in
            guard KnownKey.named(name)?.kind == .databaseURL, entry.items.contains(where: \.holdsPassword) else {
                return nil
            }
            return SettingsFault(
                place: .file(path, line: entry.line, column: entry.column),
                text: "'\(name)' holds a password and others can read this file; use database.password-file, or "
                    + "run: chmod 600 \(path.printable)")
        }
    }

    private static func variableFaults(_ variables: [String: String]) -> [SettingsFault] {
        let known = Dictionary(uniqueKeysWithValues: KnownKey.all.map { ($0.variable, $0) })
        return variables.sorted { $0.key < $1.key }.compactMap { name, text -> SettingsFault? in
            if KnownKey.otherVariables.contains(name) { return nil }
            guard let key = known[name] else {
                let nearest = (Array(known.keys) + KnownKey.otherVariables).nearest(to: name)
                let hint = nearest.map { "; did you mean \($0)?" } ?? ""
                return SettingsFault(place: .variable(name), text: "unknown setting in the environment\(hint)")
            }
            do throws(SettingProblem) {
                _ = try key.kind.value(key.kind.isList ? KnownKey.items(of: text) : [text])
                return nil
            } catch {
                let shown = key.kind.isList ? KnownKey.items(of: text)[error.item] : text
                return SettingsFault(place: .variable(name), text: SettingsFile.badValue(key, shown, error))
            }
        }
    }

    /// It is read anew at each connect; what is wrong with it is told before the first.
    private static func checkPasswordFile(_ values: SettingsValues) throws(SettingsError) {
        guard let path = values.path("database.password-file") else { return }
        do {
            _ = try readSecretFile(path)
        } catch {
            throw SettingsError(faults: [SettingsFault(place: .wholeFile(path), text: error.reason)])
        }
    }

    /// As the database has it of pools' members (`relay add`).
    private static func checkSmarthostLogin(
        _ values: SettingsValues, file: SettingsFile, path: String?, _ variables: [String: String]
    ) throws(SettingsError) {
        let route: Relay.Route = values.word("relay.route")
        let tls: TLSMode = values.word("relay.smarthost-tls")
        guard route == .smarthost, tls == .none || tls == .opportunistic,
            values.text("relay.smarthost-username") != nil
        else { return }
        // What was said last: TLS has a default that would do.
        let variable = KnownKey.named("relay.smarthost-tls")?.variable ?? ""
        let place: SettingsFault.Place =
            if variables[variable] == nil, let path, let entry = file.entries["relay.smarthost-tls"] {
                .file(path, line: entry.line, column: entry.column)
            } else {
                .variable(variable)
            }
        throw SettingsError(faults: [
            SettingsFault(
                place: place,
                text: "'relay.smarthost-tls' is \(tls.rawValue), and a password is not sent without certain TLS; with "
                    + "relay.smarthost-username it is require or verify")
        ])
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func machineName() -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
        let name = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return HostPort.isHostName(name) ? name : "localhost"
    }
}

extension SettingsFault {
    fileprivate var position: (Int, Int) {
        guard case .file(_, let line, let column) = place else { return (0, 0) }
        return (line, column)
    }
}

extension String {
    /// `postgresql://user:password@host/…` or `… password=…`.
    fileprivate var holdsPassword: Bool {
        // (libpq takes blanks around the sign.)
        if firstRange(of: /password\s*=/) != nil { return true }
        guard let scheme = firstRange(of: "://") else { return false }
        let authority = self[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" }
        guard let at = authority.lastIndex(of: "@") else { return false }
        return authority[..<at].contains(":")
    }
}
