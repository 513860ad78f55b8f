/// What clients say: what most programs do, what some do, and what nobody should.
struct PlanMaker {
    let accounts: [Session.Account]
    private static let mechanisms = ["PLAIN", "PLAIN", "LOGIN"]

    /// - Parameter key: tells this client's messages from all others'.
    func plan(_ chance: inout Generator, key: Int, isImplicitTLS: Bool) -> (Client.Manner, [Utterance]) {
        let manner: Client.Manner = [.polite, .polite, .pipelining, .pipelining, .reckless][chance.below(5)]
        switch chance.below(20) {
        case 0..<3: return (.reckless, hostile(&chance, isImplicitTLS: isImplicitTLS))
        case 3: return (manner, guessing(&chance, isImplicitTLS: isImplicitTLS))
        default: return (manner, decent(&chance, key: key, isImplicitTLS: isImplicitTLS))
        }
    }

    private func entry(_ chance: inout Generator, _ account: Session.Account, isImplicitTLS: Bool) -> [Utterance] {
        var plan: [Utterance] = []
        if !isImplicitTLS { plan += [.line(Self.octets("EHLO a.example\r\n")), .startTLS] }
        plan.append(.line(Self.octets(chance.permille(900) ? "EHLO a.example\r\n" : "HELO a.example\r\n")))
        return plan + authentication(&chance, account.user, account.password)
    }

    private func authentication(_ chance: inout Generator, _ user: String, _ password: String) -> [Utterance] {
        let plain = Self.base64(Array("\0\(user)\0\(password)".utf8))
        switch chance.below(4) {
        case 0:
            return [
                .line(Self.octets("AUTH LOGIN\r\n")), .line(Self.octets(Self.base64(Array(user.utf8)) + "\r\n")),
                .needed(Self.octets(Self.base64(Array(password.utf8)) + "\r\n")),
            ]
        case 1: return [.line(Self.octets("AUTH PLAIN\r\n")), .needed(Self.octets(plain + "\r\n"))]
        default: return [.needed(Self.octets("AUTH PLAIN \(plain)\r\n"))]
        }
    }

    /// Wrong secrets, now and then broken off, at last perhaps the right one.
    private func guessing(_ chance: inout Generator, isImplicitTLS: Bool) -> [Utterance] {
        let account = chance.pick(accounts)
        var plan: [Utterance] = []
        if !isImplicitTLS { plan += [.line(Self.octets("EHLO b.example\r\n")), .startTLS] }
        plan.append(.line(Self.octets("EHLO b.example\r\n")))
        for _ in 0..<chance.within(1...25) {
            let secret = Self.base64(Array("\0\(account.user)\0guess\(chance.below(100))".utf8))
            switch chance.below(4) {
            case 0: plan += [.line(Self.octets("AUTH LOGIN\r\n")), .line(Self.octets("*\r\n"))]
            case 1: plan += [.line(Self.octets("AUTH PLAIN\r\n")), .line(Self.octets(secret + "\r\n"))]
            default: plan.append(.line(Self.octets("AUTH PLAIN \(secret)\r\n")))
            }
        }
        if chance.permille(300) { plan += authentication(&chance, account.user, account.password) }
        return plan + [.line(Self.octets("MAIL FROM:<a@\(account.domain)>\r\n")), .line(Self.octets("QUIT\r\n"))]
    }

    private func decent(_ chance: inout Generator, key: Int, isImplicitTLS: Bool) -> [Utterance] {
        let account = chance.pick(accounts)
        var plan = entry(&chance, account, isImplicitTLS: isImplicitTLS)
        for number in 0..<chance.within(1...4) {
            let message = Message(&chance, key: "\(key).\(number)", domain: account.domain)
            plan += transaction(&chance, message, account)
            // Who did not hear an answer, or thinks so, sends it again.
            if chance.permille(50) { plan += transaction(&chance, message, account) }
            if chance.permille(50) { plan.append(.line(Self.octets(chance.pick(["RSET\r\n", "NOOP\r\n"])))) }
        }
        return plan + [.line(Self.octets("QUIT\r\n"))]
    }

