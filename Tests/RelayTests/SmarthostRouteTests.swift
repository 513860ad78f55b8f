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
        #expect(yes.lines == [#"mx.example said: 250 its \x1b words"#])
        #expect(reply({ .bounced($0) }, 554, nil).enhanced == EnhancedCode(5, 0, 0))
        #expect(reply({ .deferred($0) }, 450, EnhancedCode(4, 2, 1)).code == 450)
        #expect(reply({ .deferred($0) }, 421, EnhancedCode(4, 3, 2)).code == 451, "421 would end our own connection")
        let login = reply({ .deferred($0) }, 530, EnhancedCode(5, 7, 0))
        #expect(login.code == 451 && login.enhanced == EnhancedCode(4, 0, 0))
    }
}
