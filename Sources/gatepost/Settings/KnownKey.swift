/// One setting: where it stands in the file, what it takes, and what holds when nobody sets it.
///
/// The table below is the only list of settings there is. The file's reader, the environment's reader,
/// `Config/gatepost.yaml` and its test all go by it.
struct KnownKey: Sendable {
    /// Section and name, `submission.listen`.
    var path: String
    var kind: SettingKind
    /// The default as it would be written in the file, items apart by commas; nil where there is none.
    var standard: String?
    /// What stands in the commented file where there is no default to show.
    var example: String?
    /// What it is for, its unit and its default in words; a line of prose for the file.
    var summary: String

    init(_ path: String, _ kind: SettingKind, _ standard: String? = nil, example: String? = nil, _ summary: String) {
        self.path = path
        self.kind = kind
        self.standard = standard
        self.example = example
        self.summary = summary
    }

    var section: String { String(path.prefix { $0 != "." }) }
    var name: String { String(path.drop { $0 != "." }.dropFirst()) }

    /// The variable that overrides the file: `GATEPOST_SUBMISSION_LISTEN`.
    var variable: String {
        "GATEPOST_" + path.uppercased().map { $0 == "." || $0 == "-" ? "_" : String($0) }.joined()
    }
}

extension KnownKey {
    /// Every setting, in the order of the file.
    static let all: [KnownKey] = first + submission + further

    private static let byPath = Dictionary(uniqueKeysWithValues: all.map { ($0.path, $0) })

    static func named(_ path: String) -> KnownKey? { byPath[path] }

    private static let first: [KnownKey] = [
        KnownKey(
            "node.name", .text, example: "gate-1",
            "Name of this node in logs and as a holder of leases. Default: the machine's host name."),

        KnownKey(
            "database.url", .databaseURL, example: "postgresql://gatepost_node@db.example/gatepost",
            "Connection string of the node's role, gatepost_node (`serve`). No default."),
        KnownKey(
            "database.admin-url", .databaseURL, example: "postgresql://gatepost_admin@db.example/gatepost",
            "Connection string of the operator's commands, gatepost_admin. Default: database.url."),
        KnownKey(
            "database.owner-url", .databaseURL, example: "postgresql://gatepost_owner@db.example/gatepost",
            "Connection string of `gatepost migrate`, gatepost_owner. Default: database.admin-url."),
        KnownKey(
            "database.password-file", .path, example: "/etc/gatepost/database.password",
            "File (mode 0600) with the password for all three. Default: none; GATEPOST_DATABASE_PASSWORD goes first."),
    ]

