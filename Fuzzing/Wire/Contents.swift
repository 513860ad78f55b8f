import FuzzSupport
import NIOCore

@testable import SMTP

extension FuzzTarget {
    /// The scan for the end of data against a reader of lines; chunks and binary content; and the way back to the wire.
    static let content = FuzzTarget(name: "content", longest: 112) { octets throws(Violation) in
        var choices = Choices(octets)
        let setting = choices.octet()
        let limit = Int(choices.octet())
        let framing: ContentScanner.Framing = [.dots, .dots, .counted, .binary][Int(setting & 3)]
        let lineEndings: LineEndings = setting & 4 == 0 ? .strict : .normalise
        let cuts = [choices.octet(), choices.octet(), choices.octet()]
        let sent = Array(choices.rest)

        func scan(_ pieces: [Range<Int>]) -> (scanner: ContentScanner, taken: Int) {
            var scanner = ContentScanner(
                limit: limit, declaredSize: setting & 8 == 0 ? nil : Int(setting) << 40, framing: framing,
                lineEndings: lineEndings)
            let all = ByteBuffer(bytes: sent)
            for piece in pieces {
                guard var buffer = all.getSlice(at: piece.lowerBound, length: piece.count) else { continue }
                if scanner.consume(&buffer) { return (scanner, piece.upperBound - buffer.readableBytes) }
            }
            return (scanner, sent.count)
        }
        var (whole, taken) = scan([0..<sent.count])
        let places = cuts.map { sent.count * Int($0) / 255 }.sorted()
        var parted = scan([0..<places[0], places[0]..<places[1], places[1]..<places[2], places[2]..<sent.count])
        whole.finish()
        parted.scanner.finish()
        try demand(taken == parted.taken, "cut, it ends elsewhere")
        try demand(whole.size == parted.scanner.size, "cut, it has another size")
        try demand(whole.content == parted.scanner.content, "cut, it is another content")
        try demand(whole.defect == parted.scanner.defect, "cut, it has another defect")
        try demand(whole.content.readableBytes <= limit, "more is kept than may be")
        try demand(!whole.isTooLarge && whole.defect == nil || whole.content.readableBytes == 0, "a refusal is kept")

        switch framing {
        case .binary:
            try demand(whole.size == sent.count && whole.defect == nil, "binary content is judged")
            try demand(whole.isTooLarge || Array(whole.content.readableBytesView) == sent, "binary content is changed")
        case .counted, .dots:
            guard !whole.isTooLarge, whole.defect == nil else { return }
            try demandStorable(whole.content, isBinary: false)
            guard framing == .dots else { return }
            let found = ReplyOracle.content(sent, from: 0)
            guard let found else { return try demand(taken == sent.count, "content ends where it has no end") }
            try demand(taken == found.end, "content ends elsewhere")
            guard lineEndings == .strict else { return }
            try demand(Array(whole.content.readableBytesView) == found.0, "content is not what stands in its lines")
        }
    }
}
