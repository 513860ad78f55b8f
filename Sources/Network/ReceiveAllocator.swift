package import NIOCore
internal import Synchronization

/// Sizes a channel's receive buffers so that an idle session keeps a few hundred octets, not NIO's 64 KiB.
///
/// NIO reuses the buffers of a channel for the channel's life; `nextBufferSize()` stays nil and `record` answers
/// true, so that only the first, small one is kept. Together with `maxMessagesPerRead = 1`.
package struct ReceiveAllocator: RecvByteBufferAllocator {
    /// (A TLS client's first words are some 300 octets.)
    private static let smallest = 512
    private static let largest = 16 * 1024
    /// A full TLS record and what is around it, so that it is there with one read.
    private static let record = largest + 512
    private var size = smallest
    private let outlook: ReceiveOutlook?

    /// - Parameter outlook: of this channel and no other.
    package init(outlook: ReceiveOutlook? = nil) { self.outlook = outlook }

    package func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
        allocator.buffer(capacity: outlook?.isLong == true ? max(size, Self.record) : min(size, Self.largest))
    }

    package mutating func record(actualReadBytes: Int) -> Bool {
        if outlook?.isLong == true {
            // Whoever fills a buffer has more to send; whoever sends bit by bit never holds a large one.
            size = actualReadBytes >= max(size, Self.record) ? 4 * Self.largest : Self.smallest
        } else if actualReadBytes >= size {
            size = min(size * 8, Self.largest)
        } else if actualReadBytes < Self.smallest {
            size = Self.smallest
        } else {
            size = min(size, Self.largest)
        }
        return true
    }
}

/// What a session tells its channel's `ReceiveAllocator`: whether much is to come, so that it does not begin with a
/// small buffer and find out read by read.
package final class ReceiveOutlook: Sendable {
    private let expectsMuch = Atomic(false)

    package init() {}

    package var isLong: Bool {
        get { expectsMuch.load(ordering: .relaxed) }
        set { expectsMuch.store(newValue, ordering: .relaxed) }
    }
}
