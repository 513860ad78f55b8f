package import SMTP

/// Where a relay takes the mail that its gate has let in.
package protocol Route: Sendable {
    /// Delivers one message, its trace in front, and answers for each recipient in the envelope's order
    /// (RFC 2033 §4.2).
    ///
    /// A `2xx` promises that the message has left this process for good: it is durable where it went.
    @concurrent func deliver(_ arrival: Arrival) async -> [Reply]
}
