internal import COpenSSL

/// Keys, certificates and rules shared by many connections. Any thread may use it.
package final class TLSContext: @unchecked Sendable {
    package enum Version: Sendable, Hashable { case tls12, tls13 }

    package static func server(
        certificateChain: String, privateKey: String, clientAuthorities: String? = nil, minimum: Version = .tls12
    ) throws(TLSError) -> TLSContext {
        throw .configuration(reason: "not built yet")
    }

    package static func client(
        authorities: String?, certificateChain: String? = nil, privateKey: String? = nil, minimum: Version = .tls12
    ) throws(TLSError) -> TLSContext {
        throw .configuration(reason: "not built yet")
    }
}
