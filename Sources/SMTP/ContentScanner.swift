import NIOCore

/// What makes content unfit to be stored: an octet that other servers may take for the end of a line.
package struct ContentDefect: Hashable, Sendable {
    package enum Octet: String, Hashable, Sendable {
        case bareCR = "CR without LF"
        case bareLF = "LF without CR"
        case nul = "NUL"
    }

    package let octet: Octet
    /// Both from 1; a line ends at CRLF, an octet is counted as sent.
    package let line: Int
    package let position: Int
}

/// Message content on its way in: judges every octet, in one pass over contiguous memory, whatever pieces it arrives in.
/// By DATA (RFC 5321 §4.5.2) it finds the end and takes the dots out, too; in chunks (RFC 3030) its caller counts.
///
/// Only CRLF ends a line and only CRLF "." CRLF the content. A bare CR or LF or a NUL is remembered (the first one),
/// and from then on, as once the size limit is passed, nothing is kept: a refusal holds no memory. Lines may be as long
/// as the message: they are stored and sent on as they came, for to break one would break what was signed.
struct ContentScanner {
    enum Framing {
        /// DATA: dots at the head of a line are transport.
        case dots
        /// BDAT: a dot is a dot.
        case counted
        /// BDAT with BODY=BINARYMIME: no octet means anything here.
        case binary
    }

    /// Where in a line the next octet stands.
    private enum Position {
        case lineStart
        /// Behind a dot that began a line: the end of content, a stuffed dot, or a dot the sender forgot to double.
        case dot
        /// Behind that dot and a CR.
        case dotCR
        case middle
        /// Behind a CR in mid-line.
        case cr
    }

    private(set) var content = ByteBuffer()
    /// The size as RFC 1870 counts it, kept or not: dots taken out, CRLFs in.
    private(set) var size = 0
    private(set) var defect: ContentDefect?
    private let limit: Int
    private let expected: Int
    private let framing: Framing
    private let lineEndings: LineEndings
    private var position = Position.lineStart
    private var line = 1
    private var column = 0

    init(limit: Int, declaredSize: Int?, framing: Framing = .dots, lineEndings: LineEndings = .strict) {
        self.limit = limit
        self.framing = framing
        self.lineEndings = lineEndings
        // The declared size is a hint from a stranger: at most so much is reserved on his word, and not before an
        // octet has come. Growth from there doubles, so the whole stays linear.
        expected = min(declaredSize ?? 0, limit, 128 * 1024)
    }

    var isTooLarge: Bool { size > limit }
    private var keeps: Bool { defect == nil && size <= limit }

    /// The content is whole: what a CR at its very end, and the line endings as configured, come to.
    mutating func finish() {
        if position == .cr { note(.bareCR, at: column) }
        guard lineEndings == .normalise, framing != .binary, keeps else { return }
        content = lineEndings.applied(to: content)
        size = content.readableBytes
        if isTooLarge { content = ByteBuffer() }
    }

    /// Takes content from the head of `input`, at most `count` octets; true once the end was taken too, which only dots
    /// have (what follows it stays in `input`).
    mutating func consume(_ input: inout ByteBuffer, upTo count: Int = .max) -> Bool {
        if content.capacity == 0, expected > 0, input.readableBytes > 0, keeps { content.reserveCapacity(expected) }
        var finished = false
        input.readWithUnsafeReadableBytes { bytes in
            let (taken, end) = scan(UnsafeRawBufferPointer(rebasing: bytes.prefix(count)))
            finished = end
            return taken
        }
        return finished
    }

