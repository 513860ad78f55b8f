import NIOCore
import SMTP

/// The protocol alone: commands in, replies out.
enum Dialogues {
    static func all() throws -> [Benchmark] {
        [
            Benchmark(name: "smtp/message, 10 KB") { count, watch in
                try messages(count, &watch, content: Samples.message(octets: 10 * 1024), pieces: 16 * 1024)
            },
            Benchmark(name: "smtp/message, 100 recipients") { count, watch in
                try messages(
                    count, &watch, content: Samples.message(octets: 10 * 1024), pieces: 16 * 1024, recipients: 100)
            },
            Benchmark(name: "smtp/end of data, 1 MB") { count, watch in
                try messages(count, &watch, content: Samples.message(octets: 1 << 20), pieces: 16 * 1024)
            },
            Benchmark(name: "smtp/end of data, 1 MB, lines of 2") { count, watch in
                try messages(
                    count, &watch, content: ByteBuffer(repeating: "ab\r\n", upTo: 1 << 20), pieces: 16 * 1024)
            },
            Benchmark(name: "smtp/end of data, 1 MB, all dots") { count, watch in
                try messages(
                    count, &watch, content: ByteBuffer(repeating: "..\r\n", upTo: 1 << 20), pieces: 16 * 1024)
            },
        ]
    }

    /// Whole transactions of one session, each write of the client's a buffer of its own, as the network brings it.
    private static func messages(
        _ count: Int, _ watch: inout Stopwatch, content: ByteBuffer, pieces: Int, recipients: Int = 1
    ) throws {
        var dialogue = SubmissionDialogue(
            configuration: .init(
                hostname: "mail.gate.example", maxMessageSize: 25 << 20, maxRecipients: 1000, mechanisms: ["PLAIN"]),
            security: .tls)
        var output = ByteBuffer()
        dialogue.greeting(into: &output)
        say("EHLO client.example", to: &dialogue, &output)
        say("AUTH PLAIN AGEAYg==", to: &dialogue, &output)
        dialogue.authenticated(limits: .init(maxMessageSize: 25 << 20, maxRecipients: 1000), into: &output)

        let sender = ByteBuffer(string: "MAIL FROM:<app@demo.example> SIZE=\(content.readableBytes)\r\n")
        let rcpts = (1...recipients).map { ByteBuffer(string: "RCPT TO:<r\($0)@example.net>\r\n") }
        let data = ByteBuffer(string: "DATA\r\n")
        var rest = content
        rest.writeString(".\r\n")
        var contentPieces: [ByteBuffer] = []
        while let piece = rest.readSlice(length: min(pieces, rest.readableBytes)), piece.readableBytes > 0 {
            contentPieces.append(piece)
        }
        let writes = [sender] + rcpts + [data] + contentPieces
        for _ in 0..<count {
            // Each read fills a buffer that nobody else holds.
            let reads = writes.map { ByteBuffer(bytes: $0.readableBytesView) }
            let taken = watch.measure {
                var taken = 0
                for read in reads {
                    var output = ByteBuffer()
                    var read = read
                    dialogue.receive(&read)
                    while let action = dialogue.advance(into: &output) {
                        switch action {
                        case .message(_, let content):
                            taken += content.readableBytes
                            dialogue.accepted(.queued, into: &output)
                        default: dialogue.allow(into: &output)
                        }
                    }
                }
                return taken
            }
            guard taken > 0 else { throw Fault("the message was not taken") }
        }
    }

    private static func say(_ line: String, to dialogue: inout SubmissionDialogue, _ output: inout ByteBuffer) {
        var bytes = ByteBuffer(string: line + "\r\n")
        dialogue.receive(&bytes)
        _ = dialogue.advance(into: &output)
    }
}

extension Reply {
    static let queued = Reply(250, EnhancedCode(2, 0, 0), "Ok: queued as 01a221ff-3724-7d99-b10b-4060ea7202ff")
}

/// A benchmark that does not do what it is to measure.
struct Fault: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

extension ByteBuffer {
    init(repeating line: String, upTo octets: Int) {
        self.init()
        while readableBytes < octets { writeString(line) }
    }
}
