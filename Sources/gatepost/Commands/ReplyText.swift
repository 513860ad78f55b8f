import Tenancy

/// A reply as `queue show`, `event list` and `explain` tell it.
enum ReplyText {
    /// - Parameter isBounce: with it the recipient was given up. A 4xx does not do that: time ran out.
    static func of(_ code: Int64?, _ enhanced: String?, _ words: [UInt8]?, isBounce: Bool) -> String {
        let reply = [code.map { String($0) }, enhanced, words.map(QueueMessage.text)].compactMap(\.self)
            .joined(separator: " ")
        guard isBounce, let code, (400..<500).contains(code) else { return reply }
        return "given up, for its time had run out (forwarder.expire-after); the last reply: \(reply)"
    }
}
