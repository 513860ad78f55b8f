import Glibc
import MailMessage
package import NIOCore
package import SMTP
import Synchronization
package import TLS

/// A message that the gate has let in, on its way to the route.
package struct Arrival: Sendable {
    /// As the log line, the Received field and, with the route `file`, the file's name have it.
    package let id: String
    package let envelope: RelayDialogue.Envelope
    /// Our Received field, which belongs in front of the content (RFC 5321 §4.4).
    package let trace: ByteBuffer
    package let content: ByteBuffer

    /// - Parameters:
    ///   - session: how the forwarder came in.
    ///   - hostname: ours.
    ///   - unixSeconds: the moment; nil: now.
    package init(
        _ envelope: RelayDialogue.Envelope, content: ByteBuffer, from clientAddress: String, over session: TLSSession?,
        at hostname: String, date unixSeconds: Int64? = nil
    ) {
        id = ArrivalID.next()
        self.envelope = envelope
        self.content = content
        trace = TraceField.received(
            heloName: envelope.heloName, clientAddress: clientAddress, protocol: envelope.protocolName,
            tlsVersion: session?.version, cipher: session?.cipher, hostname: hostname, queueID: id,
            date: unixSeconds ?? Int64(time(nil)))
    }

    /// Octets of what goes on from here.
    package var size: Int { trace.readableBytes + content.readableBytes }
}

extension RelayDialogue.Envelope {
    /// RFC 3848 and, for internationalized mail, RFC 6531 §4.3. The gate takes mail inside TLS only.
    fileprivate var protocolName: String {
        switch (isLMTP, parameters.isInternationalized) {
        case (true, false): "LMTPS"
        case (true, true): "UTF8LMTPS"
        case (false, false): "ESMTPS"
        case (false, true): "UTF8SMTPS"
        }
    }
}

/// Names no two messages share: time, process and a counter, so that a listing is in order of arrival.
private enum ArrivalID {
    private static let counter = Atomic<UInt64>(0)

    static func next() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let count = counter.add(1, ordering: .relaxed).newValue
        return "\(now.tv_sec).\(padded(now.tv_nsec / 1000)).\(getpid()).\(count)"
    }

    private static func padded(_ microseconds: Int) -> String {
        let digits = String(microseconds)
        return String(repeating: "0", count: max(0, 6 - digits.count)) + digits
    }
}
