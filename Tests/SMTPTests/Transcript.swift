import NIOCore
import Testing

@testable import SMTP

/// A dialogue as text: what the client sends, what it gets, what the dialogue asks.
///
///     = recipient <x@d.example> => refuse 550 5.7.1 No.     how a question is answered, instead of with yes
///     C RCPT TO:<x@d.example>                               a line of the client's, CRLF added
///     S 550 5.7.1 No.                                       a line of the server's
///     ! close                                               an action
///
/// In C lines `\r`, `\n`, `\0`, `\xNN` and `\\` are octets, `\{TEXT*N}` repeats, and `\c` at the end leaves out the CRLF.
/// Questions (`sender`, `recipient`, `data`, `authenticate`, `response`) are compared only where the text names their
/// kind; `startTLS`, `message`, `cancelled`, `denied` and `close` always.
struct Transcript {
    /// What the client sends in one go, and what must have come when it is all taken.
    struct Exchange {
        var sent: [UInt8] = []
        var expected: [String] = []
    }

    var rules: [(key: String, answer: String)] = []
    var exchanges: [Exchange] = [Exchange()]
    /// The kinds of questions the text names.
    var named: Set<Substring> = ["startTLS", "message", "cancelled", "denied", "close", "outcomes", "failed"]

    /// `peer` is the letter of the side that is played here: the other one is the dialogue's.
    init(_ text: String, peer: Character = "C") {
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let rest = line.dropFirst(2)
            switch line.first.map({ $0 == "!" || $0 == "=" ? $0 : $0 == peer ? "C" : "S" }) {
            case "=":
                let parts = rest.split(separator: " => ")
                rules.append((String(parts[0]), String(parts[1])))
            case "C":
                if !(exchanges.last?.expected.isEmpty ?? true) { exchanges.append(Exchange()) }
                exchanges[exchanges.count - 1].sent += Self.octets(rest)
            case "S":
                exchanges[exchanges.count - 1].expected.append("S " + rest)
            case "!":
                exchanges[exchanges.count - 1].expected.append(String(line))
                named.insert(rest.prefix { $0 != " " })
            default:
                preconditionFailure("not a transcript line: \(line)")
            }
        }
    }

    static func octets(_ text: Substring) -> [UInt8] {
        var octets: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let octet = rest.popFirst() {
            guard octet == UInt8(ascii: "\\") else {
                octets.append(octet)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "r"): octets.append(.cr)
            case UInt8(ascii: "n"): octets.append(.lf)
            case UInt8(ascii: "0"): octets.append(0)
            case UInt8(ascii: "\\"): octets.append(UInt8(ascii: "\\"))
            case UInt8(ascii: "x"):
                octets.append(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) ?? 0)
                rest = rest.dropFirst(2)
            case UInt8(ascii: "{"):
                let body = rest.prefix { $0 != UInt8(ascii: "}") }
                rest = rest.dropFirst(body.count + 1)
                let star = body.lastIndex(of: UInt8(ascii: "*")) ?? body.endIndex
                let piece = Self.octets(Substring(String(decoding: body[..<star], as: UTF8.self) + #"\c"#))
                for _ in 0..<(Int(decimal: body[(star + 1)...]) ?? 0) { octets += piece }
            case UInt8(ascii: "c") where rest.isEmpty: return octets
            case let other: preconditionFailure("unknown escape \(String(describing: other))")
            }
        }
        return octets + [.cr, .lf]
    }
}

/// A dialogue that transcripts can drive.
protocol TranscriptSubject {
    mutating func begin(into output: inout ByteBuffer)
    mutating func receive(_ bytes: inout ByteBuffer)
    /// The next action as text, its kind first, and how to answer it when no rule says otherwise.
    mutating func nextAction(into output: inout ByteBuffer) -> String?
    mutating func answer(_ action: String, with answer: String?, into output: inout ByteBuffer)
}

