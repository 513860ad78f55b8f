import Delivery
import Logging
import NIOCore
import NIOPosix
import Relay
import SASL
import SMTP
import TLS

/// Where mail goes from a relay.
///
/// - Parameters:
///   - threads: for the blocking calls of `file`.
///   - eventLoop: for the connections of `smarthost`.
///   - verified: what its certificate is judged by, where that is asked for.
func makeRoute(
    _ relay: Settings.Relay, threads: NIOThreadPool, on eventLoop: any EventLoop, verified: TLSContextSource?,
    logger: Logger
) throws(Failure) -> any Route {
    switch relay.route {
    case .file:
        let directory = try relay.routeDirectory()
        do {
            return try FileRoute(directory: directory, threads: threads, logger: logger)
        } catch {
            throw Failure(
                "\(error)", hint: "relay.file-directory is to be a folder that the service's user may write to")
        }
    case .smarthost:
        let hop = try relay.smarthostHop()
        return SmarthostRoute(
            NextHopClient(
                to: hop, hostname: relay.hostname, tls: try relay.contexts(verified), limit: relay.smarthostConnections,
                on: eventLoop),
            name: hop.host)
    }
}

extension Settings.Relay {
    /// - Throws: where the route lacks what it needs.
    func requireRoute() throws(Failure) {
        switch route {
        case .file: _ = try routeDirectory()
        case .smarthost:
            _ = try smarthostAddress()
            _ = try loginNames()
        }
    }

    fileprivate func routeDirectory() throws(Failure) -> String {
        try fileDirectory.required("relay.file-directory", "the folder that the route `file` writes to")
    }

    /// The server of the route `smarthost`.
    func smarthostHop() throws(Failure) -> NextHop {
        let address = try smarthostAddress()
        return NextHop(
            host: address.host, port: address.port, wire: .smtp, tls: smarthostTLS, login: try login())
    }

    private func smarthostAddress() throws(Failure) -> HostPort {
        let text = try smarthost.required("relay.smarthost", "the mail server that the route `smarthost` sends to")
        guard let address = HostPort(parsing: text) else {
            throw Failure("`relay.smarthost` is '\(text.printable)'; expected host:port, like smtp.example.net:587")
        }
        return address
    }

    fileprivate func contexts(_ verified: TLSContextSource?) throws(Failure) -> NextHopTLS {
        do {
            let unverified = try TLSContext.client(authorities: nil)
            return NextHopTLS(unverified: { unverified }, verified: { verified?.current }, mutual: { nil })
        } catch {
            throw Failure("\(error)")
        }
    }

    private func loginNames() throws(Failure) -> (username: String, passwordFile: String)? {
        switch (smarthostUsername, smarthostPasswordFile) {
        case (nil, nil): nil
        case (.some, nil): throw .missing("relay.smarthost-password-file", "the password of relay.smarthost-username")
        case (nil, .some): throw .missing("relay.smarthost-username", "whose password the file holds")
        case (let username?, let file?): (username, file)
        }
    }

    private func login() throws(Failure) -> ClientLogin? {
        guard let (username, file) = try loginNames() else { return nil }
        let password: String
        do {
            // (Once: it may be a pipe.)
            password = try readSecretFile(file)
        } catch {
            throw Failure("\(error.path): \(error.reason)")
        }
        guard let login = ClientLogin(username: username, password: password) else {
            throw Failure("`relay.smarthost-username` and its password cannot be used: they hold a NUL")
        }
        return login
    }
}
