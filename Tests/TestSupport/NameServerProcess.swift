internal import Glibc

/// A real authoritative name server (nsd) on a loopback address, for the zone `acme.example`.
package final class NameServerProcess: Sendable {
    private let process: ChildProcess
    private let folder: String

    /// - Parameter zone: the zone file's records; names are below `acme.example`.
    package init(_ address: String, _ port: Int, _ zone: String, of origin: String = "acme.example") throws {
        var template = Array("/tmp/gatepost-nsd-XXXXXX\0".utf8).map { CChar(bitPattern: $0) }
        guard mkdtemp(&template) != nil else { throw ChildProcess.SpawnFailure(description: "no temporary folder") }
        folder = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        let configuration = """
            server:
              ip-address: \(address)@\(port)
              zonesdir: "\(folder)"
              database: ""
              pidfile: ""
              xfrdfile: "\(folder)/xfrd"
              xfrdir: "\(folder)"
              zonelistfile: "\(folder)/zones"
              username: ""
              chroot: ""
              server-count: 1
            remote-control:
              control-enable: no
            zone:
              name: "\(origin)"
              zonefile: "zone"

            """
        try Self.write(configuration, to: folder + "/nsd.conf")
        try Self.write("$ORIGIN \(origin).\n" + zone, to: folder + "/zone")
        process = try ChildProcess(["/usr/sbin/nsd", "-d", "-c", folder + "/nsd.conf"], log: folder + "/log")
    }

    /// What it said: for a test that failed.
    package var log: String { readFile(folder + "/log") }

    package func stop() {
        process.signal(SIGTERM)
        process.wait()
        for name in ["nsd.conf", "zone", "log", "xfrd", "zones"] { unlink(folder + "/" + name) }
        rmdir(folder)
    }

    private static func write(_ text: String, to path: String) throws {
        guard let file = fopen(path, "we") else { throw ChildProcess.SpawnFailure(description: "cannot write \(path)") }
        defer { fclose(file) }
        fputs(text, file)
    }
}
