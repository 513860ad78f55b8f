import Glibc
import Logging
import Relay
import Synchronization
import TLS

/// The certificates this node answers with: read again at a reload, and watched for their end; and the lists of what
/// the pool's authority has taken back, by which a relay judges forwarders and a forwarder relays.
final class WatchedCertificates: Sendable {
    private let sources = Mutex<[(source: TLSContextSource, role: String)]>([])
    /// Lists were read by a reload: whoever is connected has not been judged by them.
    private let hasReloaded = Mutex(false)

    func add(_ source: TLSContextSource, _ role: String) { sources.withLock { $0.append((source, role)) } }

    /// The contexts of now, by role.
    var inUse: [String: TLSContext] {
        Dictionary(sources.withLock { $0 }.map { ($0.role, $0.source.current) }) { $1 }
    }

    /// Reads all files again. Where some are no good, what was read before goes on, and the log says which.
    func reload(logger: Logger) {
        defer { hasReloaded.withLock { $0 = true } }
        for (source, role) in sources.withLock({ $0 }) {
            do throws(TLSError) {
                try source.reload()
                logger.notice(
                    "certificates read",
                    metadata: [
                        "role": "\(role)", "files": .array(source.current.certificates.map { .string($0.file) }),
                    ])
                Self.tell(source, role, logger)
                if let fault = source.current.revocations?.fault { Self.complain(of: fault, role, logger) }
            } catch {
                logger.error(
                    "certificates could not be read; those of before stay in use",
                    metadata: ["role": "\(role)", "reason": "\(error)"])
            }
        }
    }

    /// Until cancelled: revocation lists every second, ends every hour.
    func watch(relay: RelayServer?, logger: Logger) async {
        var expiry = ExpiryWatch()
        var seconds = 0
        var known = 0
        repeat {
            let sources = sources.withLock { $0 }
            // What a role adds later is looked at then.
            let isDue = seconds % 3600 == 0 || sources.count != known
            known = sources.count
            if hasReloaded.withLock({ flag in
                defer { flag = false }
                return flag
            }) {
                await relay?.revocationsChanged()
            }
            for (source, role) in sources {
                var isRead = true
                switch source.reloadIfRevocationsChanged() {
                case .unchanged: isRead = false
                case .read: break
                case .readAlone(let error):
                    logger.error(
                        "certificates could not be read; those of before stay in use, with the revocation list of now",
                        metadata: ["role": "\(role)", "reason": "\(error)"])
                }
                if isRead {
                    if let fault = source.current.revocations?.fault {
                        Self.complain(of: fault, role, logger)
                    } else {
                        logger.notice("revocation list read", metadata: ["role": "\(role)"])
                    }
                    if role == "relay" { await relay?.revocationsChanged() }
                }
                if isDue, let fault = source.current.revocations?.fault { Self.complain(of: fault, role, logger) }
            }
            if isDue {
                for (source, role) in sources { Self.tell(source, role, logger) }
                let certificates = sources.flatMap(\.source.current.certificates)
                for warning in expiry.due(certificates, now: Int64(time(nil))) {
                    logger.warning(
                        warning.daysLeft < 0 ? "certificate has expired" : "certificate expires soon",
                        metadata: [
                            "file": "\(warning.file)", "days": .stringConvertible(warning.daysLeft),
                            "end": "\(warning.endText)",
                        ])
                }
            }
            seconds += 1
        } while (try? await Task.sleep(for: .seconds(1))) != nil
    }

    /// What is not answered with.
    private static func tell(_ source: TLSContextSource, _ role: String, _ logger: Logger) {
        for (file, reason) in source.current.leftOut {
            logger.error(
                "a certificate is left out", metadata: ["role": "\(role)", "file": "\(file)", "reason": "\(reason)"])
        }
    }

    /// What a list that says nothing means depends on whom it is to judge.
    private static func complain(of fault: String, _ role: String, _ logger: Logger) {
        logger.error(
            role == "relay" ? "no forwarder is let in: no revocation list" : "no relay gets mail: no revocation list",
            metadata: ["reason": "\(fault)"])
    }
}
