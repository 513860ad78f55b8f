internal import Glibc

/// A Postfix of this process's own: settings, queue and log in a folder under /tmp, on a free loopback port. Never the
/// system's.
///
/// Its master has to be started as root; where the tests run as somebody else, through `sudo -n`. A watchdog process
/// stops it and removes the folder when the test process ends, however that ends.
package final class PrivatePostfix: Sendable {
    package let folder: String
    /// Of its smtpd, on 127.0.0.1.
    package let port: Int
    private let watchdog: (process: ChildProcess, lifeline: Int32)

    package struct Failure: Error, CustomStringConvertible {
        package let description: String
        init(_ description: String) { self.description = description }
    }

    /// Starts it, blocking for a second or so, and waits until it takes connections.
    ///
    /// - Parameters:
    ///   - settings: lines of main.cf, after (so before) those that every instance has here.
    ///   - services: lines of master.cf beside the usual ones; `{folder}` in both is the instance's folder.
    package init(settings: [String], services: [String] = []) throws {
        port = FreePort.find()
        var template = Array("/tmp/gatepost-postfix-XXXXXX\0".utf8).map { CChar(bitPattern: $0) }
        guard let made = mkdtemp(&template) else { throw Failure("no folder under /tmp") }
        let folder = String(cString: made)
        self.folder = folder
        chmod(folder, 0o755)
        let main = Self.main(folder) + settings.map { $0.replacing("{folder}", with: folder) }
        let master = Self.master(port) + services.map { $0.replacing("{folder}", with: folder) }
        for name in ["etc", "queue", "data"] { mkdir("\(folder)/\(name)", 0o755) }
        try Self.write(main, to: "\(folder)/etc/main.cf")
        try Self.write(master, to: "\(folder)/etc/master.cf")
        try ChildProcess.run(Self.asRoot + ["chown", "-R", "root", "\(folder)/etc", "\(folder)/queue"])
        try ChildProcess.run(Self.asRoot + ["chown", "postfix", "\(folder)/data"])
        watchdog = try Self.startWatchdog(folder)
        _ = try ChildProcess(
            Self.asRoot + ["/usr/sbin/postfix", "-c", "\(folder)/etc", "start-fg"], log: "\(folder)/output")
        for _ in 0..<3000 {
            if Self.listens(port) { return }
            usleep(10_000)
        }
        throw Failure("Postfix does not start: \(readFile("\(folder)/output"))\(log)")
    }

    deinit {
        close(watchdog.lifeline)  // the watchdog stops it and removes the folder
        watchdog.process.wait()
    }

    package var log: String { readFile("\(folder)/log") }

    /// Ends the master and all it has started; what it has in its queue stays there.
    package func stop() throws {
        try ChildProcess.run(Self.asRoot + ["/usr/sbin/postfix", "-c", "\(folder)/etc", "stop"])
    }

    private static func main(_ folder: String) -> [String] {
        [
            "compatibility_level = 3.6", "queue_directory = \(folder)/queue", "data_directory = \(folder)/data",
            "command_directory = /usr/sbin", "daemon_directory = /usr/lib/postfix/sbin", "mail_owner = postfix",
            "setgid_group = postdrop", "inet_interfaces = 127.0.0.1", "inet_protocols = ipv4",
            "mynetworks = 127.0.0.0/8", "myhostname = postfix.example", "mydestination =", "local_recipient_maps =",
            "alias_maps =", "alias_database =", "smtpd_peername_lookup = no", "smtp_dns_support_level = disabled",
            "smtp_host_lookup = native", "maillog_file = \(folder)/log", "maillog_file_prefixes = \(folder)",
        ]
    }

    private static func master(_ port: Int) -> [String] {
        [
            "127.0.0.1:\(port) inet n - n - - smtpd", "pickup unix n - n 60 1 pickup",
            "cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr", "tlsmgr unix - - n 1000? 1 tlsmgr",
            "rewrite unix - - n - - trivial-rewrite", "bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce",
            "trace unix - - n - 0 bounce", "verify unix - - n - 1 verify", "flush unix n - n 1000? 0 flush",
            "proxymap unix - - n - - proxymap", "smtp unix - - n - - smtp", "relay unix - - n - - smtp",
            "showq unix n - n - - showq", "error unix - - n - - error", "retry unix - - n - - error",
            "discard unix - - n - - discard", "virtual unix - n n - - virtual", "lmtp unix - - n - - lmtp",
            "anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache", "postlog unix-dgram n - n - 1 postlogd",
        ]
    }

    private static func write(_ lines: [String], to path: String) throws {
        guard let file = fopen(path, "we") else { throw Failure("cannot write \(path)") }
        defer { fclose(file) }
        fputs(lines.joined(separator: "\n") + "\n", file)
    }

    private static func listens(_ port: Int) -> Bool {
        let descriptor = Loopback.stream()
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return Loopback.connect(descriptor, to: port)
    }

    private static var asRoot: [String] { geteuid() == 0 ? [] : ["sudo", "-n"] }

    /// A shell that reads from a pipe whose other end only this process holds: its end of file is our end.
    private static func startWatchdog(_ folder: String) throws -> (ChildProcess, Int32) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw Failure("no pipe") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let script = """
            trap '' INT TERM HUP
            cat >/dev/null
            "$@" /usr/sbin/postfix -c "$0/etc" stop >/dev/null 2>&1
            "$@" rm -rf "$0"
            """
        let process = try ChildProcess(["sh", "-c", script, folder] + asRoot, input: ends[0])
        close(ends[0])
        return (process, ends[1])
    }
}
