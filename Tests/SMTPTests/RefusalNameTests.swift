import NIOCore
import Testing

@testable import SMTP

/// The id at the end of each refusal.
@Suite struct `A refusal's id` {
    private final class Names {
        var refused: [Refused] = []
        func name(_ one: Refused) -> String {
            refused.append(one)
            return "id-\(refused.count)"
        }
    }

    /// Runs the lines; MAIL and DATA are allowed, recipients at `full.example` fail the transaction.
    private func answers(_ names: Names, _ lines: [String]) -> [String] {
        var dialogue = SubmissionDialogue(configuration: SubmissionSubject.configuration, security: .tls)
        var output = ByteBuffer()
        dialogue.greeting(into: &output)
        for line in ["EHLO client.example", "MAIL FROM:<a@own.example>", "AUTH PLAIN AGEAYg=="] + lines {
            var bytes = ByteBuffer(string: line + "\r\n")
            dialogue.receive(&bytes)
            while let action = dialogue.advance(into: &output) {
                switch action {
                case .authenticate:
                    dialogue.authenticated(limits: SubmissionSubject.limits, naming: names.name, into: &output)
                case .sender(.mailbox(let mailbox), _) where mailbox.domain.name == "other.example":
                    dialogue.refuse(Reply(test: "550 5.7.1 Not yours."), into: &output)
                case .sender, .data: dialogue.allow(into: &output)
                case .recipient(let mailbox, _) where mailbox.domain.name == "full.example":
                    dialogue.refuse(Reply(test: "450 4.7.1 Full."), failsTransaction: true, into: &output)
                case .recipient: dialogue.allow(into: &output)
                case .message: dialogue.refuse(Reply(test: "451 4.3.0 Away.").identified(by: "own"), into: &output)
                case .startTLS, .authenticationResponse, .authenticationCancelled, .close: break
                }
            }
        }
        return String(buffer: output).split(separator: "\r\n").map(String.init)
    }

    @Test func `stands at a stranger's refusals too, and never at 535`() {
        let names = Names()
        var dialogue = SubmissionDialogue(
            configuration: SubmissionSubject.configuration, security: .tls, naming: names.name)
        var output = ByteBuffer()
        dialogue.greeting(into: &output)
        for line in ["MAIL FROM:<a@own.example>", "EHLO c.example", "RCPT TO:<a@b.example>", "AUTH PLAIN AGEAYg=="] {
            var bytes = ByteBuffer(string: line + "\r\n")
            dialogue.receive(&bytes)
            while let action = dialogue.advance(into: &output) {
                guard case .authenticate = action else { continue }
                dialogue.refuse(Reply(test: "535 5.7.8 No."), into: &output)
            }
        }
        let refusals = String(buffer: output).split(separator: "\r\n").filter { $0.hasPrefix("5") }
        #expect(refusals.count == 3)
        #expect(refusals[0].hasSuffix(" (id id-1)") && refusals[1].hasSuffix(" (id id-2)"))
        #expect(refusals.last == "535 5.7.8 No.")
        #expect(names.refused.map(\.stage) == ["MAIL", "RCPT"])
    }

    @Test func `stands at the dialogue's own refusals and at others', where only who has logged in is told`() {
        let names = Names()
        let answers = answers(
            names,
            [
                "BOGUS secret", "AUTH PLAIN AGEAYg==", "MAIL FROM:<x@other.example>", "MAIL FROM:<a@own.example>",
                "RCPT TO:<b@d.example>", "RCPT TO:<broken", "DATA", ".", "NOOP",
            ])
        let refusals = answers.filter { $0.hasPrefix("4") || $0.hasPrefix("5") }
        #expect(
            refusals == [
                "530 5.7.0 Authentication required",
                "500 5.5.2 Command not recognised (id id-1)",
                "503 5.5.1 Already authenticated (id id-2)",
                "550 5.7.1 Not yours. (id id-3)",
                "501 5.1.3 Recipient address is malformed (id id-4)",
                "451 4.3.0 Away. (id own)",
            ])
        #expect(answers.last == "250 2.0.0 Ok")
        #expect(names.refused.map(\.stage) == ["no command", "AUTH", "MAIL", "RCPT"])
        // What was said where a secret may stand is not kept.
        #expect(names.refused.map(\.argument) == [nil, nil, "FROM:<x@other.example>", "TO:<broken"])
    }

    @Test func `is the same for one refusal that is said at every RCPT and at DATA`() {
        let names = Names()
        let answers = answers(
            names, ["MAIL FROM:<a@own.example>", "RCPT TO:<b@full.example>", "RCPT TO:<c@d.example>", "DATA"])
        #expect(answers.suffix(3) == Array(repeating: "450 4.7.1 Full. (id id-1)", count: 3))
        #expect(names.refused.count == 1)
    }

    @Test func `is at the end of a 421 from outside, too`() {
        let names = Names()
        var dialogue = SubmissionDialogue(configuration: SubmissionSubject.configuration, security: .tls)
        var output = ByteBuffer()
        dialogue.greeting(into: &output)
        for line in ["EHLO client.example", "AUTH PLAIN AGEAYg=="] {
            var bytes = ByteBuffer(string: line + "\r\n")
            dialogue.receive(&bytes)
            if case .authenticate = dialogue.advance(into: &output) {
                dialogue.authenticated(limits: SubmissionSubject.limits, naming: names.name, into: &output)
            }
        }
        dialogue.terminate(Reply(test: "421 4.7.0 Revoked."), into: &output)
        #expect(String(buffer: output).hasSuffix("421 4.7.0 Revoked. (id id-1)\r\n"))
        #expect(names.refused.first?.stage == "session")
    }

    @Test(arguments: [String(repeating: "x", count: 2000), String(repeating: "é", count: 300), "plain", "a\r\nb"])
    func `is never cut, and the line is never too long`(text: String) {
        let reply = Reply(550, EnhancedCode(5, 7, 1), text).identified(by: "0123456789")
        var output = ByteBuffer()
        reply.write(into: &output)
        let line = String(buffer: output)
        #expect(line.hasSuffix(" (id 0123456789)\r\n"))
        #expect(line.utf8.count <= Reply.maxLineLength)
        #expect(line.utf8.filter { $0 == UInt8(ascii: "\n") }.count == 1)
    }

    @Test func `a new limit counts from the next command on`() {
        var dialogue = SubmissionDialogue(configuration: SubmissionSubject.configuration, security: .tls)
        var output = ByteBuffer()
        dialogue.greeting(into: &output)
        func say(_ line: String) -> String {
            output.clear()
            var bytes = ByteBuffer(string: line + "\r\n")
            dialogue.receive(&bytes)
            while let action = dialogue.advance(into: &output) {
                if case .authenticate = action {
                    dialogue.authenticated(limits: SubmissionSubject.limits, into: &output)
                } else {
                    dialogue.allow(into: &output)
                }
            }
            return String(buffer: output)
        }
        _ = say("EHLO client.example")
        _ = say("AUTH PLAIN AGEAYg==")
        #expect(say("MAIL FROM:<a@own.example> SIZE=900").hasPrefix("250"))
        #expect(say("RCPT TO:<b@d.example>").hasPrefix("250"))
        dialogue.change(limits: .init(maxMessageSize: 500, maxRecipients: 1))
        #expect(say("RCPT TO:<c@d.example>").hasPrefix("452"))
        _ = say("RSET")
        #expect(say("MAIL FROM:<a@own.example> SIZE=900").hasPrefix("552 5.3.4"))
        #expect(say("EHLO client.example").contains("SIZE 500\r\n"))
    }
}
