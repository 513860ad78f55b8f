package import NIOCore

/// Sizes a channel's receive buffers so that an idle session keeps a few hundred octets, not NIO's 64 KiB.
///
/// NIO reuses the buffers of a channel for the channel's life; `nextBufferSize()` stays nil and `record` answers
/// true, so that only the first, small one is kept. Together with `maxMessagesPerRead = 1`.
package struct ReceiveAllocator: RecvByteBufferAllocator {
    private static let smallest = 256
    private static let largest = 16 * 1024
    private var size = smallest

    package init() {}

    package func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
        allocator.buffer(capacity: size)
    }

    package mutating func record(actualReadBytes: Int) -> Bool {
        if actualReadBytes >= size {
            size = min(size * 8, Self.largest)
        } else if actualReadBytes < Self.smallest {
            size = Self.smallest
        }
        return true
    }
}