extension Transcript {
    /// Runs the transcript exchange by exchange, then all of it in one piece, in every two pieces, and octet by octet.
    /// What follows STARTTLS is another phase, for what is sent in the clear behind it never counts; under a client,
    /// who may not be answered before he has spoken, each exchange is one. `cut` is the distance of the cuts.
    func check(
        _ make: () -> some TranscriptSubject, isClient: Bool = false, cut distance: Int = 1,
        _ location: SourceLocation = #_sourceLocation
    ) {
        var run = self.run(make())
        for exchange in exchanges {
            run.feed(exchange.sent)
            let events = run.takeEvents()
            guard events == exchange.expected else {
                let sent = exchange.sent.escaped(limit: 200)
                Issue.record(
                    "after \(sent)\nexpected \(exchange.expected)\n     got \(events)", sourceLocation: location)
                return
            }
        }
        let expected = exchanges.flatMap(\.expected)
        let phases = isClient ? exchanges.map(\.sent) : phases
        func verify(_ how: String, _ cut: (_ phase: Int, _ octets: [UInt8]) -> [ArraySlice<UInt8>]) -> Bool {
            var run = self.run(make())
            for (index, phase) in phases.enumerated() {
                for piece in cut(index, phase) { run.feed(piece) }
            }
            let events = run.takeEvents()
            if events != expected {
                Issue.record("\(how):\nexpected \(expected)\n     got \(events)", sourceLocation: location)
            }
            return events == expected
        }
        guard verify("in one piece", { [$1[...]] }) else { return }
        guard verify("octet by octet", { _, octets in octets.indices.map { octets[$0...$0] } }) else { return }
        for (phase, octets) in phases.enumerated() {
            for point in Self.cuts(octets.count) where point.isMultiple(of: distance) {
                let isSame = verify("cut at \(point) of phase \(phase)") { index, octets in
                    index == phase ? [octets[..<point], octets[point...]] : [octets[...]]
                }
                guard isSame else { return }
            }
        }
    }

    private func run<Subject: TranscriptSubject>(_ subject: Subject) -> TranscriptRun<Subject> {
        TranscriptRun(
            subject, isEvent: { named.contains($0) },
            answer: { action in rules.first { action.hasPrefix($0.key) }?.answer })
    }

    /// Every cut; for long input those at its ends, around the limits, and a sample.
    private static func cuts(_ count: Int) -> [Int] {
        guard count > 3000 else { return Array(0...count) }
        let near = Set([0, 998, 2048, 4096, 12_288, 65_536, count].flatMap { ($0 - 3)...($0 + 3) })
        return (0...count).filter { near.contains($0) || $0.isMultiple(of: 1 + count / 12) }
    }

    private var phases: [[UInt8]] {
        var phases: [[UInt8]] = [[]]
        for exchange in exchanges {
            phases[phases.count - 1] += exchange.sent
            if exchange.expected.last == "! startTLS" { phases.append([]) }
        }
        return phases
    }
}

/// A dialogue being driven, and what has come of it.
struct TranscriptRun<Subject: TranscriptSubject> {
    private(set) var subject: Subject
    /// Which kinds of actions are events.
    let isEvent: (Substring) -> Bool
    /// The answer to an action, nil for yes.
    let answer: (String) -> String?
    private var output = ByteBuffer()
    private(set) var events: [String] = []
    private(set) var isOpen = true

    init(_ subject: Subject, isEvent: @escaping (Substring) -> Bool, answer: @escaping (String) -> String?) {
        self.subject = subject
        self.isEvent = isEvent
        self.answer = answer
        self.subject.begin(into: &output)
        output.clear()
    }

    mutating func feed(_ octets: some Sequence<UInt8>) {
        var bytes = ByteBuffer(bytes: octets)
        subject.receive(&bytes)
        while isOpen, let action = subject.nextAction(into: &output) {
            let kind = action.prefix { $0 != " " }
            if isEvent(kind) {
                takeLines()
                events.append("! \(action)")
            }
            isOpen = kind != "close"
            subject.answer(action, with: answer(action), into: &output)
        }
        takeLines()
    }

    private mutating func takeLines() {
        var text = String(buffer: output)[...]
        output.clear()
        while let end = text.range(of: "\r\n") {
            events.append("S " + text[..<end.lowerBound])
            text = text[end.upperBound...]
        }
        if !text.isEmpty { events.append("S (no CRLF) " + text) }
    }

    mutating func takeEvents() -> [String] {
        defer { events = [] }
        return events
    }
}

extension Substring {
    /// Without Foundation's.
    fileprivate func range(of crlf: String) -> Range<Index>? {
        // "\r\n" is one Character.
        firstIndex(of: Character(crlf)).map { $0..<index(after: $0) }
    }
}

extension Reply {
    /// `550 5.7.1 Text`
    init(test text: some StringProtocol) {
        let words = text.split(separator: " ", maxSplits: 2)
        self.init(Int(words[0]) ?? 0, EnhancedCode(prefixOf: Array(words[1].utf8)), String(words[2]))
    }
}
