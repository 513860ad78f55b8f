internal import Glibc
internal import NIOCore
internal import NIOPosix

/// Why a connection did not come about, in the system's words: NIO's are for those who know NIO.
package struct ConnectFailure: CustomStringConvertible {
    package let description: String

    package init(_ error: any Error) { description = Self.words(for: error) }

    private static func words(for error: any Error) -> String {
        if let error = error as? IOError { return String(cString: strerror(error.errnoCode)) }
        if let error = error as? ChannelError, case .connectTimeout(let limit) = error {
            return "no answer within \(limit.nanoseconds / 1_000_000_000) s"
        }
        guard let attempts = error as? NIOConnectionError else { return "\(error)" }
        // A name may have several addresses, and each a reason of its own.
        var reasons: [String] = []
        for attempt in attempts.connectionErrors {
            let reason = words(for: attempt.error)
            if !reasons.contains(reason) { reasons.append(reason) }
        }
        if !reasons.isEmpty { return reasons.joined(separator: "; ") }
        if attempts.dnsAError != nil || attempts.dnsAAAAError != nil { return "its name has no address" }
        return "\(error)"
    }
}
