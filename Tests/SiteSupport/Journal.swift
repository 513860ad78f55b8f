internal import Foundation
internal import Glibc
internal import TestSupport

/// What clients heard: the judge's knowledge of every attempt. Each attempt has a token, which its recipients'
/// addresses begin with (`TOKEN.1@remote.example`); what is sent again after an unknown outcome keeps its token.
///
/// A journal is a file with a line for each event, written before the client goes on:
///
///     try TOKEN [keyed]         about to send; keyed: resubmission within ten minutes must be noticed
///     ack TOKEN ID              250, queued as ID
///     refused TOKEN CODE TEXT   any other reply, to whichever command
///     unknown TOKEN             the connection ended without a reply
///     done                      the client came to its end by itself
package struct Journal: Sendable {
    package private(set) var tries: [String: Int] = [:]
    /// Tokens that were always sent as the same message with a Message-ID of its own, by one credential.
    package private(set) var keyed: Set<String> = []
    /// The queue ids that a token was acknowledged as. More than one only where it was sent more than once.
    package private(set) var acknowledged: [String: Set<String>] = [:]
    package private(set) var acknowledgements = 0
    /// Each refusal's code and text.
    package private(set) var refused: [String: [String]] = [:]
    private var heardNothing: [String: Int] = [:]
    package private(set) var isDone = false
    /// Lines that no client writes.
    package private(set) var misfits: [String] = []

    package init() {}

    package init(_ files: String...) {
        for file in files {
            for line in readFile(file).split(separator: "\n") { note(String(line)) }
        }
    }

    /// One line of a journal, without its end.
    package mutating func note(_ line: String) {
        let words = line.split(separator: " ", maxSplits: 2).map(String.init)
        switch (words.first, words.count) {
        case ("try", 2...):
            tries[words[1], default: 0] += 1
            if words.count > 2 { keyed.insert(words[1]) }
        case ("ack", 3):
            acknowledged[words[1], default: []].insert(words[2])
            acknowledgements += 1
            answers[words[1], default: 0] += 1
        case ("refused", 3):
            refused[words[1], default: []].append(words[2])
            answers[words[1], default: 0] += 1
        case ("unknown", 2):
            heardNothing[words[1], default: 0] += 1
            answers[words[1], default: 0] += 1
        case ("done", 1): isDone = true
        default: misfits.append(line)
        }
    }

    private var answers: [String: Int] = [:]

    /// How many attempts of a token have no known outcome; those of a client that died before it wrote one count.
    package func unknown(_ token: String) -> Int {
        heardNothing[token, default: 0] + max(0, tries[token, default: 0] - answers[token, default: 0])
    }

    /// The tokens of which some attempt has no known outcome.
    package var unknown: [String] { Set(heardNothing.keys).union(tries.keys).filter { unknown($0) > 0 } }

    package var refusals: [String] { refused.values.flatMap { $0 } }
    package func knows(_ token: String) -> Bool { tries[token] != nil || answers[token] != nil }
}

/// Writes a journal: each line is with the kernel before the call returns, so it outlives this process.
package final class JournalWriter: Sendable {
    private let descriptor: Int32

    package init(_ path: String) {
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        precondition(descriptor >= 0, "no journal at \(path)")
    }

    deinit { close(descriptor) }

    package func note(_ line: String) {
        let octets = Array((line.filter { $0 != "\n" && $0 != "\r" && $0 != "\r\n" } + "\n").utf8)
        precondition(write(descriptor, octets, octets.count) == octets.count, "the journal cannot be written")
    }
}
