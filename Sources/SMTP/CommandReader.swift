import NIOCore

/// The bytes a client has sent and nobody has looked at, cut into lines that end in CRLF and nothing else
/// (RFC 5321 §2.3.8).
///
/// A lone CR or LF ends no line, however the bytes arrive; a line over the limit is dropped up to its CRLF as it comes
/// in, so that what is held is bounded, and one past 64 KiB is the end of the session.
struct CommandReader {
    enum Line: Equatable {
        /// A line without its CRLF.
        case line([UInt8])
        /// A line over the limit came and is gone; `head` is its first eight octets.
        case tooLong(head: [UInt8])
        /// More than 64 KiB without CRLF, or a line as long.
        case flood
    }

    /// 512 octets and what the extensions add to MAIL and RCPT (RFC 5321 §4.5.3.1.4, .9), with CRLF.
    static let commandLimit = 2048
    /// A response inside AUTH, with CRLF (RFC 4954 §4).
    static let responseLimit = 12_288
    static let floodLimit = 65_536

    private(set) var input = ByteBuffer()
    /// Octets at the head of `input` known to hold no CRLF.
    private var searched = 0
    /// The line that is being dropped: its length so far (less what `input` holds) and its head.
    private var dropping: (length: Int, head: [UInt8])?

    var readableBytes: Int { input.readableBytes }
    var isEmpty: Bool { input.readableBytes == 0 && dropping == nil }
    /// The first octet of a line none of which has been read.
    var firstOctet: UInt8? { dropping == nil ? input.getInteger(at: input.readerIndex) : nil }

    /// Takes everything readable. A buffer is adopted as it is when nothing waits, else its bytes are appended.
    mutating func receive(_ bytes: inout ByteBuffer) {
        if input.readableBytes == 0 {
            input = bytes.readSlice(length: bytes.readableBytes) ?? ByteBuffer()
        } else {
            input.writeBuffer(&bytes)
        }
    }

    mutating func discard() {
        self = CommandReader()
    }

    /// Lets `body` take octets from the head of the input; gives up the buffer once it is used up.
    mutating func take<Result>(_ body: (inout ByteBuffer) -> Result) -> Result {
        defer { if input.readableBytes == 0 { input = ByteBuffer() } }
        return body(&input)
    }

    /// A whole and well-formed BDAT line, if the next one is. Costs no allocation: a message may come in a million chunks.
    mutating func nextChunk() -> Chunk? {
        guard dropping == nil,
            let (chunk, length) = input.withUnsafeReadableBytes({ Chunk.parsed(at: $0) })
        else { return nil }
        input.moveReaderIndex(forwardBy: length)
        searched = 0
        return chunk
    }

    /// The next line, or nil until more bytes have come.
    mutating func next(limit: Int) -> Line? {
        let end = input.withUnsafeReadableBytes { Self.lineEnd(in: $0, from: searched) }
        guard let end else {
            searched = input.readableBytes
            return holdBack(limit: limit)
        }
        searched = 0
        let dropped = dropping
        dropping = nil
        let length = end + 2 + (dropped?.length ?? 0)
        let line = input.readBytes(length: end) ?? []
        input.moveReaderIndex(forwardBy: 2)
        if input.readableBytes == 0 { input = ByteBuffer() }
        if length > Self.floodLimit { return .flood }
        if length > limit { return .tooLong(head: dropped?.head ?? Array(line.prefix(8))) }
        return .line(line)
    }

    /// What is left is bounded: drops an unfinished line's octets once they exceed the limit, all but the last, which
    /// may be the CR of its CRLF; else moves a short rest out of a large buffer, which would live as long.
    private mutating func holdBack(limit: Int) -> Line? {
        let held = input.readableBytes
        if held + (dropping?.length ?? 0) > Self.floodLimit { return .flood }
        if held > limit || (dropping != nil && held > 1) {
            let head = dropping?.head ?? input.getBytes(at: input.readerIndex, length: 8) ?? []
            dropping = ((dropping?.length ?? 0) + held - 1, head)
            input.moveReaderIndex(forwardBy: held - 1)
            searched = 1
        }
        let rest = input.readableBytes
        if rest == 0 {
            input = ByteBuffer()
        } else if input.storageCapacity > 4096, rest < input.storageCapacity / 4 {
            input = ByteBuffer(bytes: input.readableBytesView)
        }
        return nil
    }

    /// Where the first CRLF at or behind `start` begins.
    private static func lineEnd(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var from = start
        while let lf = bytes.offset(of: .lf, from: from) {
            if lf > 0, bytes[lf - 1] == .cr { return lf - 1 }
            from = lf + 1
        }
        return nil
    }
}
