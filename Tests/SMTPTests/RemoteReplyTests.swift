import NIOCore
import Testing

@testable import SMTP

/// Whose words a reply holds: the server's, one behind our own relay, or ours.
@Suite struct RemoteReplyTests {
    /// What a next hop's answer to the content is taken for.
    private func heard(_ answer: String, submitter: String?) -> RemoteReply? {
        var dialogue = DeliveryDialogue(wire: .lmtp, hostname: "forwarder.example", tls: .none)
        var output = ByteBuffer()
        var reply: RemoteReply?
        for line in ["220 relay", "250 relay", "250 ok", "250 ok", "354 go", answer] {
            var bytes = ByteBuffer(string: line + "\r\n")
            dialogue.receive(&bytes)
            while let action = dialogue.advance(into: &output) {
                switch action {
                case .ready where reply == nil:
                    dialogue.deliver(
                        DeliverySubject.transaction(["a@d.example"], submitter: submitter), into: &output)
                case .sendContent: while !dialogue.sendContent(into: &output) {}
                case .outcomes(let outcomes): reply = outcomes.first?.reply
                default: break
                }
            }
        }
        return reply
    }

    @Test func `our own relay is heard as the server that it passes on, and nobody else is`() throws {
        let answer = "550 5.1.1 mx.example said: 550 no such"
        let ours = try #require(heard(answer, submitter: "acme")?.passedOn)
        #expect(ours.server == "mx.example" && ours.words == "550 no such")
        let stranger = try #require(heard(answer, submitter: nil))
        #expect(stranger.passedOn == nil && stranger.text == "mx.example said: 550 no such")
    }

    @Test(arguments: ["no such", "mx.example said: no", "he who said: 550 no", " said: 550 no", "mx.example said: 550"])
    func `what has not the form of it is the relay's own word`(_ text: String) throws {
        let reply = try #require(heard("550 5.1.1 \(text)", submitter: "acme"))
        #expect(reply.isFromOurRelay && reply.passedOn == nil)
    }

    @Test func `who tells senders itself is known, behind our own relay too`() throws {
        func heard(_ text: String, isFromOurRelay: Bool = false, isFromReporter: Bool = false) -> RemoteReply {
            RemoteReply(
                code: 250, enhanced: nil, text: text, command: "end of data", isFromOurRelay: isFromOurRelay,
                isFromReporter: isFromReporter)
        }
        #expect(heard("ok", isFromReporter: true).tellsSenders && !heard("ok").tellsSenders)
        let passedOn = heard("2.0.0 ok", isFromReporter: true).words(of: "mx.example")
        let relayed = heard(passedOn, isFromOurRelay: true)
        #expect(relayed.tellsSenders, "\(passedOn)")
        #expect(relayed.passedOn?.server == "mx.example" && relayed.passedOn?.words == "250 2.0.0 ok")
        #expect(!heard(heard("ok").words(of: "mx.example"), isFromOurRelay: true).tellsSenders)
        #expect(!heard(passedOn).tellsSenders, "it is the server's own word")
    }

    @Test func `a relay passes on what a server said, and tells what none said without its name for a speaker`() {
        func words(_ text: String, isOurs: Bool) -> String {
            RemoteReply(code: 451, enhanced: nil, text: text, command: "AUTH", isOurs: isOurs).words(of: "mx.example")
        }
        #expect(words("not now", isOurs: false) == "mx.example said: 451 not now")
        #expect(words("no way to log in", isOurs: true) == "delivery to mx.example: no way to log in")
        #expect(
            words("the connection to mx.example was lost", isOurs: true) == "the connection to mx.example was lost")
    }
}
