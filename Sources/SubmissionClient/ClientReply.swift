import NIOCore

/// A server's reply, whole.
package struct ClientReply: Hashable, Sendable, CustomStringConvertible {
    package let code: Int
    /// Each line behind its code, printable ASCII; at most 100 lines of 512 octets are kept.
    package let lines: [String]

    package var text: String { lines.joined(separator: " ") }
    package var description: String { "\(code) \(text)" }

    /// The enhanced status code that begins the text, if one does.
    package var enhanced: String? {
        guard let word = lines.first?.split(separator: " ").first, word.contains(".") else { return nil }
        let parts = word.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 3 && parts.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { $0 &- 0x30 < 10 } }
            ? String(word) : nil
    }
}

/// Reads replies off a connection (RFC 5321 §4.2). Lines that only say 2xx or 3xx to a message under way cost no string.
struct ReplyReader {
    enum Failure: Error { case malformed, tooLong }

    /// A line may have this many octets, a reply this many lines.
    static let maxLine = 4096
    static let maxLines = 100

    private var input = ByteBuffer()
    private var lines: [String] = []
    private var code = 0

    mutating func feed(_ bytes: inout ByteBuffer) {
        if input.readableBytes == 0 {
            input.clear()
        } else if input.readerIndex > 16_384 {
            input.discardReadBytes()
        }
        input.writeBuffer(&bytes)
    }

    mutating func discard() { self = ReplyReader() }

    /// The next whole reply; nil when more octets are needed. The text of 4xx and 5xx is always kept.
    mutating func next(keepsAllText: Bool) throws(Failure) -> ClientReply? {
        while true {
            let line = input.readableBytesView
            guard let lineFeed = line.firstIndex(of: UInt8(ascii: "\n")) else {
                guard line.count <= Self.maxLine else { throw .tooLong }
                return nil
            }
            guard lineFeed - line.startIndex <= Self.maxLine else { throw .tooLong }
            var digits = 0
            for index in line[line.startIndex..<min(line.startIndex + 3, lineFeed)] {
                guard index &- 0x30 < 10 else { throw .malformed }
                digits = digits * 10 + Int(index - 0x30)
            }
            let afterCode = line.startIndex + 3
            guard afterCode <= lineFeed, (200...599).contains(digits), code == 0 || code == digits else {
                throw .malformed
            }
            code = digits
            let isLast = line[afterCode] != UInt8(ascii: "-")
            if keepsAllText || digits >= 400 {
                guard lines.count < Self.maxLines else { throw .tooLong }
                let end = line[line.index(before: lineFeed)] == UInt8(ascii: "\r") ? lineFeed - 1 : lineFeed
                let text = line[min(afterCode + 1, end)..<end].prefix(512).map {
                    (0x20...0x7E).contains($0) ? $0 : 0x3F
                }
                lines.append(String(decoding: text, as: UTF8.self))
            }
            input.moveReaderIndex(forwardBy: lineFeed - line.startIndex + 1)
            guard isLast else { continue }
            defer {
                lines = []
                code = 0
            }
            return ClientReply(code: digits, lines: lines)
        }
    }
}
