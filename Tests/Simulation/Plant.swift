/// A fault put into the simulated world on purpose: whoever checks must find each of them.
enum Plant: String, CaseIterable {
    /// The node answers before the commit.
    case replyBeforeCommit = "reply-before-commit"
    /// The fence only looks: it neither waits for the old transaction nor takes its place.
    case fenceAsSelect = "fence-as-select"
    /// What is in doubt is sent again without a fence.
    case noFence = "no-fence"
    /// What is in doubt is sent again under its old ids.
    case oldBatchID = "old-batch-id"
    /// A transaction that is rolled back leaves its debit.
    case debitOutside = "debit-outside-transaction"
    /// Use is read before the meter's lock is had.
    case noRecheck = "no-recheck-after-lock"
    /// A commit that waited for its standby in vain counts as one, and is lost with the primary.
    case warningAsSuccess = "warning-as-success"
    /// A refused call is taken for an accepted one.
    case swallowedError = "swallowed-error"
    /// Dots at the heads of lines are stored doubled, as they came.
    case stuffedDots = "stuffed-dots"
    /// The answer to one message is given to the one beside it.
    case crossedReplies = "crossed-replies"
    /// Before the final dot nobody asks whether the message is still this node's.
    case leaseIgnored = "lease-ignored"
    /// A claim takes what is not due yet.
    case earlyRetry = "early-retry"
    /// An outcome is forgotten.
    case lostOutcome = "lost-outcome"
    /// `ledger.settle` cannot tell one lease of an owner's from the next: outcomes that were written again, or arrive after
    /// that, free what the same owner has leased anew.
    case lateOutcome = "late-outcome"
}
