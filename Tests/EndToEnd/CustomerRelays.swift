import Foundation
import SiteSupport
import TestSupport
import Testing

/// A mail server that a customer has: its applications hand mail to it without password or TLS, and it sends through
/// Gatepost as its smarthost.
protocol CustomerRelay: Sendable {
    var port: Int { get }
    var log: String { get }
}

extension PrivatePostfix: CustomerRelay {
    static func customer(
        _ site: Site, _ credential: Site.Credential, smarthost port: Int, isImplicit: Bool, mechanism: String
    ) async throws -> PrivatePostfix {
        let login = "\(credential.username):\(credential.secret)"
        return try await onThread {
            try PrivatePostfix(
                settings: [
                    "relayhost = [localhost]:\(port)", "smtp_sasl_auth_enable = yes",
                    "smtp_sasl_security_options = noanonymous", "smtp_sasl_tls_security_options = noanonymous",
                    "smtp_sasl_password_maps = inline:{ { [localhost]:\(port) = \(login) } }",
                    "smtp_tls_security_level = secure", "smtp_tls_secure_cert_match = nexthop",
                    "smtp_tls_CAfile = \(site.ca)", "smtp_tls_loglevel = 1", "message_size_limit = 50000000",
                    "smtp_sasl_mechanism_filter = \(mechanism.lowercased())",
                    "smtp_tls_wrappermode = \(isImplicit ? "yes" : "no")",
                ])
        }
    }
}

/// Exim from Debian's packages, unpacked beside the system (it cannot be installed beside Postfix), as a daemon.
final class Exim: CustomerRelay {
    private let folder: String
    private let process: ChildProcess
    let port = FreePort.find()

    init(
        _ site: Site, _ credential: Site.Credential, smarthost: Int, isImplicit: Bool, mechanism: String
    ) async throws {
        // Not in the site's, which nobody else may enter: Exim does not run as root.
        var template = Array("/tmp/gatepost-exim-XXXXXX\0".utf8).map { CChar(bitPattern: $0) }
        folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        chmod(folder, 0o755)
        let user: uid_t = geteuid() == 0 ? 65533 : geteuid()
        let unpacked = try site.run([
            "sh", "-ec",
            """
            cd '\(folder)'
            apt-get download -qq exim4-daemon-light
            dpkg-deb -x exim4-daemon-light_*.deb .
            chmod u-s usr/sbin/exim4
            rm *.deb
            install -m 644 '\(site.ca)' ca.pem
            mkdir log spool
            chown \(user) log spool
            """,
        ])
        try #require(unpacked.status == 0, "\(unpacked.standardError)")
        try Self.settings(folder, credential, smarthost, isImplicit, mechanism).write(
            toFile: "\(folder)/exim.conf", atomically: true, encoding: .utf8)
        // Its user belongs to the package's installation, which did not happen: names of a folder's own.
        try (readFile("/etc/passwd") + "Debian-exim:x:\(user):65533::\(folder):/bin/false\n")
            .write(toFile: "\(folder)/passwd", atomically: true, encoding: .utf8)
        try (readFile("/etc/group") + "Debian-exim:x:65533:\n")
            .write(toFile: "\(folder)/group", atomically: true, encoding: .utf8)
        process = try ChildProcess(
            (geteuid() == 0 ? ["setpriv", "--reuid=\(user)", "--regid=65533", "--clear-groups"] : []) + [
                "env", "LD_PRELOAD=libnss_wrapper.so", "NSS_WRAPPER_PASSWD=\(folder)/passwd",
                "NSS_WRAPPER_GROUP=\(folder)/group", "\(folder)/usr/sbin/exim4", "-C", "\(folder)/exim.conf", "-bdf",
                "-q1s", "-oX", "127.0.0.1.\(port)",
            ], log: "\(folder)/output")
        site.watch(process)
        let port = port
        try #require(
            await eventually(within: .seconds(30), every: .milliseconds(50)) {
                try site.run(["swaks", "--server", "127.0.0.1:\(port)", "--quit-after", "CONNECT"]).status == 0
            }, "\(log)")
    }

    deinit {
        process.signal(SIGTERM)
        process.wait()
        try? FileManager.default.removeItem(atPath: folder)
    }

    var log: String { readFile("\(folder)/output") + readFile("\(folder)/log/main") }

    private static func settings(
        _ folder: String, _ credential: Site.Credential, _ smarthost: Int, _ isImplicit: Bool, _ mechanism: String
    ) -> String {
        let login =
            mechanism == "LOGIN"
            ? ": \(credential.username) : \(credential.secret)" : "^\(credential.username)^\(credential.secret)"
        return """
            primary_hostname = exim.example
            exim_path = \(folder)/usr/sbin/exim4
            deliver_drop_privilege = true
            spool_directory = \(folder)/spool
            log_file_path = \(folder)/log/%s
            keep_environment = LD_PRELOAD:NSS_WRAPPER_PASSWD:NSS_WRAPPER_GROUP
            local_interfaces = 127.0.0.1
            host_lookup =
            rfc1413_hosts =
            tls_advertise_hosts =
            dsn_advertise_hosts = *
            smtputf8_advertise_hosts = *
            acl_smtp_rcpt = accept
            acl_smtp_data = accept
            domainlist local_domains =
            begin routers
            smarthost:
              driver = manualroute
              domains = !+local_domains
              transport = gatepost
              route_list = * localhost::\(smarthost) byname
              self = send
            begin transports
            gatepost:
              driver = smtp
              protocol = \(isImplicit ? "smtps" : "smtp")
              hosts_require_auth = *
              hosts_require_tls = *
              tls_verify_certificates = \(folder)/ca.pem
              tls_verify_hosts = *
              tls_verify_cert_hostnames = *
            begin authenticators
            login:
              driver = plaintext
              public_name = \(mechanism)
              client_send = \(login)
            begin retry
            * * F,1m,2s
            """
    }
}
