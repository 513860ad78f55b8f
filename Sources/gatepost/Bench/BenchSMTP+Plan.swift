import Foundation
import Glibc
import NIOCore
import SubmissionClient
import TLS

extension BenchSMTP {
    func plan() throws -> LoadPlan {
        let logins = try readLogins()
        let context: TLSContext
        do {
            context = try TLSContext.client(authorities: insecure ? nil : ca, remembersTrust: true)
        } catch {
            throw Failure("\(error)")
        }
        let messages = messages ?? (hold == nil ? 10_000 : connections)
        var plan = LoadPlan(
            host: host, port: port, messages: messages, from: from, toDomain: toDomain,
            client: .init(
                heloName: "bench.invalid", startsTLS: !implicitTLS, credentials: logins[0],
                choosesMechanism: mechanism == nil, pipelines: pipeline),
            tls: .init(context: context, serverName: serverName ?? host, isAtOnce: implicitTLS))
        plan.logins = logins
        plan.connections = min(connections, messages)
        plan.messagesPerConnection = messagesPerConnection ?? 0
        plan.sizes = size.sizes(seed: seed)
        plan.recipients = recipients
        plan.rate = rate
        plan.hold = hold.map { $0 == 0 ? .untilStopped : .time(.seconds(Int64($0))) }
        plan.threads = threads
        plan.timeout = .seconds(Int64(timeout))
        return plan
    }

    func hint(for reason: String) -> String? {
        let reason = reason.lowercased()
        if reason.contains("sessions open") || reason.contains("authentication: 421") {
            return "the server lets one login have so many sessions: fewer --connections, or more logins (--logins)"
        }
        if reason.contains("the server offers no auth") {
            if reason.hasSuffix("(it offers: )") {
                return "is this a port for submission, and does its server take a login there?"
            }
            return mechanism == nil
                ? "this client knows PLAIN, LOGIN, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS"
                : "without --mechanism the first that the server offers and this client knows is taken"
        }
        if reason.contains("this port begins with tls") {
            return "add --implicit-tls, or take the port of STARTTLS"
        }
        if reason.contains("the server offers no starttls") {
            return
                "has it another port, for STARTTLS or, with --implicit-tls, for TLS? A login in the clear is not tried"
        }
        if reason.contains("wrong version number"), implicitTLS {
            return "does TLS come first at \(host):\(port)? Where STARTTLS is used, leave out --implicit-tls"
        }
        if reason.contains("no reply within"), !implicitTLS {
            return "is the server up at \(host):\(port)? Where TLS comes first, add --implicit-tls"
        }
        if reason.contains("authentication") {
            if let logins { return "do the lines of \(logins) hold a login name and its secret each?" }
            return "is the secret in \(secretFile ?? "") the one of \(username ?? "")?"
        }
        if reason.contains("tls") || reason.contains("certificate") {
            return "--ca names the server's authority, --server-name the name in its certificate"
        }
        return "is the server up at \(host):\(port)?"
    }

    /// At least one.
    private func readLogins() throws -> [ClientCredentials] {
        // A mechanism of its own choice replaces it.
        let mechanism = mechanism ?? .plain
        if let logins {
            let read = try lines(of: logins).enumerated().map { number, line in
                let words = line.split(separator: " ").map(String.init)
                guard words.count == 2 else {
                    throw Failure(
                        "\(logins.printable):\(number + 1): expected a login name and a secret, apart by a space")
                }
                return ClientCredentials(username: words[0], secret: words[1], mechanism: mechanism)
            }
            guard !read.isEmpty else { throw Failure("there are no logins in \(logins.printable)") }
            return read
        }
        guard let username, let secretFile else { throw Failure("nobody to log in as") }
        guard let secret = try lines(of: secretFile).first else {
            throw Failure("cannot read a secret from \(secretFile.printable)", hint: "its first line is the secret")
        }
        return [ClientCredentials(username: username, secret: secret, mechanism: mechanism)]
    }

    private func lines(of file: String) throws -> [String] {
        let octets: [UInt8]
        if file == "-" {
            octets = Array(FileHandle.standardInput.readDataToEndOfFile())
        } else {
            let content: (bytes: [UInt8], mode: mode_t)
            do {
                content = try readFile(file, limit: 256 << 20)
            } catch {
                throw Failure("\(error.path.printable): \(error.reason)")
            }
            // A measurement's login is no server's secret: it is used, and said.
            if content.mode & S_IFMT == S_IFREG, content.mode & 0o077 != 0 {
                write("note: \(file.printable) can be read by others; chmod 600 \(file.printable)\n", to: STDERR_FILENO)
            }
            octets = content.bytes
        }
        return octets.split { $0 == 0x0A || $0 == 0x0D }.map { String(decoding: $0, as: UTF8.self) }
    }

    /// Messages a second in batches of 50 of one hot tenant.
    func acceptAlone() async throws -> Double {
        var rate = 0.0
        let size = size.sizes(seed: seed).largest
        try await AcceptBench.with(common, tenants: 1) { bench in
            rate = try await bench.measure(tenants: 1, batch: 50, connections: 1, messages: 10_000, size: size)
                .messagesPerSecond
        }
        return rate
    }
}

/// The soft limit of open files.
enum DescriptorLimit {
    /// To the hard limit, which is returned; nil where it cannot be asked for.
    @discardableResult
    static func raise() -> UInt? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return limit.rlim_max
    }
}