    /// `start` is where the run of octets begins that belong to the content and are not yet copied.
    private mutating func scan(_ bytes: UnsafeRawBufferPointer) -> (taken: Int, finished: Bool) {
        guard framing != .binary else {
            keep(bytes[...])
            return (bytes.count, false)
        }
        var index = 0
        var start = 0
        let nul = bytes.offset(of: 0) ?? bytes.count
        while index < bytes.count {
            switch position {
            case .lineStart:
                let sound = soundLines(bytes, from: index, to: nul)
                if sound > index {
                    index = sound
                } else if bytes[index] == .dot, framing == .dots {
                    keep(bytes[start..<index])
                    index += 1
                    start = index  // the dot is not content, whatever follows
                    column = 1
                    position = .dot
                } else {
                    position = .middle
                }
            case .dot:
                if bytes[index] == .cr {
                    // Held back: the CR is content only if no LF follows.
                    index += 1
                    start = index
                    column += 1
                    position = .dotCR
                } else {
                    position = .middle
                }
            case .dotCR:
                if bytes[index] == .lf { return (index + 1, true) }
                note(.bareCR, at: column)
                keepCR()
                position = .middle
            case .cr:
                if bytes[index] == .lf {
                    index += 1
                    endLine()
                } else {
                    note(.bareCR, at: column)
                    position = .middle
                }
            case .middle:
                index = scanLine(bytes, from: index)
            }
        }
        keep(bytes[start..<bytes.count])
        return (bytes.count, false)
    }

    /// Nearly all there ever is: whole lines of which none begins with a dot and none holds a defect. Two searches for
    /// each, and the rest stays in registers; returns where the first line begins that needs a closer look.
    private mutating func soundLines(_ bytes: UnsafeRawBufferPointer, from start: Int, to end: Int) -> Int {
        var index = start
        var lines = 0
        while index < end, bytes[index] != .dot || framing == .counted,
            let cr = bytes.offset(of: .cr, from: index, to: end)
        {
            guard cr + 1 < end, bytes[cr + 1] == .lf, bytes.offset(of: .lf, from: index, to: cr) == nil else { break }
            index = cr + 2
            lines += 1
        }
        line += lines
        return index
    }

    /// From somewhere in a line to behind its CRLF, or to the end of the bytes.
    private mutating func scanLine(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        let lf = bytes.offset(of: .lf, from: start)
        let end = lf ?? bytes.count
        if defect == nil { inspect(bytes, start..<end, endsInLF: lf != nil) }
        guard let lf else {
            column += bytes.count - start
            position = bytes[bytes.count - 1] == .cr ? .cr : .middle
            return bytes.count
        }
        if lf > start, bytes[lf - 1] == .cr {
            endLine()
        } else {
            column += lf + 1 - start
            position = .middle
        }
        return lf + 1
    }

    /// Looks for the first NUL, bare CR or bare LF in `range` (and the LF that follows it, if one does).
    private mutating func inspect(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, endsInLF: Bool) {
        var found: (Int, ContentDefect.Octet)?
        if let nul = bytes.offset(of: 0, from: range.lowerBound, to: range.upperBound) { found = (nul, .nul) }
        guard lineEndings == .strict else {
            if let (index, octet) = found { note(octet, at: column + index - range.lowerBound + 1) }
            return
        }
        // A CR as the last octet is judged by what follows it: the LF, or the next piece.
        if let cr = bytes.offset(of: .cr, from: range.lowerBound, to: found?.0 ?? (range.upperBound - 1)) {
            found = (cr, .bareCR)
        }
        if found == nil, endsInLF, range.isEmpty || bytes[range.upperBound - 1] != .cr {
            found = (range.upperBound, .bareLF)
        }
        if let (index, octet) = found { note(octet, at: column + index - range.lowerBound + 1) }
    }

    private mutating func endLine() {
        line += 1
        column = 0
        position = .lineStart
    }

    private mutating func note(_ octet: ContentDefect.Octet, at position: Int) {
        guard defect == nil, octet == .nul || lineEndings == .strict else { return }
        defect = ContentDefect(octet: octet, line: line, position: position)
        content = ByteBuffer()
    }

    /// The CR behind a dot was held back, for the end of content might have followed.
    private mutating func keepCR() {
        size += 1
        if keeps { content.writeInteger(UInt8.cr) }
    }

    private mutating func keep(_ run: Slice<UnsafeRawBufferPointer>) {
        size += run.count
        if keeps {
            content.writeBytes(UnsafeRawBufferPointer(rebasing: run))
        } else if content.capacity > 0 {
            content = ByteBuffer()
        }
    }
}
