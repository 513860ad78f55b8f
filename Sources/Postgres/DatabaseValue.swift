/// A parameter of a statement, always sent in binary.
package enum DatabaseValue: Sendable {
    case null(TypeID)
    case bool(Bool)
    case int32(Int32)
    case int64(Int64)
    case double(Double)
    case text(String)
    case uuid(MessageID)
    case bytes([UInt8])
    case timestamp(Instant)
    case json(String)
    case boolArray([Bool])
    case int32Array([Int32])
    case int64Array([Int64])
    case textArray([String])
    case textOrNilArray([String?])
    case uuidArray([MessageID])
    case bytesArray([[UInt8]])
    case timestampArray([Instant])

    /// A value, or NULL of the same type.
    package static func optional(_ value: String?) -> DatabaseValue { value.map { .text($0) } ?? .null(.text) }
    package static func optional(_ value: Int64?) -> DatabaseValue { value.map { .int64($0) } ?? .null(.int8) }
    package static func optional(_ value: Int32?) -> DatabaseValue { value.map { .int32($0) } ?? .null(.int4) }
    package static func optional(_ value: Bool?) -> DatabaseValue { value.map { .bool($0) } ?? .null(.bool) }
    package static func optional(_ value: MessageID?) -> DatabaseValue { value.map { .uuid($0) } ?? .null(.uuid) }
    package static func optional(_ value: [UInt8]?) -> DatabaseValue { value.map { .bytes($0) } ?? .null(.bytea) }
    package static func optional(_ value: Instant?) -> DatabaseValue {
        value.map { .timestamp($0) } ?? .null(.timestamptz)
    }
    package static func optional(_ value: [String]?) -> DatabaseValue {
        value.map { .textArray($0) } ?? .null(.textArray)
    }
}

extension ParameterWriter {
    package func write(_ value: DatabaseValue) {
        switch value {
        case .null(let type): null(type)
        case .bool(let value): bool(value)
        case .int32(let value): int32(value)
        case .int64(let value): int64(value)
        case .double(let value): double(value)
        case .text(let value): text(value)
        case .uuid(let value): uuid(value)
        case .bytes(let value): bytes(value)
        case .timestamp(let value): timestamp(value)
        case .json(let value): json(value)
        case .boolArray(let all): array(.boolArray, of: .bool, count: all.count) { for one in all { element(one) } }
        case .int32Array(let all): array(.int4Array, of: .int4, count: all.count) { for one in all { element(one) } }
        case .int64Array(let all): array(.int8Array, of: .int8, count: all.count) { for one in all { element(one) } }
        case .textArray(let all): array(.textArray, of: .text, count: all.count) { for one in all { element(one) } }
        case .textOrNilArray(let all):
            array(.textArray, of: .text, count: all.count) { for one in all { element(one) } }
        case .uuidArray(let all): array(.uuidArray, of: .uuid, count: all.count) { for one in all { element(one) } }
        case .bytesArray(let all): array(.byteaArray, of: .bytea, count: all.count) { for one in all { element(one) } }
        case .timestampArray(let all):
            array(.timestamptzArray, of: .timestamptz, count: all.count) { for one in all { element(one) } }
        }
    }
}
