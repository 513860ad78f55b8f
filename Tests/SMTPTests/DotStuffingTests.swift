import NIOCore
import Testing

@testable import SMTP

struct DotStuffingTests {
    private func stuffed(_ text: String) -> String {
        var output = ByteBuffer()
        DotStuffing.write(ByteBuffer(string: text), into: &output)
        return String(buffer: output)
    }

    @Test(arguments: [
        ("", ".\r\n"), ("x\r\n", "x\r\n.\r\n"), ("x", "x\r\n.\r\n"), (".\r\n", "..\r\n.\r\n"), (".", "..\r\n.\r\n"),
        ("..\r\n", "...\r\n.\r\n"), ("a.b\r\n.c\r\n\r\n.\r\n", "a.b\r\n..c\r\n\r\n..\r\n.\r\n"),
        ("x\r\n\r\n", "x\r\n\r\n.\r\n"),
        ("x\r\n.", "x\r\n..\r\n.\r\n"),
    ])
    func `dots at the head of a line are doubled and one dot ends it`(_ content: String, _ wire: String) {
        #expect(stuffed(content) == wire)
    }

    @Test func `what goes out comes in as it was`() {
        var generator = SplitMix(seed: 3)
        let pieces = ["\r\n", ".", "a", "\r\n.", "..", "line"].map { Array($0.utf8) }
        for _ in 0..<2_000 {
            var octets = (0..<Int.random(in: 0...20, using: &generator)).flatMap { _ in
                pieces.randomElement(using: &generator) ?? []
            }
            octets += [.cr, .lf]
            var wire = ByteBuffer(string: "before")
            DotStuffing.write(ByteBuffer(bytes: octets), into: &wire)
            wire.moveReaderIndex(forwardBy: 6)
            #expect(DotStuffing.endsOnlyAtItsEnd(wire))
            var scanner = ContentScanner(limit: 1000, declaredSize: nil)
            #expect(scanner.consume(&wire) && wire.readableBytes == 0)
            #expect(Array(scanner.content.readableBytesView) == octets)
        }
    }

    @Test(arguments: [
        "a\r\n.\r\nb\r\n.\r\n", "a\n.\nb\r\n.\r\n", "a\n.\r\nb\r\n.\r\n", "a\r\n.\nb\r\n.\r\n", "a\r.\rb\r\n.\r\n",
        ".\r\nb\r\n.\r\n",
        "a\r.\nb\r\n.\r\n",
    ])
    func `what another server may take for the end is seen`(_ wire: String) {
        #expect(!DotStuffing.endsOnlyAtItsEnd(ByteBuffer(string: wire)))
    }

    @Test func `the end itself is none too early`() {
        #expect(DotStuffing.endsOnlyAtItsEnd(ByteBuffer(string: ".\r\n")))
        #expect(DotStuffing.endsOnlyAtItsEnd(ByteBuffer(string: "..\r\n..\r\n.\r\n")))
    }
}
