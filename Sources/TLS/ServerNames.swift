internal import COpenSSL
internal import Glibc

/// A certificate chain and its private key, each a PEM file.
package struct TLSIdentity: Sendable, Hashable {
    package let certificateChain: String
    package let privateKey: String

    package init(certificateChain: String, privateKey: String) {
        self.certificateChain = certificateChain
        self.privateKey = privateKey
    }

    /// Every pair in a folder: `NAME.pem` (or `.crt`) with `NAME.key`, and sub-folders with `fullchain.pem` and
    /// `privkey.pem`, as ACME clients keep them. In the order of their names.
    package static func all(in folder: String) throws(TLSError) -> [TLSIdentity] {
        var identities: [TLSIdentity] = []
        for name in try names(in: folder) where !name.hasPrefix(".") {
            let path = "\(folder)/\(name)"
            if exists("\(path)/fullchain.pem") {
                identities.append(
                    TLSIdentity(certificateChain: "\(path)/fullchain.pem", privateKey: "\(path)/privkey.pem"))
            } else if name.hasSuffix(".pem") || name.hasSuffix(".crt") {
                let key = path.dropLast(4) + ".key"
                guard exists(String(key)) else {
                    throw .file(path: path, reason: "there is no \(key) beside it, so it cannot be used")
                }
                identities.append(TLSIdentity(certificateChain: path, privateKey: String(key)))
            }
        }
        return identities
    }

    private static func names(in folder: String) throws(TLSError) -> [String] {
        guard let stream = opendir(folder) else { throw .file(path: folder, reason: lastSystemError()) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) { name in
                    name.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
                })
        }
        return names.sorted()
    }
}

/// Which certificate a client gets that asks for a name (RFC 6066 §3). Not changed after `init`.
final class ServerNames: Sendable {
    let contexts: [TLSContext]
    private let exact: [String: TLSContext]
    /// By what stands behind `*.`.
    private let wildcards: [String: TLSContext]

    init(_ identities: [TLSIdentity], minimum: TLSContext.Version) throws(TLSError) {
        var contexts: [TLSContext] = []
        var exact: [String: TLSContext] = [:]
        var wildcards: [String: TLSContext] = [:]
        for identity in identities {
            let context = try TLSContext.alternative(identity, minimum: minimum)
            contexts.append(context)
            for name in context.certificateNames {
                if name.hasPrefix("*.") {
                    wildcards[String(name.dropFirst(2))] = context
                } else {
                    exact[name] = context
                }
            }
        }
        self.contexts = contexts
        self.exact = exact
        self.wildcards = wildcards
    }

    func context(for name: String) -> TLSContext? {
        let name = name.lowercased()
        if let context = exact[name] { return context }
        // A star stands for one label (RFC 9525 §6.3).
        guard let dot = name.firstIndex(of: ".") else { return nil }
        return wildcards[String(name[name.index(after: dot)...])]
    }

    /// The `SSL_CTX` points at this object, which its `TLSContext` keeps for as long.
    func install(in pointer: OpaquePointer) {
        _ = copenssl_ctx_set_server_name_callback(
            pointer, chooseCertificate, Unmanaged.passUnretained(self).toOpaque())
    }
}

/// Called by OpenSSL when it has read the client's hello. A name nobody has is answered with the first certificate:
/// clients that do not verify are as many as those that name the host by an alias.
private let chooseCertificate:
    @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutableRawPointer?) -> Int32 = {
        ssl, _, argument in
        guard let argument, let name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) else {
            return SSL_TLSEXT_ERR_NOACK
        }
        let names = Unmanaged<ServerNames>.fromOpaque(argument).takeUnretainedValue()
        guard let context = names.context(for: String(cString: name)) else { return SSL_TLSEXT_ERR_NOACK }
        // Takes a reference of its own.
        return SSL_set_SSL_CTX(ssl, context.pointer) == nil ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_OK
    }
