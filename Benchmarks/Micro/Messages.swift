import Cryptography
import MailMessage
import NIOCore

/// A message once it is whole: header, fix-ups, hash.
enum Messages {
    static func all() -> [Benchmark] {
        [
            of("message/header scan", Samples.message(octets: 10 * 1024)) { content in
                try HeaderScan(content).fields.count
            },
            of("message/header scan, 200 fields", Samples.longHeader(fields: 200)) { content in
                try HeaderScan(content).fields.count
            },
            of("message/fix-up, nothing to do", Samples.message(octets: 10 * 1024)) { content in
                try PreparedMessage(content: content, now: 1_795_866_703, hostname: "mail.gate.example").content
                    .readableBytes
            },
            of("message/fix-up, all of it", Samples.bareMessage(octets: 10 * 1024)) { content in
                try PreparedMessage(content: content, now: 1_795_866_703, hostname: "mail.gate.example").content
                    .readableBytes
            },
            of("message/fix-up, 1 MB", Samples.message(octets: 1 << 20)) { content in
                try PreparedMessage(content: content, now: 1_795_866_703, hostname: "mail.gate.example").content
                    .readableBytes
            },
            of("message/hash, 10 KB", Samples.message(octets: 10 * 1024)) { content in
                var hash = SHA256()
                hash.update(content.readableBytesView)
                return hash.finalize().count
            },
            of("message/trace field", ByteBuffer()) { _ in
                TraceField.received(
                    heloName: "client.example", clientAddress: "192.0.2.1", protocol: "ESMTPSA", tlsVersion: "TLSv1.3",
                    cipher: "TLS_AES_256_GCM_SHA384", hostname: "mail.gate.example",
                    queueID: "01a221ff-3724-7d99-b10b-4060ea7202ff", date: 1_795_866_703
                ).readableBytes
            },
        ]
    }

    private static func of(
        _ name: String, _ content: ByteBuffer, _ body: @escaping (ByteBuffer) throws -> Int
    ) -> Benchmark {
        Benchmark(name: name) { count, watch in
            var sum = 0
            try watch.measure { for _ in 0..<count { sum &+= try body(content) } }
            guard sum > 0 else { throw Fault("\(name) came to nothing") }
        }
    }
}

enum Samples {
    /// As an application writes it: eight fields, a body in lines of 76.
    static func message(octets: Int) -> ByteBuffer {
        var message = ByteBuffer(
            string: """
                Date: Sat, 28 Nov 2026 10:11:12 +0000\r
                From: "A Shop" <app@demo.example>\r
                To: someone@example.net\r
                Subject: Your order 4711 has been shipped\r
                Message-ID: <4711.abcdef@demo.example>\r
                MIME-Version: 1.0\r
                Content-Type: text/plain; charset=utf-8\r
                Content-Transfer-Encoding: quoted-printable\r
                \r

                """)
        fill(&message, upTo: octets)
        return message
    }

    /// Without Date and Message-ID, with what has to go.
    static func bareMessage(octets: Int) -> ByteBuffer {
        var message = ByteBuffer(
            string: """
                From: app@demo.example\r
                To: someone@example.net\r
                Bcc: hidden@example.net,\r
                 another@example.net\r
                Return-Path: <app@demo.example>\r
                Subject: Your order\r
                \r

                """)
        fill(&message, upTo: octets)
        return message
    }

    static func longHeader(fields: Int) -> ByteBuffer {
        var message = ByteBuffer(string: "From: app@demo.example\r\n")
        for number in 1..<fields { message.writeString("X-Field-\(number): a value\r\n and its second line\r\n") }
        message.writeString("\r\n")
        return message
    }

    private static func fill(_ message: inout ByteBuffer, upTo octets: Int) {
        let line = "The quick brown fox jumps over the lazy dog, and then again, and once more.\r\n"
        while message.readableBytes + line.utf8.count < octets { message.writeString(line) }
    }
}
