import Glibc
import Postgres
import SiteSupport
import TestSupport

extension Row {
    /// With a synchronous standby: a commit that was only made here is no commit.
    static let standby = Row(
        name: "standby",
        summary: "commits that wait for a frozen synchronous standby are cancelled, the primary is killed, the standby "
            + "promoted",
        unit: "promotions", short: 1, full: 20, leg: 1
    ) { leg in
        let scene = try await Scene(leg)
        let standby = try Standby(of: scene.site)
        try await scene.site.sql.query("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        try await scene.site.sql.query("SELECT pg_reload_conf()")
        try await scene.start(submissions: 2, forwarders: 1, relays: 1)
        var verdict = try await scene.judged(messages: 0, judgedAt: standby.connection) {
            guard let load = scene.load else { return }
            _ = await eventually(within: .seconds(60)) { load.acknowledged >= 200 }
            scene.disturb("the standby is frozen", mayDuplicate: true)
            standby.freeze(true)
            // Whatever waits for it is told not to: committed here, nowhere else, and said with a warning.
            for _ in 0..<20 {
                let rows = try? await scene.site.sql.query(
                    """
                    SELECT pg_cancel_backend(pid) FROM pg_stat_activity
                    WHERE wait_event = 'SyncRep' AND usename = 'gatepost_node'
                    """, within: .seconds(2))
                scene.count("waits cancelled", rows?.count ?? 0)
                try await Task.sleep(for: .milliseconds(100))
            }
            load.stop()
            for node in scene.nodes { node.kill() }
            let cluster = scene.site.cluster
            try await onThread { cluster.stop(SIGKILL) }
            standby.freeze(false)
            try await standby.promote()
        }
        if verdict.counts["waits cancelled", default: 0] == 0 {
            verdict.add(.noTest, "no commit waited for the standby")
        }
        return verdict
    }
}

/// A streaming standby of a site's PostgreSQL.
private final class Standby: Sendable {
    private let process: ChildProcess
    private let folder: String
    private let asPostgres: [String]
    let connection: DatabaseConnection

    init(of site: Site) throws {
        let cluster = site.cluster
        folder = "\(cluster.folder)/standby"
        asPostgres =
            geteuid() == 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : []
        try ChildProcess.run(
            asPostgres + [
                PrivateCluster.binary("pg_basebackup"), "-D", folder, "-R", "-X", "stream", "-c", "fast", "-d",
                cluster.url(user: "postgres", database: "postgres") + " application_name=standby",
            ])
        let port = FreePort.find()
        process = try ChildProcess(
            asPostgres + [
                PrivateCluster.binary("postgres"), "-D", folder, "-k", cluster.folder, "-p", "\(port)", "-c",
                "listen_addresses=", "-c", "max_connections=600", "-c", "shared_buffers=64MB",
            ], log: "\(cluster.folder)/standby.log")
        site.watch(process)
        connection = DatabaseConnection(
            DatabaseConfiguration(
                url: "host=\(cluster.folder) port=\(port) user=postgres dbname=\(site.database.name)"),
            name: "standby")
    }

    deinit {
        freeze(false)
        process.signal(SIGQUIT)
        process.wait()
    }

    /// SIGSTOP or SIGCONT to all of it.
    func freeze(_ isFrozen: Bool) {
        let signal = isFrozen ? SIGSTOP : SIGCONT
        let children = readFile("/proc/\(process.id)/task/\(process.id)/children").split(separator: " ")
        for child in children.compactMap({ Int32($0.trimmingPrefix(while: \.isWhitespace)) }) { kill(child, signal) }
        process.signal(signal)
    }

    func promote() async throws {
        try await onThread { [asPostgres, folder] in
            try ChildProcess.run(asPostgres + [PrivateCluster.binary("pg_ctl"), "promote", "-D", folder, "-w"])
        }
    }
}
