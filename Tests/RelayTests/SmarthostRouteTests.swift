import SMTP
import Testing

@testable import Relay

/// What the smarthost said, as the forwarder hears it.
@Suite struct SmarthostRouteTests {
    private func reply(_ outcome: (RemoteReply) -> DeliveryDialogue.Outcome, _ code: Int, _ enhanced: EnhancedCode?)
        -> Reply
    {
        SmarthostRoute.reply(
            to: outcome(RemoteReply(code: code, enhanced: enhanced, text: "its \u{1b} words", command: "RCPT TO")),
            from: "mx.example")
    }

    @Test func `its code and words go through, and what is not about the message is for later`() {
        let yes = reply({ .delivered($0) }, 250, EnhancedCode(2, 6, 0))
        #expect(yes.code == 250 && yes.enhanced == EnhancedCode(2, 6, 0))
        #expect(yes.lines == [#"mx.example said: 250 2.6.0 its \x1b words"#])
        #expect(reply({ .bounced($0) }, 554, nil).enhanced == EnhancedCode(5, 0, 0))
        #expect(reply({ .deferred($0) }, 450, EnhancedCode(4, 2, 1)).code == 450)
        #expect(reply({ .deferred($0) }, 421, EnhancedCode(4, 3, 2)).code == 451, "421 would end our own connection")
        let login = reply({ .deferred($0) }, 530, EnhancedCode(5, 7, 0))
        #expect(login.code == 451 && login.enhanced == EnhancedCode(4, 0, 0))
    }

    @Test func `what it did not say is not put into its mouth`() {
        func reply(
            _ outcome: (RemoteReply) -> DeliveryDialogue.Outcome, _ code: Int, _ enhanced: EnhancedCode, _ text: String
        )
            -> String
        {
            let ours = RemoteReply(code: code, enhanced: enhanced, text: text, command: "AUTH", isOurs: true)
            return SmarthostRoute.reply(to: outcome(ours), from: "mx.example").description
        }
        #expect(
            reply({ .deferred($0) }, 421, EnhancedCode(4, 4, 2), "the connection to mx.example was lost")
                == "451 4.4.2 the connection to mx.example was lost")
        #expect(
            reply({ .bounced($0) }, 552, EnhancedCode(5, 3, 4), "the next hop takes no message of more than 200 octets")
                == "552 5.3.4 delivery to mx.example: the next hop takes no message of more than 200 octets")
        #expect(
            reply({ .deferred($0) }, 454, EnhancedCode(4, 7, 0), "no way to log in")
                == "454 4.7.0 delivery to mx.example: no way to log in")
    }
}
