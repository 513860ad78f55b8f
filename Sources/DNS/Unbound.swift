internal import CUnbound
internal import Glibc

/// Owns one libunbound context, deleted once, by `deinit`. Belongs to the thread that made it.
///
/// It validates nothing: who asks a zone's own servers wants to know what they say.
final class Unbound {
    enum Record: Int32 {
        case a = 1
        case ns = 2
        case txt = 16
        case aaaa = 28
    }

    private let context: OpaquePointer

    /// - Parameter resolvers: who looks everything up; empty: those of /etc/resolv.conf.
    init(resolvers: [NameServer]) throws(DNSError) {
        guard let made = ub_ctx_create() else { throw .setUp("out of memory") }
        context = made
        // Without a thread of its own it forks a process.
        try check(ub_ctx_async(context, 1))
        // A name server of ours, a tenant's or a test's may well run on this machine.
        try check(ub_ctx_set_option(context, "do-not-query-localhost:", "no"))
        if resolvers.isEmpty {
            try check(ub_ctx_resolvconf(context, nil))
        } else {
            for server in resolvers { try check(ub_ctx_set_fwd(context, "\(server)")) }
        }
    }

    deinit { ub_ctx_delete(context) }

    /// What is at or below `zone` is asked of this server alone, as of an authority. Before the first question.
    func ask(_ server: NameServer, about zone: String) throws(DNSError) {
        try check(ub_ctx_set_stub(context, zone, "\(server)", 0))
    }

    /// Asks, and waits for at most `patience`.
    func resolve(_ name: String, _ record: Record, patience: Duration) -> DNSAnswer {
        let question = Question()
        let deadline = ContinuousClock.now + patience
        var id: Int32 = 0
        // Unretained: `question` outlives the call, which has ended or is cancelled below.
        let failure = ub_resolve_async(
            context, name, record.rawValue, 1, Unmanaged.passUnretained(question).toOpaque(), answered, &id)
        guard failure == 0 else { return .failed(Self.text(failure)) }
        while question.answer == nil {
            let left = deadline - .now
            guard left > .zero else {
                ub_cancel(context, id)
                return .failed("timed out")
            }
            var descriptor = pollfd(fd: ub_fd(context), events: Int16(POLLIN), revents: 0)
            let ready = poll(&descriptor, 1, Int32(max(1, min(60_000, left / .milliseconds(1)))))
            if ready > 0 { ub_process(context) }
        }
        return withExtendedLifetime(question) { question.answer ?? .failed("no answer") }
    }

    private func check(_ code: Int32) throws(DNSError) {
        guard code == 0 else { throw .setUp(Self.text(code)) }
    }

    private static func text(_ code: Int32) -> String { String(cString: ub_strerror(code)) }
}

/// What libunbound's callback fills in.
private final class Question {
    var answer: DNSAnswer?
}

/// Copies an answer out and frees it; nothing else. Called by `ub_process`, on the asking thread.
private func answered(_ data: UnsafeMutableRawPointer?, _ code: Int32, _ result: UnsafeMutablePointer<ub_result>?) {
    guard let data else { return }
    let question = Unmanaged<Question>.fromOpaque(data).takeUnretainedValue()
    defer { if let result { ub_resolve_free(result) } }
    guard code == 0, let result = result?.pointee else {
        question.answer = .failed(String(cString: ub_strerror(code)))
        return
    }
    if result.havedata != 0 {
        var records: [[UInt8]] = []
        var index = 0
        while let octets = result.data?[index], let length = result.len?[index] {
            records.append(Array(UnsafeRawBufferPointer(start: octets, count: Int(length))))
            index += 1
        }
        question.answer = .records(records)
    } else if result.nxdomain != 0 {
        question.answer = .noSuchName
    } else if result.rcode == 0 {
        question.answer = .noRecord
    } else {
        let names: [Int32: String] = [1: "FORMERR", 2: "no answer (SERVFAIL)", 4: "NOTIMP", 5: "REFUSED"]
        question.answer = .failed(names[result.rcode] ?? "rcode \(result.rcode)")
    }
}
