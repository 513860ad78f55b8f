import Testing

/// All end-to-end tests, one after the other: each runs whole processes, and load beside load proves nothing.
@Suite(.serialized) enum EndToEnd {}
