import Glibc
import Network
import Postgres
import SASL
import TLS

/// What this machine gives: libraries, descriptors, folders.
struct SystemCheck {
    let settings: Settings

    var findings: [Finding] { [libraries, descriptors] + folders }

    private var libraries: Finding {
        let versions = "\(tlsLibraryVersion), libpq \(DatabaseConfiguration.libraryVersion)"
        do {
            _ = try SASLServer.shared()
        } catch {
            return .wrong("libraries", "\(versions); \(error)", hint: "apt-get install libsasl2-modules")
        }
        return .ok("libraries", "gatepost \(Gatepost.version), \(versions), libsasl2 \(SASLServer.libraryVersion)")
    }

    /// A session costs a descriptor; `serve` raises its soft limit to the hard one.
    private var descriptors: Finding {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return .note("descriptors", "the limit of open files cannot be read")
        }
        let needed = DescriptorRoom.limit(for: settings.submission.maxConnections)
        if DescriptorRoom.connections(within: Int(clamping: limit.rlim_max)) >= settings.submission.maxConnections {
            return .ok("descriptors", "enough for submission.max-connections (\(settings.submission.maxConnections))")
        }
        return .wrong(
            "descriptors",
            "\(limit.rlim_max) open files are allowed, and submission.max-connections is "
                + "\(settings.submission.maxConnections)",
            hint: "LimitNOFILE=\(needed) in the unit, or a smaller submission.max-connections")
    }

    private var folders: [Finding] {
        guard settings.relay.certificate != nil, settings.relay.route == .file,
            let folder = settings.relay.fileDirectory
        else { return [] }
        var status = stat()
        guard stat(folder, &status) == 0 || errno != ENOENT else {
            return [.note("relay folder", "\(folder) is not there yet: the relay makes it when it starts")]
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            return [.wrong("relay folder", "\(folder) is no folder", hint: "relay.file-directory must be there")]
        }
        guard access(folder, W_OK | X_OK) == 0 else {
            return [.wrong("relay folder", "\(folder) may not be written by this user")]
        }
        return [.ok("relay folder", folder)]
    }
}
