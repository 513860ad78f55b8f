import Delivery
import Logging

/// What the operator decides outside the database: addresses, certificates, time limits, logging.
///
/// The environment (`GATEPOST_SUBMISSION_LISTEN`) goes before the file, the file before the defaults of
/// `KnownKey.all`. Secrets come from files or the environment only and are not in here but for the database's
/// password, which does not describe itself.
struct Settings: Sendable {
    struct Node: Sendable { var name: String }

    struct Database: Sendable {
        /// For `serve`, the operator's commands and `migrate`; each falls back on the one before it.
        var url, adminURL, ownerURL: String?
        /// Of its own, and not as a node's.
        var hasAdminURL = false
        /// Of the environment; goes before the file.
        var password: Redacted?
        /// Read at each connect, so that it may be rotated.
        var passwordFile: String?
    }

    struct Forwarder: Sendable {
        var certificate, privateKey, authorities, revocations: String?
        var smarthostAuthorities: String?
        var retry: [Duration]
        var expireAfter, delayWarning: Duration
        var connectionsPerMember: Int
    }

    struct Relay: Sendable {
        enum Route: String, Sendable { case file, smarthost }
        var listen: [HostPort]
        var hostname: String
        var certificate, privateKey, authorities, revocations: String?
        var route: Route
        var fileDirectory: String?
        var smarthost, smarthostUsername, smarthostPasswordFile, smarthostAuthorities: String?
        var smarthostTLS: TLSMode
        var smarthostConnections: Int
    }

    struct Notices: Sendable {
        /// In From of mail to tenants' contacts; nil: none is sent.
        var from: String?
    }

    struct DNS: Sendable {
        /// Empty: the system's.
        var servers: [HostPort]
        var port: Int
    }
    struct PKI: Sendable { var directory: String }
    struct Log: Sendable {
        var format: LogFormat
        var level: Logger.Level
        var refusalsPerMinute: Int
    }
    struct Shutdown: Sendable { var grace: Duration }

    var node: Node
    var database: Database
    var submission: Submission
    var forwarder: Forwarder
    var relay: Relay
    var notices: Notices
    var dns: DNS
    var pki: PKI
    var log: Log
    var shutdown: Shutdown
    /// Every value by its key, for telling what a reload has changed.
    var byKey: [String: SettingValue]

    init(_ values: SettingsValues, password: Redacted?, machineName: String) {
        node = Node(name: values.text("node.name") ?? machineName)
        let url = values.text("database.url")
        let adminURL = values.text("database.admin-url") ?? url
        database = Database(
            url: url, adminURL: adminURL, ownerURL: values.text("database.owner-url") ?? adminURL, password: password,
            passwordFile: values.path("database.password-file"))
        database.hasAdminURL = values.text("database.admin-url") != nil
        submission = Submission(values, machineName: machineName)
        forwarder = Forwarder(
            certificate: values.path("forwarder.certificate"), privateKey: values.path("forwarder.private-key"),
            authorities: values.path("forwarder.authorities"), revocations: values.path("forwarder.revocations"),
            smarthostAuthorities: values.path("forwarder.smarthost-authorities"),
            retry: values.durations("forwarder.retry"), expireAfter: values.duration("forwarder.expire-after"),
            delayWarning: values.duration("forwarder.delay-warning"),
            connectionsPerMember: values.count("forwarder.connections-per-member"))
        relay = Relay(
            listen: values.addresses("relay.listen"), hostname: values.text("relay.hostname") ?? machineName,
            certificate: values.path("relay.certificate"), privateKey: values.path("relay.private-key"),
            authorities: values.path("relay.authorities"), revocations: values.path("relay.revocations"),
            route: values.word("relay.route"),
            fileDirectory: values.path("relay.file-directory"), smarthost: values.text("relay.smarthost"),
            smarthostUsername: values.text("relay.smarthost-username"),
            smarthostPasswordFile: values.path("relay.smarthost-password-file"),
            smarthostAuthorities: values.path("relay.smarthost-authorities"),
            smarthostTLS: values.word("relay.smarthost-tls"),
            smarthostConnections: values.count("relay.smarthost-connections"))
        notices = Notices(from: values.text("notices.from"))
        dns = DNS(servers: values.addressesOrNone("dns.servers"), port: values.count("dns.port"))
        pki = PKI(directory: values.path("pki.directory") ?? "")
        log = Log(
            format: values.word("log.format"), level: values.word("log.level"),
            refusalsPerMinute: values.count("log.refusals-per-minute"))
        shutdown = Shutdown(grace: values.duration("shutdown.grace"))
        byKey = values.all
    }
}

/// A secret that was read from a file or the environment. Prints as `[redacted]`, whatever prints it.
struct Redacted: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    let value: String

    init(_ value: String) { self.value = value }

    var description: String { "[redacted]" }
    var debugDescription: String { "[redacted]" }
    var customMirror: Mirror { Mirror(self, children: []) }
}
