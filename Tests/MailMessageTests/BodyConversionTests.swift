import Foundation
import NIOCore
import TestSupport
import Testing

@testable import MailMessage

/// What a next hop without 8BITMIME or BINARYMIME gets.
@Suite struct BodyConversionTests {
    private func convert(
        _ text: String, _ target: BodyConversion.Target = .sevenBit
    ) throws(BodyConversion.Fault) -> String {
        String(buffer: try BodyConversion.convert(ByteBuffer(string: text), to: target))
    }

    private func fault(_ text: String, _ target: BodyConversion.Target = .sevenBit) -> BodyConversion.Fault? {
        do throws(BodyConversion.Fault) {
            _ = try convert(text, target)
            return nil
        } catch {
            return error
        }
    }

    @Test func `text becomes quoted-printable, its line ends stay, and only the encoding's field changes`() throws {
        #expect(
            try convert(
                "From: a@b\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n"
                    + "Content-Type: text/plain; charset=utf-8\r\n\r\nGrüße \r\n.\r\na=b\r\n")
                == "From: a@b\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                + "Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe=20\r\n.\r\na=3Db\r\n")
    }

    @Test func `text without MIME says that nobody knows its charset`() throws {
        #expect(
            try convert("From: a@b\r\n\r\nGrüße\r\n")
                == "From: a@b\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
                + "Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe\r\n")
    }

    @Test func `what is fit already is not touched`() throws {
        let text = "From: a@b\r\nContent-Type: multipart/signed\r\n\r\nplain\r\n"
        #expect(try convert(text) == text)
    }

    @Test func `parts are converted where they need it; delimiters, preamble and the other parts stay`() throws {
        let text = """
            MIME-Version: 1.0
            Content-Type: multipart/mixed; boundary="b 1"
            Content-Transfer-Encoding: 8bit

            for old readers
            --b 1

            ascii
            --b 1x is no delimiter
            --b 1 \t
            Content-Type: application/octet-stream
            Content-Transfer-Encoding: binary

            ÿ
            --b 1--
            after
            """.replacingOccurrences(of: "\n", with: "\r\n")
        let expected = """
            MIME-Version: 1.0
            Content-Type: multipart/mixed; boundary="b 1"

            for old readers
            --b 1

            ascii
            --b 1x is no delimiter
            --b 1 \t
            Content-Type: application/octet-stream
            Content-Transfer-Encoding: base64

            w78=
            --b 1--
            after
            """.replacingOccurrences(of: "\n", with: "\r\n")
        #expect(try convert(text) == expected)
    }

    @Test func `a message inside is converted inside`() throws {
        let text =
            "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
            + "Subject: in\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\né\r\n"
        let converted = try convert(text)
        #expect(converted.contains("Content-Type: message/rfc822\r\n\r\nSubject: in\r\n"))
        #expect(converted.hasSuffix("Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9\r\n"))
    }

    @Test func `what may not be converted says why`() {
        let eight = "\r\n\r\n\u{e9}\r\n"
        #expect(fault("Subject: \u{e9}\r\n\r\nx\r\n") == .eightBitHeader)
        #expect(fault("Content-Type: multipart/signed; boundary=x" + eight) == .signed)
        #expect(fault("Content-Type: message/partial" + eight) == .message("partial"))
        for subtype in ["global", "global-headers", "global-delivery-status"] {
            #expect(
                (try? convert("Content-Type: message/\(subtype)" + eight))?.contains("=C3=A9") == true,
                "RFC 6532 §3.7, RFC 6533 §4: these may be")
        }
        #expect(fault("Content-Type: multipart/mixed" + eight) == .brokenStructure)
        #expect(fault("Content-Type: multipart/mixed; boundary=x" + eight) == .brokenStructure)
        #expect(fault("Content-Type: text/plain\r\nContent-Type: text/html" + eight) == .brokenStructure)
        #expect(fault("Content-Transfer-Encoding: base64" + eight) == .unknownEncoding)
        #expect(fault("Content-Transfer-Encoding: x-uuencode" + eight) == .unknownEncoding)
        let deep = String(
            repeating: "Content-Type: message/rfc822\r\n\r\n", count: BodyConversion.maxDepth + 2)
        #expect(fault(deep + "Subject: x\r\n\r\n\u{e9}\r\n") == .nestedTooDeep)
    }

    /// Found by `make fuzz`: binary mail may hold them anywhere, and DATA must not carry them.
    @Test func `a bare CR or LF among delimiters and parts' headers is beyond repair, in a preamble it is masked`()
        throws
    {
        let head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        for target in [BodyConversion.Target.eightBit, .sevenBit] {
            #expect(fault(head + "--b\nContent-Type: a/b\r\n\r\nx\r\n--b--\r\n", target) == .brokenStructure)
            #expect(fault(head + "--b\r\nContent-Type: a/b\n\nx\r\n--b--\r\n", target) == .brokenStructure)
            #expect(fault(head + "--b\r\nX: y\rz\r\n\r\nx\n\r\n--b--\r\n", target) == .brokenStructure)
            let masked = try convert(head + "a\n.\r\rb\r\n--b\r\n\r\nx\r\n--b--\r\n\n.\n", target)
            #expect(masked.contains("\r\n\r\na?.??b\r\n--b\r\n") && masked.hasSuffix("--b--\r\n?.?"))
        }
    }

    @Test func `8-bit text stays where only binary must go`() throws {
        let text = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\né\r\n"
        #expect(try convert(text, .eightBit) == text)
        let long = "MIME-Version: 1.0\r\nContent-Type: application/x\r\n\r\n" + String(repeating: "a", count: 3000)
        #expect(try convert(long, .eightBit).contains("Content-Transfer-Encoding: base64"))
    }

    @Test func `a soft break never makes a line that could be a boundary or a lone dot`() throws {
        var output = ByteBuffer()
        let text = String(repeating: "x", count: 75) + "--b--\r\n" + String(repeating: "y", count: 75) + ".\r\n"
        Array((text + "\u{e9}").utf8).withUnsafeBytes {
            TransferEncoding.quotedPrintable($0[...], into: &output)
        }
        for line in String(buffer: output).components(separatedBy: "\r\n") {
            #expect(line.utf8.count <= 76)
            #expect(!line.hasPrefix("-") && !line.hasPrefix("."), "\(line)")
        }
    }

    /// Random trees of parts, as they are and converted, read by Python's email package: the same parts with the same
    /// octets, and nothing in the converted one that may not pass.
    @Test func `a converted message decodes to the same content`() throws {
        var generator = SystemRandomNumberGenerator()
        let seed = generator.next()
        var template = Array("/tmp/gatepost-mime-XXXXXX\0".utf8).map { CChar(bitPattern: $0) }
        let folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var random = Seeded(state: seed)
        for number in 0..<300 {
            let isBinary = number % 3 == 0
            let message = "MIME-Version: 1.0\r\nSubject: \(number)\r\n".utf8 + Self.entity(&random, 0, isBinary)
            let content = ByteBuffer(bytes: message)
            let target: BodyConversion.Target = isBinary && number % 2 == 0 ? .eightBit : .sevenBit
            let converted: ByteBuffer
            do throws(BodyConversion.Fault) {
                converted = try BodyConversion.convert(content, to: target)
            } catch {
                Issue.record("\(error), seed \(seed), message \(number)")
                continue
            }
            try Data(content.readableBytesView).write(to: URL(fileURLWithPath: "\(folder)/\(number).before"))
            try Data(converted.readableBytesView).write(
                to: URL(fileURLWithPath: "\(folder)/\(number).\(target == .sevenBit ? "7bit" : "8bit")"))
        }
        let script = "\(folder)/compare.py"
        try Self.comparison.write(toFile: script, atomically: true, encoding: .utf8)
        #expect(throws: Never.self, "seed \(seed)") { try ChildProcess.run(["python3", script, folder]) }
    }

    private struct Seeded: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) ^ (state << 31)
        }
    }

    /// A part with its header.
    private static func entity(_ random: inout Seeded, _ depth: Int, _ isBinary: Bool) -> [UInt8] {
        switch depth < 4 ? Int.random(in: 0..<6, using: &random) : 5 {
        case 0, 1:
            let boundary = "b\(depth)-\(Int.random(in: 0..<10, using: &random))'+_"
            var part = Array("Content-Type: multipart/mixed;\r\n boundary=\"\(boundary)\"\r\n\r\npreamble\r\n".utf8)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                part += Array("--\(boundary)\r\n".utf8) + entity(&random, depth + 1, isBinary) + Array("\r\n".utf8)
            }
            return part + Array("--\(boundary)--\r\n".utf8)
        case 2:
            return Array("Content-Type: message/rfc822\r\n\r\nMIME-Version: 1.0\r\nSubject: inner\r\n".utf8)
                + entity(&random, depth + 1, isBinary)
        case 3:
            return Array("Content-Type: application/octet-stream\r\n\r\n".utf8) + octets(&random, isBinary)
        default:
            return Array("Content-Type: text/plain; charset=iso-8859-1\r\n\r\n".utf8) + octets(&random, isBinary)
        }
    }

    /// Lines of anything; a last one may lack its end.
    private static func octets(_ random: inout Seeded, _ isBinary: Bool) -> [UInt8] {
        var octets: [UInt8] = []
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            for _ in 0..<Int.random(in: 0...200, using: &random) {
                let octet = UInt8.random(in: 0...255, using: &random)
                switch octet {
                case 0, 10, 13: octets.append(isBinary ? octet : 0xE9)
                case 11, 12, 28...30, 0x85: octets.append(0x20)  // Python takes these for line ends
                default: octets.append(octet)
                }
            }
            octets += [13, 10]
        }
        return octets + Array("\u{e9}".utf8) + (Bool.random(using: &random) ? [] : [13, 10])
    }

    private static let comparison = """
        import email, email.policy, os, sys
        folder = sys.argv[1]
        policy = email.policy.compat32
        def leaves(data):
            message = email.message_from_bytes(data, policy=policy)
            return [(p.get_content_type(), p.get_payload(decode=True)) for p in message.walk() if not p.is_multipart()]
        def lines(octets):
            # The parser keeps the line ends it finds; base64 carries the last one, quoted-printable may not show it.
            return octets
        failed = checked = 0
        for name in sorted(os.listdir(folder)):
            number, kind = name.rsplit('.', 1)
            if kind not in ('7bit', '8bit'):
                continue
            before = open(f'{folder}/{number}.before', 'rb').read()
            after = open(f'{folder}/{name}', 'rb').read()
            checked += 1
            if leaves(before) != leaves(after):
                failed += 1
                for one, other in zip(leaves(before), leaves(after)):
                    if one != other:
                        print(number, one, other)
            for line in after.split(b'\\r\\n'):
                if kind == '7bit' and any(octet > 127 for octet in line) or len(line) > 998 or 0 in line \\
                        or b'\\r' in line or b'\\n' in line:
                    print(number, 'unfit', line)
                    failed += 1
                    break
        print(checked, 'checked')
        sys.exit(1 if failed or checked < 200 else 0)
        """
}
