import Testing

/// One after the other: each of these tests watches what happens within a second or so, and two cores are few.
@Suite(.serialized) struct LedgerSuite {}
