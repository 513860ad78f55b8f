import Delivery
import Foundation
import NIOCore
import NIOPosix
import SASL
import SMTP
import Synchronization
import TLS
import TestSupport
import Testing

/// A server that misbehaves as it is told (`Peers/scripted.py`), in a process of its own.
final class ScriptedPeer {
    let port: Int
    private let process: ChildProcess
    private let folder: String

    init(_ arguments: [String]) async throws {
        var template = Array("/tmp/gatepost-peer-XXXXXX\0".utf8).map { CChar(bitPattern: $0) }
        let folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        self.folder = folder
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Peers/scripted.py"
        process = try ChildProcess(["python3", script, "\(folder)/port"] + arguments, log: "\(folder)/errors")
        let started = await eventually(within: .seconds(20)) {
            FileManager.default.fileExists(atPath: "\(folder)/port")
        }
        port = started ? Int(readFile("\(folder)/port")) ?? 0 : 0
        try #require(port > 0, "\(readFile("\(folder)/errors"))")
    }

    deinit {
        process.signal(SIGKILL)
        process.wait()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// What it heard so far.
    var log: String { readFile("\(folder)/port.log") }
}

/// One connection to a next hop that is given messages one after the other, and what it told.
final class Attempt: Sendable {
    private let told = Mutex<[String]>([])
    private let box: NIOLoopBoundBox<(DeliveryConnection?, [DeliveryDialogue.Transaction])>
    private static let loop = MultiThreadedEventLoopGroup.singleton.next()

    init(
        to hop: NextHop, tls: NextHopTLS = .nothing, hostname: String = "forwarder.example",
        _ transactions: [DeliveryDialogue.Transaction], mayFinish: Bool = true
    ) {
        box = .makeBoxSendingValue((nil, transactions), eventLoop: Self.loop)
        Self.loop.execute { [self] in
            let connection = DeliveryConnection(
                to: hop, hostname: hostname, tls: tls, on: Self.loop, mayFinish: { mayFinish },
                report: { [weak self] in self?.take($0) })
            box.value.0 = connection
            connection.open()
        }
    }

    private func take(_ event: DeliveryEvent) {
        switch event {
        case .ready:
            note("ready")
            if box.value.1.isEmpty {
                box.value.0?.quit()
                note("end")
            } else {
                box.value.0?.deliver(box.value.1.removeFirst())
            }
        case .outcomes(let outcomes): note(outcomes.map(Self.text).joined(separator: ", "))
        case .retired: note("retired")
        case .exhausted: note("exhausted")
        case .abandoned: note("abandoned")
        case .failed(let reason): note("failed \(reason)")
        }
    }

    private func note(_ text: String) { told.withLock { $0.append(text) } }

    /// What no server said is told with its words.
    private static func ours(_ reply: RemoteReply) -> String { reply.isOurs ? " ours: \(reply.text)" : "" }

    static func text(_ outcome: DeliveryDialogue.Outcome?) -> String {
        switch outcome {
        case .delivered(let reply)?: "delivered \(reply.code)"
        case .deferred(let reply)?: "deferred \(reply.code)\(ours(reply))"
        case .bounced(let reply)?: "bounced \(reply.code)\(reply.enhanced.map { " \($0)" } ?? "")\(ours(reply))"
        case nil: "unasked"
        }
    }

    var tlsVersion: String? {
        get async { try? await Self.loop.submit { self.box.value.0?.tlsVersion }.get() }
    }

    /// Everything told, when it is over.
    func events(within limit: Duration = .seconds(20)) async -> [String] {
        _ = await eventually(within: limit) {
            told.withLock { events in
                events.last.map { last in
                    last == "end" || last == "retired" || last == "exhausted" || last == "abandoned"
                        || last.hasPrefix("failed")
                } ?? false
            }
        }
        return told.withLock { $0 }
    }
}

extension NextHopTLS {
    static let nothing = NextHopTLS(unverified: { nil }, verified: { nil }, mutual: { nil })
}

func message(
    _ recipients: [String] = ["b@d.example"], content: String = "Subject: x\r\n\r\nhello\r\n",
    _ parameters: MailParameters = .init(), isEightBit: Bool = false
) throws -> DeliveryDialogue.Transaction {
    DeliveryDialogue.Transaction(
        sender: try ReversePath(parsing: "a@own.example"), submitter: nil,
        recipients: try recipients.map { EnvelopeRecipient(try Mailbox(parsing: $0)) }, parameters: parameters,
        content: ByteBuffer(string: content), isEightBit: isEightBit)
}