    private func transaction(
        _ chance: inout Generator, _ message: Message, _ account: Session.Account
    ) -> [Utterance] {
        let isChunked = chance.permille(300)
        let isForeign = chance.permille(20)
        var plan: [Utterance] = [
            .line(
                Self.octets(
                    "MAIL FROM:<a@\(isForeign ? "other.example" : account.domain)>"
                        + (chance.permille(100) ? " BODY=8BITMIME" : "") + "\r\n"))
        ]
        for recipient in message.recipients { plan.append(.line(Self.octets("RCPT TO:<\(recipient)>\r\n"))) }
        guard isChunked else {
            return plan + [.line(Self.octets("DATA\r\n")), .content(Self.stuffed(message.octets))]
        }
        var rest = message.octets[...]
        while true {
            let count = chance.permille(500) ? rest.count : chance.within(0...rest.count)
            let isLast = count == rest.count && chance.permille(800)
            plan.append(.line(Self.octets("BDAT \(count)\(isLast ? " LAST" : "")\r\n") + rest.prefix(count)))
            rest = rest.dropFirst(count)
            if isLast { return plan }
        }
    }

    // MARK: Octets

    static func octets(_ text: String) -> [UInt8] { Array(text.utf8) }

    static func stuffed(_ octets: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(octets.count + 16)
        var previous: UInt8 = 0x0A
        for octet in octets {
            if previous == 0x0A, octet == 0x2E { result.append(0x2E) }
            result.append(octet)
            previous = octet
        }
        return result + Self.octets(octets.suffix(2) == [0x0D, 0x0A] ? ".\r\n" : "\r\n.\r\n")
    }

    static func base64(_ octets: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: octets.count, by: 3) {
            let group = octets[start..<min(start + 3, octets.count)]
            let bits = group.enumerated().reduce(0) { $0 | Int($1.element) << (16 - 8 * $1.offset) }
            for place in 0..<4 {
                text.append(place <= group.count ? alphabet[bits >> (18 - 6 * place) & 63] : 0x3D)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}

/// A message with what is hard about messages in it.
struct Message {
    var recipients: [String]
    var octets: [UInt8]

    private static let lines = [
        "Hello.", ".", "..", ".hidden", "", "", "A line of text like any other, neither long nor short.",
        "From the start.", "MAIL FROM:<evil@other.example>", "RCPT TO:<victim@other.example>", "DATA", "QUIT",
        "\u{E9}\u{E8} in UTF-8", "=20 \t", "RSET",
    ].map { Array($0.utf8) }
    /// What other servers may take for the end of a line or of the content (SMTP smuggling).
    private static let smuggled = [
        "\n.\r\n", "\n.\n", "\r.\r", "\r\n.\r", "\r\n.\n", "\r.\r\n", "a\nb", "a\rb", "\r\r\n.\r\r\n", "\0",
    ].map { Array($0.utf8) }

    init(_ chance: inout Generator, key: String, domain: String) {
        recipients = (0..<(chance.permille(100) ? chance.within(3...12) : chance.within(1...2))).map { _ in
            chance.permille(3) ? "poison@d.example" : "r\(chance.below(30))@d\(chance.below(3)).example"
        }
        var text = "From: a@\(domain)\r\nSubject: \(key)\r\n"
        if chance.permille(700) { text += "Message-ID: <\(key)@a.example>\r\n" }
        if chance.permille(700) { text += "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n" }
        if chance.permille(100) { text += "Bcc: b@x.example\r\n" }
        if chance.permille(20) { text += "From: again@\(domain)\r\n" }
        octets = Array((text + "\r\n").utf8)
        let count = chance.permille(20) ? chance.within(20...800) : chance.within(0...12)
        for _ in 0..<count { octets += chance.pick(Self.lines) + [0x0D, 0x0A] }
        if chance.permille(40) { octets += chance.pick(Self.smuggled) + PlanMaker.octets("text\r\n") }
        if chance.permille(20) { octets += PlanMaker.octets("no line end") }
    }
}
