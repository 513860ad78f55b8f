import MailMessage
import NIOCore
import Testing

@testable import SMTP
@testable import Submission

/// What is done with a whole message before the ledger sees it.
@Suite struct PreparationTests {
    private func isInternationalized(_ content: String, to recipient: String = "b@d.example") throws -> Bool {
        let envelope = SubmissionDialogue.Envelope(
            sender: try ReversePath(parsing: "a@own.example"),
            recipients: [EnvelopeRecipient(try Mailbox(parsing: recipient))],
            parameters: MailParameters(isInternationalized: true), heloName: "x", isESMTP: true)
        let work = Preparation(
            envelope: envelope, content: ByteBuffer(string: "From: a@own.example\r\n" + content), now: 0,
            hostname: "gate.example", credentialID: nil)
        return try work.run().get().parameters.isInternationalized
    }

    @Test func `a next hop must take SMTPUTF8 where an address or a header has UTF-8, a part's too`() throws {
        let part = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain"
        #expect(try !isInternationalized("\r\n\u{e9}\r\n"))
        #expect(try isInternationalized("Subject: \u{e9}\r\n\r\nx\r\n"))
        #expect(try isInternationalized("\r\nx\r\n", to: "\u{e9}@d.example"))
        #expect(try isInternationalized(part + "; name=\"\u{e9}\"\r\n\r\nx\r\n--b--\r\n"))
        #expect(try !isInternationalized(part + "\r\n\r\n\u{e9}\r\n--b--\r\n\u{e9}: x\r\n"))
        #expect(try isInternationalized("Content-Type: message/global\r\n\r\nSubject: \u{e9}\r\n\r\nx\r\n"))
        #expect(try !isInternationalized("Content-Type: text/plain\r\n\r\n--b\r\nSubject: \u{e9}\r\n\r\n"))
    }
}
