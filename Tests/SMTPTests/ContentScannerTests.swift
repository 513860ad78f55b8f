import Glibc
import NIOCore
import Testing

@testable import SMTP

/// The scan for the end of data against forty lines that say what must come of it.
struct ContentScannerTests {
    /// What a scanner that looks at one octet after the other makes of it.
    private struct Model: Equatable {
        var content: [UInt8]?
        var size = 0
        var defect: ContentDefect?
        /// Octets taken, if the end was among them.
        var taken: Int?

        init(_ octets: [UInt8]) {
            var kept: [UInt8] = []
            var line: [UInt8] = []
            var number = 1
            func note(_ octet: ContentDefect.Octet, _ position: Int) -> ContentDefect {
                ContentDefect(octet: octet, line: number, position: position)
            }
            for (index, octet) in octets.enumerated() {
                line.append(octet)
                let previous = line.dropLast().last
                if defect == nil {
                    if previous == .cr, octet != .lf {
                        defect = note(.bareCR, line.count - 1)
                    } else if octet == 0 {
                        defect = note(.nul, line.count)
                    } else if octet == .lf, previous != .cr {
                        defect = note(.bareLF, line.count)
                    }
                }
                guard line.suffix(2) == [.cr, .lf] else { continue }
                if line == [.dot, .cr, .lf] {
                    taken = index + 1
                    line = []
                    break
                }
                kept += line.first == .dot ? line.dropFirst() : line[...]
                number += 1
                line = []
            }
            size = kept.count
            content = taken != nil && defect == nil ? kept : nil
        }
    }

    private func scan(_ octets: [UInt8], cutAt cuts: [Int], limit: Int = 1_000_000) -> (ContentScanner, taken: Int?) {
        var scanner = ContentScanner(limit: limit, declaredSize: nil)
        var start = 0
        for end in cuts + [octets.count] {
            var piece = ByteBuffer(bytes: octets[start..<end])
            if scanner.consume(&piece) { return (scanner, end - piece.readableBytes) }
            #expect(piece.readableBytes == 0)
            start = end
        }
        return (scanner, nil)
    }

    private func verify(_ octets: [UInt8], cutAt cuts: [Int]) {
        let model = Model(octets)
        let (scanner, taken) = scan(octets, cutAt: cuts)
        #expect(taken == model.taken, "\(octets.escaped(limit: 200)) cut at \(cuts)")
        guard taken != nil else { return }
        #expect(scanner.defect == model.defect, "\(octets.escaped(limit: 200)) cut at \(cuts)")
        if let content = model.content {
            #expect(Array(scanner.content.readableBytesView) == content, "\(octets.escaped(limit: 200)) cut at \(cuts)")
            #expect(scanner.size == content.count)
        } else {
            #expect(scanner.content.readableBytes == 0)
        }
    }

    @Test func `every string of six octets that matter, whole and octet by octet`() {
        let alphabet: [UInt8] = [.cr, .lf, .dot, 0, UInt8(ascii: "a")]
        for number in 0..<15_625 {
            var rest = number
            var octets: [UInt8] = []
            for _ in 0..<6 {
                octets.append(alphabet[rest % 5])
                rest /= 5
            }
            octets += [.cr, .lf, .dot, .cr, .lf, UInt8(ascii: "Q")]
            verify(octets, cutAt: [])
            verify(octets, cutAt: Array(1..<octets.count))
        }
    }

    @Test func `random content, cut at random`() {
        var generator = SplitMix(seed: 7)
        let pieces = ["\r\n", "\r\n", ".", "..", "a", "text of a line", "\r\n.", "\r", "\n", "\0", ".\r\n"].map {
            Array($0.utf8)
        }
        for _ in 0..<3_000 {
            var octets: [UInt8] = []
            for _ in 0..<Int.random(in: 0...30, using: &generator) {
                // Defects are rare, so that content behind dots is compared too.
                let index = Int.random(in: 0..<(Bool.random(using: &generator) ? 7 : 11), using: &generator)
                octets += pieces[index]
            }
            octets += Array("\r\n.\r\nQUIT\r\n".utf8)
            let cuts = (0..<Int.random(in: 0...6, using: &generator)).map { _ in
                Int.random(in: 0...octets.count, using: &generator)
            }
            verify(octets, cutAt: cuts.sorted())
        }
    }

    @Test func `what is over the limit is counted and not kept, wherever it is cut`() {
        let octets = Array("12345678\r\n..\r\n.\r\n".utf8)
        for cut in 0...octets.count {
            let (over, taken) = scan(octets, cutAt: [cut], limit: 12)
            #expect(taken == octets.count && over.isTooLarge && over.size == 13 && over.content.readableBytes == 0)
            let (fits, _) = scan(octets, cutAt: [cut], limit: 13)
            #expect(!fits.isTooLarge && fits.content == ByteBuffer(string: "12345678\r\n.\r\n"))
        }
    }

    @Test func `a declared size is a hint, not a claim on memory`() {
        var scanner = ContentScanner(limit: 1 << 40, declaredSize: 1 << 39)
        #expect(scanner.content.capacity == 0)
        var piece = ByteBuffer(string: "x")
        _ = scanner.consume(&piece)
        #expect(scanner.content.capacity <= 128 * 1024)
    }

    @Test func `25 MB in pieces of 16 KiB are taken in one pass`() {
        let line = Array("The quick brown fox jumps over the lazy dog, and over the next one as well.\r\n".utf8)
        var block = ByteBuffer()
        while block.readableBytes < 16_384 { block.writeBytes(line) }
        // The thread's own time, for other tests run beside this one.
        func now() -> Duration {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
        }
        func take(_ blocks: Int) -> Duration {
            let begun = now()
            do {
                var dialogue = SubmissionSubject(.transaction, limits: .init(maxMessageSize: 1 << 30, maxRecipients: 1))
                var output = ByteBuffer()
                dialogue.begin(into: &output)
                var head = ByteBuffer(string: "RCPT TO:<b@d.example>\r\nDATA\r\n")
                dialogue.receive(&head)
                while let action = dialogue.nextAction(into: &output) {
                    dialogue.answer(action, with: nil, into: &output)
                }
                for _ in 0..<blocks {
                    var piece = block
                    dialogue.receive(&piece)
                    _ = dialogue.dialogue.advance(into: &output)
                }
                #expect(dialogue.dialogue.bufferedBytes == blocks * block.readableBytes)
            }
            return now() - begun
        }
        // Copying what has come with each piece would take 100 times as long for 10 times as much.
        let small = take(160)
        let large = take(1600)
        #expect(large < small * 30 + .milliseconds(200), "\(small) for 2.5 MB, \(large) for 25 MB")
    }
}
