package import Histogram
package import NIOCore

/// What a load run does.
package struct LoadPlan: Sendable {
    package var host: String
    package var port: Int
    /// Open at the same time.
    package var connections: Int
    package var messages: Int
    /// After so many a connection says QUIT and another takes its place; 0: connections are kept open, and the clock
    /// starts when all of them stand.
    package var messagesPerConnection: Int
    /// Octets of each message, header included; at least `LoadMessage.minimumSize`.
    package var size: Int
    package var recipients: Int
    /// The sender's address, in envelope and From.
    package var from: String
    /// Recipients are r1@, r2@ … this domain.
    package var toDomain: String
    package var client: ClientDialogue.Configuration
    package var tls: ClientHandler.TLSOptions?
    package var threads: Int
    /// Without an octet for so long a connection is given up.
    package var timeout: TimeAmount

    package init(
        host: String, port: Int, connections: Int, messages: Int, messagesPerConnection: Int, size: Int,
        recipients: Int,
        from: String, toDomain: String, client: ClientDialogue.Configuration, tls: ClientHandler.TLSOptions?,
        threads: Int, timeout: TimeAmount
    ) {
        self.host = host
        self.port = port
        self.connections = connections
        self.messages = messages
        self.messagesPerConnection = messagesPerConnection
        self.size = size
        self.recipients = recipients
        self.from = from
        self.toDomain = toDomain
        self.client = client
        self.tls = tls
        self.threads = threads
        self.timeout = timeout
    }
}

/// What came of it.
package struct LoadReport: Sendable {
    /// Acknowledged with 250.
    package var accepted = 0
    /// By code and enhanced code, as in `450 4.7.1`.
    package var refusals: [String: Int] = [:]
    /// The first refusal's whole text, for each of `refusals`.
    package var examples: [String: String] = [:]
    /// Messages whose connection ended before their reply: nobody knows what became of them.
    package var unanswered = 0
    /// Connections that ended otherwise than by QUIT, by reason.
    package var failures: [String: Int] = [:]
    /// Sessions that reached AUTH's end.
    package var sessions = 0
    /// From MAIL to the reply to the final dot, accepted messages alone, in microseconds.
    package var latency = Histogram<UInt64>(
        highestTrackableValue: 3_600_000_000, numberOfSignificantValueDigits: .three)
    /// From the clock's start to the last reply.
    package var elapsed: Duration = .zero
    /// This process' own processor time in the same span.
    package var processorTime: Duration = .zero
    /// What stopped the run early: every connection would have met it.
    package var fatal: String?
    /// Stopped by the caller.
    package var isInterrupted = false
    /// TLS version and cipher of the last session.
    package var tls: String?

    package var refused: Int { refusals.values.reduce(0, +) }
    package var messagesPerSecond: Double { elapsed > .zero ? Double(accepted) / elapsed.inSeconds : 0 }

    mutating func add(_ other: LoadReport) {
        accepted += other.accepted
        refusals.merge(other.refusals, uniquingKeysWith: +)
        examples.merge(other.examples) { first, _ in first }
        unanswered += other.unanswered
        failures.merge(other.failures, uniquingKeysWith: +)
        sessions += other.sessions
        latency.add(other.latency)
        tls = tls ?? other.tls
    }
}

extension Duration {
    package var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
