package import Histogram
package import NIOCore

/// What a load run does.
package struct LoadPlan: Sendable {
    package var host: String
    package var port: Int
    /// Open at the same time.
    package var connections = 50
    package var messages: Int
    /// After so many a connection says QUIT and another takes its place; 0: connections are kept open, and the clock
    /// starts when all of them stand.
    package var messagesPerConnection = 0
    /// Octets of a message, header included; at least `LoadMessage.minimumSize`.
    package var sizes = LoadSizes.fixed(10_240)
    package var recipients = 1
    /// The sender's address, in envelope and From.
    package var from: String
    /// Recipients are r1@, r2@ … this domain.
    package var toDomain: String
    package var client: ClientDialogue.Configuration
    /// Connections take them in turn; without any, `client.credentials` are everybody's.
    package var logins: [ClientCredentials] = []
    package var tls: ClientHandler.TLSOptions?
    /// Messages a second that are begun, whatever has become of those before (open loop): latency then runs from when
    /// a message should have begun. Nil: each connection sends as soon as it may.
    package var rate: Double?
    /// When each connection has sent its share of the messages, all are held open, silent.
    package var hold: Hold?
    package var threads = 1
    /// Without an octet for so long a connection is given up.
    package var timeout: TimeAmount = .seconds(60)

    package enum Hold: Sendable, Hashable {
        case untilStopped
        case time(TimeAmount)
    }

    package init(
        host: String, port: Int, messages: Int, from: String, toDomain: String,
        client: ClientDialogue.Configuration, tls: ClientHandler.TLSOptions?
    ) {
        self.host = host
        self.port = port
        self.messages = messages
        self.from = from
        self.toDomain = toDomain
        self.client = client
        self.tls = tls
    }

    /// Of one connection that is held.
    var messagesBeforeHold: Int { max(1, messages / connections) }
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
    /// From MAIL, or from when it should have begun (`LoadPlan.rate`), to the reply to the final dot, accepted messages
    /// alone, in microseconds.
    package var latency = LoadReport.histogram
    /// From connecting to the end of AUTH, in microseconds.
    package var setUp = LoadReport.histogram
    /// Of the accepted messages, headers included.
    package var octets = 0
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
    /// The mechanism of the last session.
    package var mechanism: ClientCredentials.Mechanism?

    private static var histogram: Histogram<UInt64> {
        Histogram(highestTrackableValue: 3_600_000_000, numberOfSignificantValueDigits: .three)
    }

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
        setUp.add(other.setUp)
        octets += other.octets
        tls = tls ?? other.tls
        mechanism = mechanism ?? other.mechanism
    }
}

extension Duration {
    package var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
