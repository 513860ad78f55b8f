import Testing

@testable import gatepost

/// The last reply to a recipient, as commands tell it.
@Suite struct ReplyTextTests {
    private func text(_ code: Int64?, isBounce: Bool) -> String {
        ReplyText.of(code, code == nil ? nil : "4.2.1", code == nil ? nil : Array("grey".utf8), isBounce: isBounce)
    }

    @Test func `a bounce by a 4xx says that time ran out`() {
        #expect(
            text(450, isBounce: true)
                == "given up, for its time had run out (forwarder.expire-after); the last reply: 450 4.2.1 grey")
    }

    @Test func `any other reply stands for itself`() {
        #expect(text(450, isBounce: false) == "450 4.2.1 grey")
        #expect(text(554, isBounce: true) == "554 4.2.1 grey")
        #expect(text(nil, isBounce: true).isEmpty)
    }
}
