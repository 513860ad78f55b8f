import NIOCore
import SubmissionClient
import Testing

/// A dialogue played from a script: what the server says, what the client must answer.
@Suite struct ClientDialogueTests {
    private static let envelope = ClientDialogue.Envelope(
        sender: "a@own.example", recipients: ["b@x.example", "c@x.example"])
    private static let content = ByteBuffer(string: "Subject: x\r\n\r\nbody\r\n")
    private static let greeting = "220 smtp ESMTP\r\n250-smtp\r\n250-PIPELINING\r\n250 SIZE 100\r\n"

    private struct Played {
        var sent = ""
        var events: [String] = []
    }

    /// Feeds `server` in pieces of `size` octets; sends one message when ready, then quits.
    private func play(_ server: String, pipelines: Bool = false, size: Int = 1 << 20) -> Played {
        var dialogue = ClientDialogue(
            .init(heloName: "client", startsTLS: false, credentials: nil, pipelines: pipelines, keepsReplies: true))
        var played = Played()
        var output = ByteBuffer()
        var messages = 0
        let octets = Array(server.utf8)
        for start in stride(from: 0, to: octets.count, by: size) {
            var piece = ByteBuffer(bytes: octets[start..<min(start + size, octets.count)])
            dialogue.receive(&piece)
            while let action = dialogue.advance(into: &output) {
                switch action {
                case .ready:
                    messages += 1
                    dialogue.send(Self.envelope, content: Self.content, into: &output)
                case .outcome(let outcome):
                    switch outcome {
                    case .accepted(let reply): played.events.append("accepted \(reply)")
                    case .refused(let stage, let reply): played.events.append("refused \(stage.rawValue) \(reply)")
                    }
                    dialogue.quit(into: &output)
                case .failed(let failure): played.events.append("failed \(failure)")
                case .closed: played.events.append("closed")
                case .mayFollow: break
                case .startTLS, .authenticate: played.events.append("unexpected")
                }
            }
        }
        played.sent = String(buffer: output)
        return played
    }

    @Test func `a message goes out command by command`() {
        let played = play(
            Self.greeting + "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 Ok: queued as 7\r\n221 bye\r\n")
        #expect(
            played.sent
                == "EHLO client\r\nMAIL FROM:<a@own.example>\r\nRCPT TO:<b@x.example>\r\nRCPT TO:<c@x.example>\r\n"
                + "DATA\r\nSubject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n")
        #expect(played.events == ["accepted 250 2.0.0 Ok: queued as 7", "closed"])
    }

    @Test func `a server that knows no EHLO is told HELO where that will do`() {
        let old = "220 old\r\n502 5.5.1 what\r\n250 hello\r\n"
        func probe(_ server: String, mayBeBasic: Bool) -> (sent: String, isReady: Bool) {
            var dialogue = ClientDialogue(
                .init(heloName: "client", startsTLS: false, credentials: nil, mayBeBasic: mayBeBasic))
            var (input, output) = (ByteBuffer(string: server), ByteBuffer())
            dialogue.receive(&input)
            if case .ready? = dialogue.advance(into: &output) { return (String(buffer: output), true) }
            return (String(buffer: output), false)
        }
        #expect(probe(old, mayBeBasic: true) == ("EHLO client\r\nHELO client\r\n", true))
        #expect(probe(old, mayBeBasic: false) == ("EHLO client\r\n", false))
        #expect(!probe("220 old\r\n554 no\r\n554 no\r\n", mayBeBasic: true).isReady)
    }

    @Test func `a pipelined message goes out at once`() {
        let played = play(
            Self.greeting + "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 Ok\r\n221 bye\r\n", pipelines: true)
        #expect(played.sent.contains("DATA\r\nSubject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n"))
        #expect(played.events == ["accepted 250 2.0.0 Ok", "closed"])
    }

    @Test(arguments: [
        ("550 5.7.1 not yours\r\n", "refused mail 550 5.7.1 not yours", ""),
        ("250 ok\r\n450 4.7.1 cap\r\n", "refused recipient 450 4.7.1 cap", "RSET\r\n"),
        ("250 ok\r\n250 ok\r\n250 ok\r\n451 4.3.0 later\r\n", "refused data 451 4.3.0 later", "RSET\r\n"),
        ("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n552 5.3.4 large\r\n", "refused content 552 5.3.4 large", ""),
    ]) func `a refusal is told with its stage, and the next message begins anew`(
        _ replies: String, _ event: String, _ reset: String
    ) {
        let afterReset = reset.isEmpty ? "" : "250 reset\r\n"
        let played = play(Self.greeting + replies + afterReset + "221 bye\r\n")
        #expect(played.events == [event, "closed"])
        #expect(played.sent.hasSuffix(reset + "QUIT\r\n"))
    }

    @Test func `pipelined refusals are told as the first of them`() {
        let played = play(
            Self.greeting + "250 ok\r\n450 4.7.1 cap\r\n250 ok\r\n450 4.7.1 cap\r\n250 reset\r\n221 bye\r\n",
            pipelines: true)
        #expect(played.events == ["refused recipient 450 4.7.1 cap", "closed"])
        let partly = play(
            Self.greeting + "250 ok\r\n550 5.1.1 no\r\n250 ok\r\n354 go\r\n250 ok\r\n221 bye\r\n", pipelines: true)
        #expect(partly.events == ["refused recipient 550 5.1.1 no", "closed"])
    }

    @Test func `replies split at every octet say the same`() {
        let server = Self.greeting + "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 Ok: queued as 7\r\n221 bye\r\n"
        let whole = play(server)
        for size in 1...40 {
            let split = play(server, size: size)
            #expect(split.sent == whole.sent)
            #expect(split.events == whole.events)
        }
    }

    @Test(arguments: [
        ("554 5.3.2 no\r\n", "failed greeting: 554 5.3.2 no"),
        ("220 hi\r\n502 5.5.1 no\r\n", "failed hello: 502 5.5.1 no"),
        (Self.greeting + "421 4.3.2 shutting down\r\n", "failed mail: 421 4.3.2 shutting down"),
        ("hello\r\n", "failed the server broke the protocol: a reply is malformed"),
        ("220-a\r\n250 b\r\n", "failed the server broke the protocol: a reply is malformed"),
        ("\r\n", "failed the server broke the protocol: a reply is malformed"),
        ("220 " + String(repeating: "x", count: 5000), "failed the server broke the protocol: a reply is too long"),
        (String(repeating: "220-x\r\n", count: 101), "failed the server broke the protocol: a reply is too long"),
    ]) func `a session that cannot go on fails with a reason`(_ server: String, _ event: String) {
        #expect(play(server).events.first == event)
    }

    @Test func `what is not offered is named`() {
        var dialogue = ClientDialogue(
            .init(heloName: "client", credentials: .init(username: "u", secret: "s", mechanism: .plain)))
        var input = ByteBuffer(string: Self.greeting)
        var output = ByteBuffer()
        dialogue.receive(&input)
        guard case .failed(let failure)? = dialogue.advance(into: &output) else {
            Issue.record("it went on without STARTTLS")
            return
        }
        #expect("\(failure)" == "the server offers no STARTTLS (it offers: PIPELINING, SIZE 100)")
        #expect(!String(buffer: output).contains("AUTH"))
    }
}
