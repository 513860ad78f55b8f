internal import Foundation
internal import Glibc
internal import SiteSupport
internal import TestSupport

/// A file system of a few megabytes, which only root can have; the last of it given back when the run ends.
final class SmallDisk: Sendable {
    let folder: String
    private var filler: String { "\(folder)/filler" }

    /// Nil where nothing can be mounted.
    init?(megabytes: Int) {
        var template = Array("/tmp/gatepost-disk-XXXXXX\0".utf8).map { CChar(bitPattern: $0) }
        guard geteuid() == 0, let made = mkdtemp(&template) else { return nil }
        folder = String(cString: made)
        let mounted = try? ChildProcess(["mount", "-t", "tmpfs", "-o", "size=\(megabytes)m", "tmpfs", folder]).wait()
        guard mounted == 0 else {
            rmdir(folder)
            return nil
        }
        chmod(folder, 0o755)
    }

    deinit {
        // Lazily: PostgreSQL may still be about to end.
        _ = try? ChildProcess(["umount", "-l", folder]).wait()
        rmdir(folder)
    }

    /// A folder of it that belongs to PostgreSQL's user.
    func folderForPostgres() -> String {
        let path = "\(folder)/tables"
        mkdir(path, 0o700)
        if let owner = getpwnam("postgres") { chown(path, owner.pointee.pw_uid, owner.pointee.pw_gid) }
        return path
    }

    /// Takes all of its room.
    func fill() {
        let file = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { return }
        defer { close(file) }
        let page = [UInt8](repeating: 0, count: 1 << 20)
        lseek(file, 0, Int32(SEEK_END))
        for size in [1 << 20, 4096] { while write(file, page, size) == size {} }
    }

    func free() { unlink(filler) }
}

extension ChildProcess {
    /// User and system time of all its threads, in seconds.
    var cpuSeconds: Double {
        let fields = readFile("/proc/\(id)/stat").split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 13, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Octets of address space.
    var virtualSize: Int {
        let pages = readFile("/proc/\(id)/statm").split(separator: " ").first.flatMap { Int($0) } ?? 0
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// Sets the soft limit; the hard one stays where it is.
    func limit(_ resource: String, _ value: String) {
        _ = try? ChildProcess(["prlimit", "--pid", "\(id)", "--\(resource)=\(value):"]).wait()
    }
}

/// Connections that say nothing.
final class Crowd {
    private let port: Int
    private let count: Int
    private var sockets: [Int32] = []

    init(port: Int, count: Int) {
        self.port = port
        self.count = count
    }

    deinit { leave() }

    /// Each is begun and not waited for: the server may have no descriptor for it.
    func come() {
        var own = rlimit()
        getrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &own)
        own.rlim_cur = min(own.rlim_max, 65_536)
        setrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &own)
        for _ in 0..<count {
            let one = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
            guard one >= 0 else { break }
            Loopback.connect(one, to: port)
            sockets.append(one)
        }
    }

    func leave() {
        for one in sockets { close(one) }
        sockets = []
    }
}

extension PrivateCluster {
    /// Every process that works in the data folder, as all of a cluster's do.
    var processes: [Int32] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { Int32($0) }.filter {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\($0)/cwd")) == "\(folder)/data"
        }
    }
}
