import NIOCore
import Testing

@testable import SMTP

struct SubmissionTranscriptTests {
    @Test func `a message goes from EHLO to queued`() {
        var dialogue = SubmissionDialogue(
            configuration: .init(
                hostname: "mx.example", maxMessageSize: 1000, maxRecipients: 3, mechanisms: ["PLAIN"]), security: .tls)
        var output = ByteBuffer()
        dialogue.greeting(into: &output)
        var input = ByteBuffer(
            string: "EHLO me\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
                + "Subject: x\r\n\r\n..y\r\n.\r\nQUIT\r\n")
        dialogue.receive(&input)
        var content: ByteBuffer?
        loop: while let action = dialogue.advance(into: &output) {
            switch action {
            case .authenticate:
                dialogue.authenticated(limits: .init(maxMessageSize: 1000, maxRecipients: 3), into: &output)
            case .sender, .recipient, .data: dialogue.allow(into: &output)
            case .message(_, let body):
                content = body
                dialogue.accepted(.queued("1"), into: &output)
            case .startTLS, .authenticationResponse, .authenticationCancelled: Issue.record("\(action)")
            case .close: break loop
            }
        }
        #expect(content == ByteBuffer(string: "Subject: x\r\n\r\n.y\r\n"))
        #expect(String(buffer: output).hasSuffix("250 2.0.0 Ok: queued as 1\r\n221 2.0.0 Bye\r\n"))
    }
}
