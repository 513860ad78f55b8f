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
    /// `privkey.pem`, as ACME clients keep them. In the order of their names, also those that lack a file, or whose link
    /// leads nowhere: who reads them finds out.
    package static func all(in folder: String) throws(TLSError) -> [TLSIdentity] {
        var identities: [TLSIdentity] = []
        for name in try names(in: folder) where !name.hasPrefix(".") {
            let path = "\(folder)/\(name)"
            if isEntry("\(path)/fullchain.pem") {
                identities.append(
                    TLSIdentity(certificateChain: "\(path)/fullchain.pem", privateKey: "\(path)/privkey.pem"))
            } else if name.hasSuffix(".pem") || name.hasSuffix(".crt") {
                identities.append(TLSIdentity(certificateChain: path, privateKey: path.dropLast(4) + ".key"))
            }
        }
        return identities
    }

    private static func isEntry(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
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
    /// Files of certificates that are not used, or not for all of their names, and why.
    let leftOut: [(file: String, reason: String)]
    private let exact: [String: TLSContext]
    /// By what stands behind `*.`.
    private let wildcards: [String: TLSContext]

    /// One that cannot be used is left out, or as it was: it is one customer's, and the others must not suffer for it.
    ///
    /// - Parameter before: what was in force.
    init(_ identities: [TLSIdentity], minimum: TLSContext.Version, before: ServerNames?) {
        var contexts: [TLSContext] = []
        var leftOut: [(file: String, reason: String)] = []
        var names: [String: TLSContext] = [:]
        for identity in identities {
            let file = identity.certificateChain
            let context: TLSContext
            do throws(TLSError) {
                context = try TLSContext.alternative(identity, minimum: minimum)
            } catch {
                leftOut.append((file, "\(error)"))
                guard let old = before?.contexts.first(where: { $0.certificateFile == file }) else { continue }
                context = old
            }
            contexts.append(context)
            for name in context.certificateNames {
                guard let other = names[name] else {
                    names[name] = context
                    continue
                }
                // Named twice in one.
                if other === context { continue }
                // Whoever renewed one of two forgot the other.
                let isLater = context.certificateExpiry ?? 0 > other.certificateExpiry ?? 0
                if isLater { names[name] = context }
                let (used, unused) = isLater ? (context, other) : (other, context)
                leftOut.append(
                    (
                        unused.certificateFile ?? "",
                        "\(name) is answered with \(used.certificateFile ?? ""), which lasts longer"
                    ))
            }
        }
        self.contexts = contexts
        self.leftOut = leftOut
        exact = names.filter { !$0.key.hasPrefix("*.") }
        wildcards = Dictionary(
            uniqueKeysWithValues: names.filter { $0.key.hasPrefix("*.") }.map {
                (String($0.key.dropFirst(2)), $0.value)
            })
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
