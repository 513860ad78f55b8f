import Delivery
import Foundation
import NIOCore
import SMTP
import TestSupport
import Testing

/// THREATS §10 on the wire: what a server may do to us, and what then is said of each recipient.
@Suite struct HostilePeerTests {
    struct Row: CustomTestStringConvertible, Sendable {
        let testDescription: String
        var script: [String]
        var wire = DeliveryDialogue.Wire.smtp
        var recipients = 1
        let expected: [String]
    }

    private static let lost = "deferred 421 ours: the connection to 127.0.0.1 was lost"

    static let rows = [
        Row(testDescription: "all is well", script: [], expected: ["ready", "delivered 250", "ready", "end"]),
        Row(
            testDescription: "a reply line of 1 MB", script: ["MAIL=@long"],
            expected: [
                "ready", "deferred 451 ours: protocol error: reply too long",
                "failed MAIL FROM: protocol error: reply too long",
            ]),
        Row(
            testDescription: "a reply without an end", script: ["RCPT=@endless"],
            expected: [
                "ready", "deferred 451 ours: protocol error: reply of too many lines",
                "failed RCPT TO: protocol error: reply of too many lines",
            ]),
        Row(
            testDescription: "a code that changes inside a reply", script: [#"MAIL=250-yes\r\n550 no"#],
            expected: [
                "ready", "deferred 451 ours: protocol error: reply code changes inside a reply",
                "failed MAIL FROM: protocol error: reply code changes inside a reply",
            ]),
        Row(
            testDescription: "octets before we spoke", script: [#"HELLO=250 mx.example\r\n250 2.1.0 early"#],
            expected: [
                "ready", "deferred 451 ours: protocol error: reply to nothing",
                "failed MAIL FROM: protocol error: reply to nothing",
            ]),
        Row(
            testDescription: "354 to a RCPT", script: ["RCPT=354 go"],
            expected: [
                "ready", "deferred 451 ours: protocol error: 354 where none belongs",
                "failed RCPT TO: protocol error: 354 where none belongs",
            ]),
        Row(
            testDescription: "250 to DATA", script: ["DATA=250 ok"],
            expected: [
                "ready", "deferred 451 ours: protocol error: 250 to DATA", "failed DATA: protocol error: 250 to DATA",
            ]),
        Row(
            testDescription: "552 to a RCPT is 452", script: ["RCPT=552 5.5.3 too many"],
            expected: ["ready", "deferred 552", "ready", "end"]),
        Row(
            testDescription: "552 to the content is for good", script: ["FINAL=552 5.3.4 too big"],
            expected: ["ready", "bounced 552 5.3.4", "ready", "end"]),
        Row(
            testDescription: "dropped before the dot", script: ["DATA=@drop"],
            expected: [
                "ready", lost, "failed the connection was closed",
            ]),
        Row(
            testDescription: "dropped after the dot", script: ["FINAL=@drop"],
            expected: [
                "ready", lost, "failed the connection was closed",
            ]),
        Row(
            testDescription: "dropped at once", script: ["GREETING=@drop"],
            expected: ["failed greeting: the connection to 127.0.0.1 was lost"]),
        Row(
            testDescription: "421 at the greeting", script: ["GREETING=421 4.3.2 full"],
            expected: ["failed greeting: 421 full"]),
        Row(
            testDescription: "421 to MAIL", script: ["MAIL=421 4.3.2 bye"],
            expected: ["ready", "deferred 421", "failed MAIL FROM: 421 bye"]),
        Row(
            testDescription: "421 after the dot", script: ["FINAL=421 4.3.2 bye"],
            expected: ["ready", "deferred 421", "failed end of data: 421 bye"]),
        Row(
            testDescription: "greylisting", script: ["RCPT=450 4.2.0 later"],
            expected: ["ready", "deferred 450", "ready", "end"]),
        Row(
            testDescription: "terminal escapes are printed as such", script: [#"GREETING=554 \x1b[2Jno"#],
            expected: [#"failed greeting: 554 \x1b[2Jno"#]),
        Row(
            testDescription: "fewer LMTP replies than recipients",
            script: ["WIRE=lmtp", "HELLO=250-mx\\r\\n250 PIPELINING", "FINAL=250 2.0.0 ok / @drop"], wire: .lmtp,
            recipients: 3,
            expected: [
                "ready",
                "delivered 250, \(lost), \(lost)",
                "failed the connection was closed",
            ]),
        Row(
            testDescription: "more LMTP replies than recipients",
            script: ["WIRE=lmtp", #"FINAL=250 2.0.0 ok\r\n250 2.0.0 ok"#], wire: .lmtp,
            expected: ["ready", "delivered 250", "ready", "end"]),
        Row(
            testDescription: "no more than RCPTMAX in a transaction",
            script: [#"HELLO=250-mx\r\n250 LIMITS RCPTMAX=2"#],
            recipients: 3, expected: ["ready", "delivered 250, delivered 250, delivered 250", "ready", "end"]),
        Row(
            testDescription: "no more than MAILMAX transactions",
            script: [#"HELLO=250-mx\r\n250 LIMITS RCPTMAX=2 MAILMAX=1"#], recipients: 3,
            expected: ["ready", "delivered 250, delivered 250, unasked", "exhausted"]),
        Row(
            testDescription: "SIZE is respected before anything is sent", script: [#"HELLO=250-mx\r\n250 SIZE 10"#],
            expected: [
                "ready", "bounced 552 5.3.4 ours: the next hop takes no message of more than 10 octets", "ready", "end",
            ]),
    ]

    @Test(arguments: rows) func `each recipient gets its own true outcome`(_ row: Row) async throws {
        let peer = try await ScriptedPeer(row.script)
        let attempt = Attempt(
            to: NextHop(host: "127.0.0.1", port: peer.port, wire: row.wire, tls: .none),
            [try message((1...row.recipients).map { "r\($0)@d.example" })])
        #expect(await attempt.events() == row.expected)
        if row.testDescription.hasPrefix("SIZE") { #expect(!peer.log.contains("MAIL")) }
        if row.testDescription.hasPrefix("no more than RCPTMAX") {
            #expect(peer.log.split(separator: "\n").count { $0.hasPrefix("MAIL") } == 2)
        }
    }

    static let resets = [
        Row(
            testDescription: "reset after the dot", script: ["FINAL=@reset"],
            expected: ["ready", lost]),
        Row(
            testDescription: "reset between LMTP replies",
            script: ["WIRE=lmtp", "RCPT=250 ok / 250 ok / 550 5.1.1 no", "FINAL=250 2.0.0 ok / @reset"], wire: .lmtp,
            recipients: 3,
            expected: [
                "ready", "delivered 250, \(lost), bounced 550 5.1.1",
            ]),
        Row(
            testDescription: "reset at MAIL", script: ["MAIL=@reset"],
            expected: ["ready", lost]),
    ]

    /// A reset is no end of a stream: it comes as an error, and what was heard before it counts as much.
    @Test(arguments: resets) func `what was answered before a reset stays answered`(_ row: Row) async throws {
        let peer = try await ScriptedPeer(row.script)
        let attempt = Attempt(
            to: NextHop(host: "127.0.0.1", port: peer.port, wire: row.wire, tls: .none),
            [try message((1...row.recipients).map { "r\($0)@d.example" })])
        let events = await attempt.events()
        #expect(Array(events.dropLast()) == row.expected)
        #expect(events.last?.hasPrefix("failed ") == true, "\(events)")
    }

    @Test func `before the dot it is asked whether the message is still ours, and if not, none is sent`() async throws {
        let peer = try await ScriptedPeer([])
        let attempt = Attempt(
            to: NextHop(host: "127.0.0.1", port: peer.port, wire: .smtp, tls: .none), [try message()], mayFinish: false)
        #expect(await attempt.events() == ["ready", "abandoned"])
        #expect(await eventually { peer.log.contains("DATA") })
        #expect(!peer.log.contains("content"))
    }

    @Test func `a connection that is refused is told in the system's words`() async throws {
        let attempt = Attempt(
            to: NextHop(host: "127.0.0.1", port: FreePort.find(), wire: .smtp, tls: .none), [try message()])
        #expect(await attempt.events() == ["failed connect: Connection refused"])
    }

    @Test func `8-bit, binary and large content arrive as what the server can take`() async throws {
        let seven = try await ScriptedPeer([])
        let eightBit = try message(content: "Subject: x\r\n\r\n.\u{e9}\r\n", isEightBit: true)
        let large = try message(content: "Subject: x\r\n\r\n" + String(repeating: "..line\r\n", count: 40_000))
        let attempt = Attempt(
            to: NextHop(host: "127.0.0.1", port: seven.port, wire: .smtp, tls: .none), [eightBit, large])
        #expect(await attempt.events() == ["ready", "delivered 250", "ready", "delivered 250", "ready", "end"])
        #expect(seven.log.contains("Content-Transfer-Encoding: quoted-printable\n\n..=C3=A9\n"))
        #expect(seven.log.components(separatedBy: "\n...line").count == 40_001)

        let binary = try await ScriptedPeer([#"HELLO=250-mx\r\n250-CHUNKING\r\n250 BINARYMIME"#])
        let content = "Subject: x\r\n\r\n\u{0}\r.\n.\r\n."
        let second = Attempt(
            to: NextHop(host: "127.0.0.1", port: binary.port, wire: .smtp, tls: .none),
            [try message(content: content, .init(body: .binaryMIME))])
        #expect(await second.events() == ["ready", "delivered 250", "ready", "end"])
        #expect(binary.log.contains("BODY=BINARYMIME"))
        #expect(binary.log.contains("BDAT \(content.utf8.count) LAST\ncontent\n\(content)\n"))
    }
}
