extension PlanMaker {
    private static let utterances = [
        "EHLO a.example\r\n", "HELO a\r\n", "LHLO a\r\n", "EHLO \r\n", "NOOP\r\n", "RSET\r\n", "HELP\r\n", "VRFY x\r\n",
        "EXPN x\r\n", "MAIL FROM:<a@one.example>\r\n", "MAIL FROM:<a@one.example> SIZE=10\r\n", "MAIL FROM:<>\r\n",
        "MAIL FROM:<x\r\n", "MAIL FROM:<a@one.example> SIZE=99999999\r\n", "RCPT TO:<b@d.example>\r\n",
        "RCPT TO:<c@d.example>\r\n", "RCPT TO:<\"q q\"@d.example>\r\n", "RCPT TO:<Postmaster>\r\n", "RCPT TO:<bad>\r\n",
        "DATA\r\n", "DATA\r\n", "DATA\r\n", "DATA x\r\n", "Subject: x\r\n", "From: a@one.example\r\n", "\r\n", ".\r\n",
        "..\r\n", "\r\n.\r\n", "text\r\n", "a\nb\r\n", "a\rb\r\n", "\0\r\n", "\r", "\n", "AUTH PLAIN AGEAYg==\r\n",
        "AUTH LOGIN\r\n", "AUTH EXTERNAL =\r\n", "*\r\n", "bWU=\r\n", "=\r\n", "\u{e4}\r\n", "BDAT 5\r\nabc\r\n",
        "BDAT 1\r\nx", "BDAT 0\r\n", "bdat 3 last\r\na\r\n", "BDAT 2 LAST\r\n\r\n", "BDAT 0 LAST\r\n",
        "BDAT 20 LAST\r\n", "MAIL FROM:<a@one.example> BODY=BINARYMIME SMTPUTF8\r\n", "STARTTLS x\r\n", "STARTTLS\r\n",
        "FOO\r\n", String(repeating: "x", count: 3000) + "\r\n", "\u{16}\u{3}\r\n",
        "\n.\r\nMAIL FROM:<a@one.example>\r\n",
        "BDAT 34 LAST\r\nFrom: a@one.example\r\n\r\nbody text.\r\n", "RCPT TO:<d@d.example> NOTIFY=NEVER\r\n",
    ].map { octets($0) }
    private static let last = ["QUIT\r\n", "BDAT x\r\nabc", "GET / HTTP/1.1\r\n"].map { octets($0) }

    /// Anything in any order, in or outside of a session that has begun well, and octets that mean nothing.
    func hostile(_ chance: inout Generator, isImplicitTLS: Bool) -> [Utterance] {
        var plan: [Utterance] = []
        if chance.permille(800) {
            let account = accounts[0]
            if !isImplicitTLS { plan += [.line(Self.octets("EHLO c.example\r\n")), .startTLS] }
            plan.append(.line(Self.octets("EHLO c.example\r\n")))
            let secret = Self.base64(Array("\0\(account.user)\0\(account.password)".utf8))
            if chance.permille(800) { plan.append(.needed(Self.octets("AUTH PLAIN \(secret)\r\n"))) }
            if chance.permille(600) { plan.append(.line(Self.octets("MAIL FROM:<a@\(account.domain)>\r\n"))) }
            if chance.permille(600) { plan.append(.line(Self.octets("RCPT TO:<e@d.example>\r\n"))) }
        }
        for _ in 0..<chance.within(1...30) {
            guard chance.permille(50) else {
                plan.append(.line(chance.pick(Self.utterances)))
                continue
            }
            let noise: [UInt8] = [0x0D, 0x0A, 0x2E, 0x20, 0x3A, 0x3C, 0x3E]
            plan.append(
                .line(
                    (0..<chance.within(1...200)).map { _ in
                        chance.permille(500) ? chance.pick(noise) : UInt8(chance.below(256))
                    }))
        }
        if chance.permille(500) { plan.append(.line(chance.pick(Self.last))) }
        return plan
    }
}
