import NIOCore

/// A server's replies, cut out of what it sends (RFC 5321 §4.2). Bounded whatever comes (CVE-2020-8794):
/// a line is kept up to 2 KiB, a reply has at most 100 lines and 64 KiB; a bare LF ends a line too.
struct ReplyReader {
    enum Result: Equatable {
        case incomplete
        /// `lines` without codes, not yet escaped.
        case reply(code: Int, enhanced: EnhancedCode?, lines: [[UInt8]])
        case violation(String)
    }

    static let maxLineLength = 2048
    static let maxLines = 100
    static let maxReplyLength = 65_536

    private var line: [UInt8] = []
    private var octets = 0
    private var code: Int?
    private var enhanced: EnhancedCode?
    private var lines: [[UInt8]] = []

    /// Whether part of a reply was taken.
    var isInsideReply: Bool { octets > 0 }

    /// Takes one reply from the head of `input`, or all of it while the reply is incomplete.
    mutating func next(_ input: inout ByteBuffer) -> Result {
        while input.readableBytes > 0 {
            let end = input.withUnsafeReadableBytes { $0.offset(of: .lf) }
            let run = input.readSlice(length: end.map { $0 + 1 } ?? input.readableBytes) ?? ByteBuffer()
            octets += run.readableBytes
            guard octets <= Self.maxReplyLength else { return .violation("reply too long") }
            line += run.readableBytesView.prefix(Self.maxLineLength - line.count)
            guard end != nil else { break }
            if line.last == .lf { line.removeLast() }
            if line.last == .cr { line.removeLast() }
            let result = take(line[...])
            line.removeAll(keepingCapacity: true)
            if result != .incomplete {
                self = ReplyReader()
                return result
            }
        }
        return .incomplete
    }

    private mutating func take(_ line: ArraySlice<UInt8>) -> Result {
        guard lines.count < Self.maxLines else { return .violation("reply of too many lines") }
        guard line.count >= 3, let code = Int(decimal: line[0..<3]), (200...599).contains(code) else {
            return .violation("no reply code")
        }
        guard self.code == nil || self.code == code else { return .violation("reply code changes inside a reply") }
        self.code = code
        let separator = line.count > 3 ? line[3] : .space
        guard separator == .space || separator == UInt8(ascii: "-") else { return .violation("no reply code") }
        var rest = line.dropFirst(4)
        if let found = EnhancedCode(prefixOf: rest), found.statusClass == code / 100 {
            enhanced = found
            rest = rest.drop { $0 != .space }.drop { $0 == .space }
        }
        lines.append(Array(rest))
        guard separator == .space else { return .incomplete }
        return .reply(code: code, enhanced: enhanced, lines: lines)
    }
}
