import NIOCore

/// One BDAT command (RFC 3030 §2): how many octets follow it, and whether they are the last of their message.
///
///     bdat-cmd = "BDAT" SP chunk-size [SP "LAST"] CRLF          chunk-size = 1*DIGIT
struct Chunk: Equatable {
    var size: Int
    var isLast: Bool

    init(size: Int, isLast: Bool) {
        self.size = size
        self.isLast = isLast
    }

    /// Nil for what cannot be understood, or counted: where the next command begins is not known then.
    init?(parsing argument: ArraySlice<UInt8>) {
        let words = argument.split(separator: .space)
        guard (1...2).contains(words.count), words[0].count <= 20, let size = Int(decimal: words[0]),
            words.count == 1 || words[1].equalsIgnoringCase("LAST")
        else { return nil }
        self.init(size: size, isLast: words.count == 2)
    }

    /// Whether a line that is no command begins as one with a chunk behind it.
    static func isBegun(by line: some Collection<UInt8>) -> Bool {
        line.prefix(4).equalsIgnoringCase("BDAT") && !(line.dropFirst(4).first?.isLetter ?? false)
    }

    /// The chunk whose plainly written command stands at the head of `bytes`, and the command's length with its CRLF.
    static func parsed(at bytes: UnsafeRawBufferPointer) -> (Chunk, length: Int)? {
        guard bytes.count >= 8, bytes.prefix(5).startsIgnoringCase("BDAT ") else { return nil }
        var index = 5
        var size = 0
        while index < min(bytes.count, 23), bytes[index].isDigit {  // eighteen digits cannot overflow
            size = size * 10 + Int(bytes[index] - 0x30)
            index += 1
        }
        guard index > 5 else { return nil }
        var isLast = false
        if index + 7 <= bytes.count, bytes[index] == .space {
            guard bytes[(index + 1)..<(index + 5)].equalsIgnoringCase("LAST") else { return nil }
            isLast = true
            index += 5
        }
        guard index + 2 <= bytes.count, bytes[index] == .cr, bytes[index + 1] == .lf else { return nil }
        return (Chunk(size: size, isLast: isLast), index + 2)
    }
}

/// A message's content while it arrives, by DATA or in chunks.
struct ContentReception {
    enum Progress { case incomplete, chunkEnd, end }

    private var scanner: ContentScanner
    private let limit: Int
    /// The chunk being received, and what of it has not come; nil by DATA.
    private var chunk: (Chunk, remaining: Int)?
    /// Octets that came for this message, kept or not.
    private(set) var octetsReceived = 0

    /// By DATA where `chunk` is nil; else the first chunk begins.
    init(_ chunk: Chunk?, limit: Int, mail: MailArgument, lineEndings: LineEndings) {
        self.limit = limit
        self.chunk = chunk.map { ($0, $0.size) }
        let framing: ContentScanner.Framing =
            chunk == nil ? .dots : mail.parameters.body == .binaryMIME ? .binary : .counted
        scanner = ContentScanner(
            limit: limit, declaredSize: mail.declaredSize, framing: framing, lineEndings: lineEndings)
    }

    var bufferedBytes: Int { scanner.content.readableBytes }

    /// Whether the message with `chunk` is larger than it may be.
    func exceedsLimit(with chunk: Chunk) -> Bool { chunk.size > limit - scanner.size }

    /// The next chunk begins.
    mutating func begin(_ next: Chunk) { chunk = (next, next.size) }

    /// Takes what belongs to the content from the head of `input`.
    mutating func read(_ input: inout ByteBuffer) -> Progress {
        let available = input.readableBytes
        defer { octetsReceived += available - input.readableBytes }
        guard case .some((let current, let remaining)) = chunk else {
            return scanner.consume(&input) ? .end : .incomplete
        }
        if remaining > 0, available > 0 { _ = scanner.consume(&input, upTo: remaining) }
        let left = remaining - (available - input.readableBytes)
        chunk = (current, left)
        return left > 0 ? .incomplete : current.isLast ? .end : .chunkEnd
    }

    /// Why what has come so far cannot be taken, if it cannot.
    var refusal: Reply? {
        if scanner.isTooLarge { return .tooLarge(limit: limit) }
        return scanner.defect.map { .unfit($0) }
    }

    /// The octets of the chunk that has just ended.
    var chunkSize: Int { chunk?.0.size ?? 0 }

    /// The whole content, or why it is refused.
    mutating func finish() -> (content: ByteBuffer, refusal: Reply?) {
        scanner.finish()
        if let refusal { return (ByteBuffer(), refusal) }
        // By DATA an empty message is one without a From; in chunks it is mostly a client's mistake (Exim: CVE-2017-16944).
        if chunk != nil, scanner.size == 0 { return (ByteBuffer(), .emptyMessage) }
        return (scanner.content, nil)
    }
}