    private static let further: [KnownKey] = [
        KnownKey(
            "forwarder.certificate", .path, example: "/etc/gatepost/pki/forwarder.pem",
            "Client certificate that opens the relays' gate, PEM. No default: the forwarder role needs it."),
        KnownKey(
            "forwarder.private-key", .path, example: "/etc/gatepost/pki/forwarder.key",
            "Its private key, PEM, mode 0600. No default: the forwarder role needs it."),
        KnownKey(
            "forwarder.authorities", .path, example: "/etc/gatepost/pki/ca.pem",
            "Authorities that relays must be certified by, PEM. No default: the forwarder role needs it."),
        KnownKey(
            "forwarder.revocations", .path, example: "/etc/gatepost/pki/crl.pem",
            "Revocation lists, PEM, looked at again every second; missing or out of date, no relay with TLS `mutual` gets "
                + "mail. Default: crl.pem in pki.directory where there is one."),
        KnownKey(
            "forwarder.smarthost-authorities", .path, "/etc/ssl/certs/ca-certificates.crt",
            "Authorities that smarthosts with TLS `verify` must be certified by, PEM."),
        KnownKey(
            "forwarder.retry", .durations, "1m, 5m, 15m, 30m, 1h, 2h, 4h",
            "Waits after the first, second, … deferral; the last one repeats (ms, s, m, h, d)."),
        KnownKey(
            "forwarder.expire-after", .duration, "5d",
            "Age at which a recipient still deferred is given up as bounced (ms, s, m, h, d)."),
        KnownKey(
            "forwarder.delay-warning", .duration, "4h",
            "Age at which senders who asked for it (NOTIFY=DELAY) hear that a recipient is still tried (ms, s, m, h, d)."
        ),
        KnownKey(
            "forwarder.connections-per-member", .count(1...1000), "10",
            "Connections at a time from this node to one relay."),

        KnownKey(
            "relay.listen", .addresses, "0.0.0.0:2525",
            "Addresses to take mail from forwarders on, host:port, a list."),
        KnownKey(
            "relay.hostname", .hostName, example: "relay-1.example.com",
            "Name in the greeting and in Received. Default: the machine's host name."),
        KnownKey(
            "relay.certificate", .path, example: "/etc/gatepost/pki/relay.pem",
            "Certificate chain of this relay, PEM. No default: the relay role needs it."),
        KnownKey(
            "relay.private-key", .path, example: "/etc/gatepost/pki/relay.key",
            "Its private key, PEM, mode 0600. No default: the relay role needs it."),
        KnownKey(
            "relay.authorities", .path, example: "/etc/gatepost/pki/ca.pem",
            "Authorities that forwarders must be certified by, PEM. No default: the relay role needs it."),
        KnownKey(
            "relay.revocations", .path, example: "/etc/gatepost/pki/crl.pem",
            "Revocation lists, PEM, looked at again every second; missing or out of date, no forwarder is let in. "
                + "Default: crl.pem in pki.directory where there is one."),
        KnownKey(
            "relay.route", .choice(["file", "smarthost"]), "file",
            "Where mail goes from here: `file` writes each message into relay.file-directory, `smarthost` sends it on to relay.smarthost while the forwarder waits."
        ),
        KnownKey(
            "relay.file-directory", .path, example: "/var/lib/gatepost/outbox",
            "Folder of the `file` route, one .eml for each message. No default: that route needs it."),
        KnownKey(
            "relay.smarthost", .hostAndPort, example: "smtp.example.net:587",
            "Mail server of the `smarthost` route, host:port; on port 465 TLS comes first. No default: that route needs it."
        ),
        KnownKey(
            "relay.smarthost-tls", .choice(["none", "opportunistic", "require", "verify"]), "verify",
            "Its TLS: `none`; `opportunistic`, in the clear if need be; `require`, any certificate; `verify`, its own."),
        KnownKey(
            "relay.smarthost-authorities", .path, "/etc/ssl/certs/ca-certificates.crt",
            "Authorities that relay.smarthost must be certified by (`verify`), PEM."),
        KnownKey(
            "relay.smarthost-username", .text, example: "acme",
            "Name to log in with there. Default: none; then nobody logs in."),
        KnownKey(
            "relay.smarthost-password-file", .path, example: "/etc/gatepost/smarthost.password",
            "File (mode 0600) with the password for it. Default: none."),
        KnownKey(
            "relay.smarthost-connections", .count(1...1000), "10",
            "Connections at a time to relay.smarthost; what comes beyond waits."),

        KnownKey(
            "notices.from", .mailbox, example: "gatepost@example.com",
            "Address that warnings to tenants' contacts are mailed from (`tenant set --contact`). Default: none; then"
                + " they are logged and mailed to nobody."),

        KnownKey(
            "dns.servers", .numericAddresses, example: "192.0.2.53:53",
            "Resolvers, address:port, a list (`domain verify`). Default: those of /etc/resolv.conf."),
        KnownKey(
            "dns.port", .count(1...65_535), "53",
            "Port that a zone's own name servers are asked at."),

        KnownKey(
            "pki.directory", .path, "/etc/gatepost/pki",
            "Folder of the pool's own authority (`gatepost ca`)."),

        KnownKey(
            "log.format", .choice(["auto", "text", "json"]), "auto",
            "`text` for people, `json` for a line of JSON each; `auto` is text on a terminal, else JSON."),
        KnownKey(
            "log.level", .choice(["trace", "debug", "info", "notice", "warning", "error", "critical"]), "info",
            "Least severity to log."),
        KnownKey(
            "log.refusals-per-minute", .count(1...1_000_000), "60",
            "Lines a minute about refused input from one address, and about all mail that waits for a relay; what goes "
                + "beyond is counted and summed up."),

        KnownKey(
            "shutdown.grace", .duration, "30s",
            "How long transactions under way may go on after SIGTERM, and then deliveries (ms, s, m, h, d). A service manager must wait longer than twice this and 30 s."
        ),
    ]

    /// Variables that begin with GATEPOST_ and are no settings.
    static let otherVariables = ["GATEPOST_CONFIG", "GATEPOST_DATABASE_PASSWORD"]
}
