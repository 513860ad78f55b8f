/// PostgreSQL's numbers for the types we bind and read.
package enum TypeID: UInt32, Sendable {
    case bool = 16
    case bytea = 17
    case int8 = 20
    case int2 = 21
    case int4 = 23
    case text = 25
    case float8 = 701
    case timestamptz = 1184
    case uuid = 2950
    case jsonb = 3802
    case boolArray = 1000
    case byteaArray = 1001
    case int4Array = 1007
    case textArray = 1009
    case int8Array = 1016
    case timestamptzArray = 1185
    case uuidArray = 2951
}

/// Writes the binary parameters of one statement into one block of memory.
///
/// Made for batches: an array is written element by element from wherever the values are, without a copy between.
/// The block is kept for the next statement. Not Sendable: it belongs to one connection's owner.
package final class ParameterWriter {
    private var base: UnsafeMutableRawPointer
    private var capacity: Int
    private var count = 0

    /// Each parameter's type and place; a length of -1 is NULL.
    private(set) var parameters: [(type: TypeID, offset: Int, length: Int)] = []
    private var parameterStart = 0
    private var elementStart = 0

    package init(capacity: Int = 4096) {
        self.capacity = capacity
        base = .allocate(byteCount: capacity, alignment: 8)
    }

    deinit { base.deallocate() }

    /// Forgets what was written. A block over 1 MiB is given back: one large mail must not stay in memory.
    package func reset(reserving needed: Int = 0) {
        count = 0
        parameters.removeAll(keepingCapacity: true)
        if capacity > 1 << 20, needed <= 1 << 20 {
            base.deallocate()
            capacity = 4096
            base = .allocate(byteCount: capacity, alignment: 8)
        }
        reserve(needed)
    }

    // MARK: Single values

    package func null(_ type: TypeID) { parameters.append((type, count, -1)) }
    package func bool(_ value: Bool) { parameter(.bool) { put(UInt8(value ? 1 : 0)) } }
    package func int32(_ value: Int32) { parameter(.int4) { put(value) } }
    package func int64(_ value: Int64) { parameter(.int8) { put(value) } }
    package func double(_ value: Double) { parameter(.float8) { put(value.bitPattern) } }
    package func text(_ value: String) { parameter(.text) { put(value) } }
    package func bytes(_ value: [UInt8]) { parameter(.bytea) { value.withUnsafeBytes { put($0) } } }
    package func uuid(_ value: MessageID) { parameter(.uuid) { put(value) } }
    package func timestamp(_ value: Instant) { parameter(.timestamptz) { put(timestamp: value) } }
    package func json(_ value: String) {
        parameter(.jsonb) {
            put(UInt8(1))
            put(value)
        }
    }

    // MARK: Arrays

    /// An array parameter: call exactly `count` of the `element…` functions in `body`.
    package func array(_ type: TypeID, of element: TypeID, count elements: Int, _ body: () -> Void) {
        parameter(type) {
            put(Int32(elements == 0 ? 0 : 1))
            put(Int32(1))  // may hold nulls: PostgreSQL looks at each length anyway
            put(Int32(bitPattern: element.rawValue))
            guard elements > 0 else { return }
            put(Int32(elements))
            put(Int32(1))
            body()
        }
    }

    package func elementNull() { put(Int32(-1)) }
    package func element(_ value: Bool) {
        put(Int32(1))
        put(UInt8(value ? 1 : 0))
    }
    package func element(_ value: Int32) {
        put(Int32(4))
        put(value)
    }
    package func element(_ value: Int64) {
        put(Int32(8))
        put(value)
    }
    package func element(_ value: String) { element { put(value) } }
    package func element(_ value: MessageID) {
        put(Int32(16))
        put(value)
    }
    package func element(_ value: Instant) {
        put(Int32(8))
        put(timestamp: value)
    }
    package func element(_ value: [UInt8]) { element { value.withUnsafeBytes { put($0) } } }
    package func element(_ value: String?) { if let value { element(value) } else { elementNull() } }
    package func element(_ value: Int64?) { if let value { element(value) } else { elementNull() } }
    package func element(_ value: [UInt8]?) { if let value { element(value) } else { elementNull() } }
    package func element(_ value: Instant?) { if let value { element(value) } else { elementNull() } }
    package func element(_ value: MessageID?) { if let value { element(value) } else { elementNull() } }

    /// An element whose octets `body` appends with `append(_:)`, from as many places as it likes.
    package func element(_ body: () -> Void) {
        let start = count
        put(Int32(0))
        body()
        set(Int32(count - start - 4), at: start)
    }

    /// More octets of the element being written.
    package func append(_ bytes: UnsafeRawBufferPointer) { put(bytes) }

    // MARK: Reading, for the connection

    func withParameter<R>(_ index: Int, _ body: (UnsafePointer<CChar>?, Int) -> R) -> R {
        let (_, offset, length) = parameters[index]
        guard length >= 0 else { return body(nil, 0) }
        return body(UnsafePointer((base + offset).assumingMemoryBound(to: CChar.self)), length)
    }

    // MARK: Octets

    private func parameter(_ type: TypeID, _ body: () -> Void) {
        let start = count
        body()
        parameters.append((type, start, count - start))
        reserve(1)  // a pointer to an empty value must still be one
    }

    private func put(_ value: some FixedWidthInteger) {
        let size = MemoryLayout.size(ofValue: value)
        reserve(size)
        (base + count).storeBytes(of: value.bigEndian, as: type(of: value).self)
        count += size
    }

    private func put(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count)
        (base + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    private func put(_ value: String) {
        var value = value
        value.withUTF8 { put(UnsafeRawBufferPointer($0)) }
    }

    private func put(_ value: MessageID) {
        put(value.high)
        put(value.low)
    }

    private func put(timestamp value: Instant) {
        let isInfinite = value.microseconds == .max || value.microseconds == .min
        put(isInfinite ? value.microseconds : value.microseconds - Instant.postgresEpoch)
    }

    private func set(_ value: Int32, at offset: Int) {
        (base + offset).storeBytes(of: value.bigEndian, as: Int32.self)
    }

    private func reserve(_ more: Int) {
        guard count + more > capacity else { return }
        let larger = max(count + more, capacity * 2)
        let block = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 8)
        block.copyMemory(from: base, byteCount: count)
        base.deallocate()
        base = block
        capacity = larger
    }
}
