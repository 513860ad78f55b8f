import Glibc
import TLS
import Testing

/// A folder under the system's temporary one that is gone when the value is.
final class TemporaryFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/gatepost-tls-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { $0.baseAddress.flatMap { mkdtemp($0) } }
        path = String(cString: try #require(made))
    }

    deinit { run("/bin/rm", ["-rf", path]) }

    func write(_ content: String, _ name: String, mode: mode_t = 0o600) throws -> String {
        let file = "\(path)/\(name)"
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC, mode)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        let octets = Array(content.utf8)
        #expect(Glibc.write(descriptor, octets, octets.count) == octets.count)
        chmod(file, mode)
        return file
    }

    func read(_ name: String) throws -> String {
        let descriptor = open("\(path)/\(name)", O_RDONLY)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var octets = [UInt8](repeating: 0, count: 1 << 16)
        let count = Glibc.read(descriptor, &octets, octets.count)
        return String(decoding: octets.prefix(max(0, count)), as: UTF8.self)
    }
}

/// An authority with a server, a relay and a forwarder, made once: keys take a while.
struct Certificates {
    let folder: TemporaryFolder
    let authority: CertificateAuthority

    init() throws {
        folder = try TemporaryFolder()
        authority = try CertificateAuthority.create(in: folder.path + "/pki")
        try authority.issue("server", .server(hosts: ["localhost", "127.0.0.1", "::1"]))
        try authority.issue("forwarder", .forwarder)
    }

    func server(
        asking: Bool = false, minimum: TLSContext.Version = .tls12
    ) throws -> TLSContext {
        try .server(
            certificateChain: authority.certificateFile(of: "server"), privateKey: authority.keyFile(of: "server"),
            clientAuthorities: asking ? authority.certificateFile : nil, minimum: minimum)
    }

    func client(as name: String? = nil, of other: Certificates? = nil) throws -> TLSContext {
        let owner = other ?? self
        return try .client(
            authorities: authority.certificateFile,
            certificateChain: name.map { owner.authority.certificateFile(of: $0) },
            privateKey: name.map { owner.authority.keyFile(of: $0) })
    }
}

/// Runs a program to its end; its exit code.
@discardableResult
func run(_ program: String, _ arguments: [String]) -> Int32 {
    var pid = pid_t()
    var argv: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
    argv.append(nil)
    defer { for argument in argv { free(argument) } }
    guard posix_spawn(&pid, program, nil, nil, argv, environ) == 0 else { return -1 }
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    return status >> 8 & 0xff
}
