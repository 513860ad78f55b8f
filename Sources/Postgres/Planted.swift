#if PLANTED_FAULTS
    internal import Glibc

    /// Faults on purpose, one at a time, for the harness that must notice them (`make torture-proof`). In no build without
    /// `-D PLANTED_FAULTS`, and in that one chosen by PLANTED_FAULT.
    package enum Planted: String {
        case replyBeforeCommit = "reply-before-commit"
        case oldBatchID = "old-batch-id"
        case doubtIsRefusal = "doubt-is-refusal"
        case swallowedError = "swallowed-error"
        case outcomeDropped = "outcome-dropped"
        case warningIsSuccess = "warning-is-success"
        case deliveredBeforeReply = "delivered-before-reply"
        case relayGivenUp = "relay-given-up"
        case commitNotWaited = "commit-not-waited"

        package static let active = getenv("PLANTED_FAULT").flatMap { Planted(rawValue: String(cString: $0)) }
    }
#endif
