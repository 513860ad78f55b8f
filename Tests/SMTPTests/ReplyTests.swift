import NIOCore
import Testing

@testable import SMTP

struct ReplyTests {
    private func written(_ reply: Reply) -> String {
        var buffer = ByteBuffer()
        reply.write(into: &buffer)
        return String(buffer: buffer)
    }

    @Test func `every line carries the codes, and the last one a blank`() {
        #expect(written(Reply(250, EnhancedCode(2, 0, 0), "Ok")) == "250 2.0.0 Ok\r\n")
        #expect(written(Reply(250, nil, lines: ["mx", "SIZE 1"])) == "250-mx\r\n250 SIZE 1\r\n")
        #expect(
            written(Reply(550, EnhancedCode(5, 7, 1), lines: ["a", "b", "c"]))
                == "550-5.7.1 a\r\n550-5.7.1 b\r\n550 5.7.1 c\r\n")
        #expect(Reply.relayingDenied.description == "550 5.7.1 Relaying denied")
    }

    @Test func `no text makes a second line, a terminal move or a line over 512 octets`() {
        let reply = written(Reply(550, EnhancedCode(5, 7, 1), "a\r\n250 ok\u{1b}[2J\u{e4}\u{0}\\"))
        #expect(reply == #"550 5.7.1 a\x0d\x0a250 ok\x1b[2J\xc3\xa4\x00\\"# + "\r\n")
        let long = written(Reply(550, EnhancedCode(5, 7, 1), String(repeating: "x", count: 600)))
        #expect(long.utf8.count == 512 && long.hasSuffix("x...\r\n"))
        let escaped = written(Reply(250, nil, String(repeating: "\u{1b}", count: 600)))
        #expect(escaped.utf8.count <= 512 && escaped.hasSuffix("\\x1b...\r\n"))
        #expect(Reply.quotation(Array(repeating: UInt8(ascii: "q"), count: 300)).utf8.count == 100)
    }

    @Test(arguments: ["\u{fc}berf\u{e4}llig", #"plain \ text"#, String(repeating: "\u{e4}", count: 200)])
    func `a reply describes itself as it is sent`(text: String) {
        for reply in [Reply(525, EnhancedCode(5, 7, 13), text), Reply(250, nil, text)] {
            #expect(written(reply) == "\(reply)\r\n")
        }
    }

    @Test func `every reply of ours has a code of the enhanced code's class, printable and short`() {
        let catalog: [Reply] = [
            .ok, .senderOK, .recipientOK, .readyForTLS, .authenticated, .goodbye, .startContent, .help, .cannotVerify,
            .syntaxError, .unknownCommand, .lineTooLong,
            .eightBitCommand,
            .responseTooLong, .notImplemented, .badSequence, .helloFirst, .senderFirst, .recipientFirst,
            .messageAsCommands, .nestedMail, .alreadySecured, .alreadyAuthenticated, .noValidRecipients, .noArgument,
            .badHello, .mailSyntax, .recipientSyntax, .malformedParameter, .unknownParameter, .verifySyntax,
            .inputAfterStartTLS,
            .inputBeforeGreeting, .startTLSFirst, .authenticateFirst, .encryptionRequired, .authenticationCancelled,
            .notBase64, .authSyntax, .unknownMechanism, .credentialsInvalid, .relayingDenied,
            .tooManyRecipients(limit: 1),
            .tooLarge(limit: 1), .tooManyErrors, .tooManyIdleCommands, .lineFlood, .notHTTP,
        ]
        for reply in catalog {
            #expect(reply.lines.allSatisfy { $0.utf8.allSatisfy { $0.isVisible || $0 == .space } })
            #expect(written(reply).utf8.count <= 512)
            // RFC 2034 §4: on every reply but 3xx.
            #expect((reply.enhanced == nil) == (reply.code / 100 == 3))
            #expect(reply.enhanced.map { $0.statusClass == reply.code / 100 } ?? true)
        }
    }

    @Test(arguments: [
        ("5.7.1 no", EnhancedCode(5, 7, 1)), ("2.0.0", EnhancedCode(2, 0, 0)),
        ("4.123.999 x", EnhancedCode(4, 123, 999)),
        ("5.7.1no", nil), ("3.0.0 x", nil), ("5.7 x", nil), ("5.7.1.2 x", nil), ("5..1 x", nil), ("5.7.1000 x", nil),
        ("", nil),
        ("+5.7.1 x", nil), ("x", nil),
    ])
    func `an enhanced code is read from a text's head, or is none`(_ text: String, _ code: EnhancedCode?) {
        #expect(EnhancedCode(prefixOf: Array(text.utf8)) == code)
        if let code { #expect(text.hasPrefix(code.description)) }
    }
}
