import Synchronization

extension Settings {
    /// What a reload (SIGHUP) takes over while the process runs.
    private static func isReloadable(_ key: String) -> Bool {
        switch key {
        case "submission.listen", "submission.listen-tls", "submission.threads": false
        case "relay.certificate", "relay.private-key", "relay.authorities", "relay.revocations",
            "relay.smarthost-authorities",
            "forwarder.certificate", "forwarder.private-key", "forwarder.authorities", "forwarder.revocations",
            "forwarder.smarthost-authorities",
            "pki.directory", "log.level", "log.refusals-per-minute",
            "notices.from", "shutdown.grace":
            true
        default: key.hasPrefix("submission.")
        }
    }

    /// What the forwarder of the same node looks at as well, which keeps what it began with.
    private static func isAlsoForwarders(_ key: String) -> Bool {
        key == "submission.hostname" || key == "submission.body-memory"
    }

    /// The keys whose values differ: those that a reload takes over, and those that only a restart does, or does for all
    /// of the node.
    static func changes(from old: Settings, to new: Settings) -> (applied: [String], needRestart: [String]) {
        let keys = Set(old.byKey.keys).union(new.byKey.keys).filter { old.byKey[$0] != new.byKey[$0] }.sorted()
        return (keys.filter(isReloadable), keys.filter { !isReloadable($0) || isAlsoForwarders($0) })
    }
}

/// The settings as they are now.
final class LiveSettings: Sendable {
    private let settings: Mutex<Settings>

    init(_ settings: Settings) { self.settings = Mutex(settings) }

    var current: Settings { settings.withLock { $0 } }

    func replace(by new: Settings) { settings.withLock { $0 = new } }
}
