import NIOCore

@testable import SMTP

/// The forwarder's side under a transcript. There the dialogue is the client: its C lines are expected, the S lines
/// are what the peer sends. `ready` is answered by the next of its transactions, or QUIT.
struct DeliverySubject: TranscriptSubject {
    var dialogue: DeliveryDialogue
    var transactions: [DeliveryDialogue.Transaction]
    var login: (mechanism: String, initial: [UInt8]?)?
    var isGenuine = true

    init(
        _ wire: DeliveryDialogue.Wire, tls: DeliveryDialogue.TLSRequirement = .none, authenticates: Bool = false,
        _ transactions: [DeliveryDialogue.Transaction]
    ) {
        dialogue = DeliveryDialogue(
            wire: wire, hostname: "forwarder.example", tls: tls, authenticates: authenticates)
        self.transactions = transactions
    }

    static func transaction(
        _ recipients: [String], content: String = "x\r\n", sender: String = "a@own.example",
        submitter: String? = "acme",
        isEightBit: Bool = false
    ) -> DeliveryDialogue.Transaction {
        DeliveryDialogue.Transaction(
            sender: (try? ReversePath(parsing: sender)) ?? .null, submitter: submitter,
            recipients: recipients.compactMap { try? EnvelopeRecipient(Mailbox(parsing: $0)) },
            content: ByteBuffer(string: content),
            isEightBit: isEightBit)
    }

    mutating func begin(into output: inout ByteBuffer) {}
    mutating func receive(_ bytes: inout ByteBuffer) { dialogue.receive(&bytes) }

    mutating func nextAction(into output: inout ByteBuffer) -> String? {
        dialogue.advance(into: &output).map(Self.text)
    }

    static func text(_ action: DeliveryDialogue.Action) -> String {
        switch action {
        case .startTLS: "startTLS"
        case .authenticate: "authenticate"
        case .challenge(let octets): "challenge \(String(decoding: octets, as: UTF8.self))"
        case .authenticated: "authenticated"
        case .exhausted: "exhausted"
        case .ready: "ready"
        case .sendContent: "sendContent"
        case .outcomes(let outcomes):
            "outcomes "
                + outcomes.map { outcome in
                    switch outcome {
                    case .delivered(let reply): "delivered \(reply.code)"
                    case .deferred(let reply): "deferred \(reply.code)"
                    case .bounced(let reply): "bounced \(reply.code)"
                    }
                }.joined(separator: ", ")
        case .failed(let reply): "failed \(reply)" + (reply.isOurs ? " (ours, at \(reply.command))" : "")
        }
    }

    mutating func answer(_ action: String, with answer: String?, into output: inout ByteBuffer) {
        switch action.prefix(while: { $0 != " " }) {
        case "startTLS": dialogue.secured()
        case "ready":
            if transactions.isEmpty {
                dialogue.quit(into: &output)
            } else {
                dialogue.deliver(transactions.removeFirst(), into: &output)
            }
        case "sendContent": if answer == nil { while !dialogue.sendContent(into: &output) {} }
        case "authenticate":
            if let login {
                dialogue.authenticate(mechanism: login.mechanism, initialResponse: login.initial, into: &output)
            } else {
                dialogue.abandonAuthentication("no way to log in")
            }
        case "challenge": dialogue.respond(Array("response".utf8), into: &output)
        case "authenticated": dialogue.confirm(isGenuine: isGenuine)
        case "exhausted": dialogue.quit(into: &output)
        default: break
        }
    }
}
