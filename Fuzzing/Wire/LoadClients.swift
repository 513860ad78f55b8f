import FuzzSupport
import NIOCore

@testable import SubmissionClient

/// The load client before a hostile server that speaks a phase at a time.
private struct ClientRun {
    var dialogue: ClientDialogue
    let setting: UInt8
    var output = ByteBuffer()
    var events: [String] = []
    private var isOpen = false
    private var isOver = false
    private var messages = 0
    /// TLS has begun: what else came with the server's word for it came in the clear, and never arrives inside.
    private(set) var isDeaf = false

    private static let envelope = ClientDialogue.Envelope(
        sender: "a@own.example", recipients: ["b@x.example", "c@x.example"])
    private static let content = ByteBuffer(string: "Subject: x\r\n\r\nbody\r\n")
    private static let credentials = ClientCredentials.Mechanism.allCases.map {
        ClientCredentials(username: "acme.x", secret: "secret", mechanism: $0)
    }

    init(_ setting: UInt8) {
        self.setting = setting
        // SCRAM makes a nonce of its own each time: the target `sasl` has it.
        let credentials = setting & 2 == 0 ? nil : Self.credentials[setting & 4 == 0 ? 0 : 1]
        dialogue = ClientDialogue(
            .init(
                heloName: "client", startsTLS: setting & 1 != 0, credentials: credentials, pipelines: setting & 8 != 0,
                keepsReplies: setting & 16 != 0))
    }

    mutating func feed(_ bytes: ByteBuffer) throws(Violation) {
        guard !isDeaf else { return }
        var bytes = bytes
        dialogue.receive(&bytes)
        while let action = dialogue.advance(into: &output) {
            try demand(!isOver, "something follows the end")
            switch action {
            case .startTLS:
                events.append("startTLS")
                isDeaf = true
                dialogue.secured(into: &output)
            case .authenticate:
                events.append("authenticate")
                dialogue.authenticate(channelBinding: [], secrets: SaltedSecrets(), into: &output)
            case .ready:
                try demand(!isOpen, "ready inside a message")
                next()
            case .outcome(let outcome):
                try demand(isOpen, "an outcome of no message")
                isOpen = false
                switch outcome {
                case .accepted(let reply):
                    events.append("accepted \(reply)")
                    try demand((200..<400).contains(reply.code), "accepted by \(reply.code)")
                case .refused(let stage, let reply):
                    events.append("refused \(stage.rawValue) \(reply)")
                    try demand(reply.code >= 400 || setting & 8 != 0 || stage == .data, "refused by \(reply.code)")
                }
                next()
            case .mayFollow: events.append("mayFollow")
            case .failed(let failure):
                events.append("failed \(failure)")
                isOver = true
            case .closed:
                events.append("closed")
                isOver = true
            }
        }
    }

    mutating func beginPhase() { isDeaf = false }

    private mutating func next() {
        messages += 1
        guard messages <= 3 else { return dialogue.quit(into: &output) }
        isOpen = true
        dialogue.send(Self.envelope, content: Self.content, into: &output)
    }
}

extension FuzzTarget {
    /// A hostile submission server.
    static let client = FuzzTarget(name: "client", longest: 400) { octets throws(Violation) in
        var choices = Choices(octets)
        let setting = choices.octet()
        let cut = Int(choices.octet())
        var whole = ClientRun(setting)
        var parted = ClientRun(setting)
        for piece in phases(choices.rest) {
            let bytes = ByteBuffer(bytes: piece)
            whole.beginPhase()
            parted.beginPhase()
            try whole.feed(bytes)
            var point = piece.count * cut / 255
            while point > 0, piece[piece.startIndex + point - 1] == 0x0A { point -= 1 }
            for range in [0..<point, point..<piece.count] {
                try parted.feed(bytes.getSlice(at: range.lowerBound, length: range.count) ?? ByteBuffer())
            }
        }
        try demand(whole.events == parted.events, "cut, it leads to other events")
        try demand(whole.output == parted.output, "cut, it gets other commands")
        try demand(
            whole.events.allSatisfy { $0.utf8.allSatisfy { (0x20...0x7E).contains($0) } },
            "a server's text is kept as it came")
        // Its commands are its own: nothing the server says makes a line of them but by Base64.
        try demand(
            whole.output.readableBytesView.allSatisfy { $0 == 0x0D || $0 == 0x0A || (0x20...0x7E).contains($0) },
            "a command is not printable")
    }
}
