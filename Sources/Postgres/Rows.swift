internal import CLibPQ
internal import Glibc

/// The answer to one statement: rows of typed, binary columns.
package struct Rows: Sendable, RandomAccessCollection {
    let result: QueryResult

    package var startIndex: Int { 0 }
    package var endIndex: Int { result.rowCount }
    package subscript(position: Int) -> Row {
        precondition(position >= 0 && position < endIndex, "row \(position) of \(endIndex)")
        return Row(result: result, index: Int32(position))
    }

    /// Rows inserted, updated, deleted or selected.
    package var affected: Int { result.affected }

    /// The place of a column, looked up once for many rows.
    package func column(_ name: String) throws(DatabaseError) -> Column {
        guard let index = result.column(name) else {
            throw DatabaseError(.unexpected, "no column `\(name)` among \(result.names)")
        }
        return Column(index: index, name: name)
    }

    package struct Column: Sendable {
        let index: Int32
        let name: String
    }

    /// One row. A wrong column name or type throws `.unexpected`: the schema and this binary do not fit.
    package struct Row: Sendable {
        let result: QueryResult
        let index: Int32
    }
}

extension Rows.Row {
    package func isNull(_ name: String) throws(DatabaseError) -> Bool { isNull(at: try column(name)) }
    package func bool(_ name: String) throws(DatabaseError) -> Bool { try bool(at: column(name)) }
    package func int64(_ name: String) throws(DatabaseError) -> Int64 { try int64(at: column(name)) }
    package func double(_ name: String) throws(DatabaseError) -> Double { try double(at: column(name)) }
    package func string(_ name: String) throws(DatabaseError) -> String { try string(at: column(name)) }
    package func uuid(_ name: String) throws(DatabaseError) -> MessageID { try uuid(at: column(name)) }
    package func bytes(_ name: String) throws(DatabaseError) -> [UInt8] { try bytes(at: column(name)) }
    package func timestamp(_ name: String) throws(DatabaseError) -> Instant { try timestamp(at: column(name)) }
    package func strings(_ name: String) throws(DatabaseError) -> [String] { try strings(at: column(name)) }
    package func int64s(_ name: String) throws(DatabaseError) -> [Int64] { try int64s(at: column(name)) }

    package func boolOrNil(_ name: String) throws(DatabaseError) -> Bool? {
        let column = try column(name)
        return isNull(at: column) ? nil : try bool(at: column)
    }
    package func int64OrNil(_ name: String) throws(DatabaseError) -> Int64? { try int64OrNil(at: column(name)) }
    package func doubleOrNil(_ name: String) throws(DatabaseError) -> Double? {
        let column = try column(name)
        return isNull(at: column) ? nil : try double(at: column)
    }
    package func stringOrNil(_ name: String) throws(DatabaseError) -> String? { try stringOrNil(at: column(name)) }
    package func uuidOrNil(_ name: String) throws(DatabaseError) -> MessageID? { try uuidOrNil(at: column(name)) }
    package func bytesOrNil(_ name: String) throws(DatabaseError) -> [UInt8]? {
        let column = try column(name)
        return isNull(at: column) ? nil : try bytes(at: column)
    }
    package func timestampOrNil(_ name: String) throws(DatabaseError) -> Instant? {
        let column = try column(name)
        return isNull(at: column) ? nil : try timestamp(at: column)
    }
    package func stringsOrNil(_ name: String) throws(DatabaseError) -> [String]? {
        let column = try column(name)
        return isNull(at: column) ? nil : try strings(at: column)
    }

    private func column(_ name: String) throws(DatabaseError) -> Rows.Column {
        try Rows(result: result).column(name)
    }
}

extension Rows.Row {
    package func isNull(at column: Rows.Column) -> Bool { result.isNull(row: index, column: column.index) }

    package func bool(at column: Rows.Column) throws(DatabaseError) -> Bool {
        guard result.type(column.index) == TypeID.bool.rawValue, !isNull(at: column) else {
            throw mismatch(column, "boolean")
        }
        return result.withValue(row: index, column: column.index) { $0.first == 1 }
    }

    /// Of smallint, integer or bigint.
    package func int64(at column: Rows.Column) throws(DatabaseError) -> Int64 {
        guard !isNull(at: column) else { throw mismatch(column, "integer") }
        switch result.type(column.index) {
        case TypeID.int8.rawValue: return read(Int64.self, column)
        case TypeID.int4.rawValue: return Int64(read(Int32.self, column))
        case TypeID.int2.rawValue: return Int64(read(Int16.self, column))
        default: throw mismatch(column, "integer")
        }
    }

    package func double(at column: Rows.Column) throws(DatabaseError) -> Double {
        guard result.type(column.index) == TypeID.float8.rawValue, !isNull(at: column) else {
            throw mismatch(column, "double precision")
        }
        return Double(bitPattern: read(UInt64.self, column))
    }

    /// Of text, varchar, char, name, an enum or json. Cast other types to text in the statement.
    package func string(at column: Rows.Column) throws(DatabaseError) -> String {
        guard QueryResult.isText(result.type(column.index)), !isNull(at: column) else {
            throw mismatch(column, "text")
        }
        let isVersioned = result.type(column.index) == TypeID.jsonb.rawValue
        return result.withValue(row: index, column: column.index) {
            String(decoding: isVersioned ? $0.dropFirst() : $0[...], as: UTF8.self)
        }
    }

    package func uuid(at column: Rows.Column) throws(DatabaseError) -> MessageID {
        guard result.type(column.index) == TypeID.uuid.rawValue, !isNull(at: column) else {
            throw mismatch(column, "uuid")
        }
        return result.withValue(row: index, column: column.index) {
            MessageID(
                high: UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)),
                low: UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
        }
    }

    package func bytes(at column: Rows.Column) throws(DatabaseError) -> [UInt8] {
        try withBytes(at: column) { Array($0) }
    }

    /// A bytea's octets in place, valid inside `body` only.
    package func withBytes<R>(
        at column: Rows.Column, _ body: (UnsafeRawBufferPointer) -> R
    ) throws(DatabaseError) -> R {
        guard result.type(column.index) == TypeID.bytea.rawValue, !isNull(at: column) else {
            throw mismatch(column, "bytea")
        }
        return result.withValue(row: index, column: column.index, body)
    }

    package func timestamp(at column: Rows.Column) throws(DatabaseError) -> Instant {
        guard result.type(column.index) == TypeID.timestamptz.rawValue, !isNull(at: column) else {
            throw mismatch(column, "timestamptz")
        }
        let stored = read(Int64.self, column)
        let isInfinite = stored == .max || stored == .min
        return Instant(microseconds: isInfinite ? stored : stored + Instant.postgresEpoch)
    }

    package func strings(at column: Rows.Column) throws(DatabaseError) -> [String] {
        try array(column, "text[] without nulls") { octets, element in
            QueryResult.isText(element) ? String(decoding: octets, as: UTF8.self) : nil
        }
    }

    package func int64s(at column: Rows.Column) throws(DatabaseError) -> [Int64] {
        try array(column, "integer array without nulls") { octets, element in
            switch element {
            case TypeID.int8.rawValue: Int64(bigEndian: octets.loadUnaligned(as: Int64.self))
            case TypeID.int4.rawValue: Int64(Int32(bigEndian: octets.loadUnaligned(as: Int32.self)))
            case TypeID.int2.rawValue: Int64(Int16(bigEndian: octets.loadUnaligned(as: Int16.self)))
            default: nil
            }
        }
    }

    package func int64OrNil(at column: Rows.Column) throws(DatabaseError) -> Int64? {
        isNull(at: column) ? nil : try int64(at: column)
    }
    package func stringOrNil(at column: Rows.Column) throws(DatabaseError) -> String? {
        isNull(at: column) ? nil : try string(at: column)
    }
    package func uuidOrNil(at column: Rows.Column) throws(DatabaseError) -> MessageID? {
        isNull(at: column) ? nil : try uuid(at: column)
    }

    private func read<T: FixedWidthInteger>(_ type: T.Type, _ column: Rows.Column) -> T {
        result.withValue(row: index, column: column.index) { T(bigEndian: $0.loadUnaligned(as: T.self)) }
    }

    /// A one-dimensional array; `decode` gets an element's octets and type.
    private func array<T>(
        _ column: Rows.Column, _ expected: String, _ decode: (UnsafeRawBufferPointer, UInt32) -> T?
    ) throws(DatabaseError) -> [T] {
        guard !isNull(at: column) else { throw mismatch(column, expected) }
        let decoded = result.withValue(row: index, column: column.index) { octets -> [T]? in
            func word(_ offset: Int) -> Int32 {
                Int32(bigEndian: octets.loadUnaligned(fromByteOffset: offset, as: Int32.self))
            }
            guard octets.count >= 12 else { return nil }
            if word(0) == 0 { return [] }
            guard word(0) == 1, octets.count >= 20 else { return nil }
            let type = UInt32(bitPattern: word(8))
            var all: [T] = []
            var offset = 20
            for _ in 0..<word(12) {
                guard offset + 4 <= octets.count else { return nil }
                let length = Int(word(offset))
                guard length >= 0, offset + 4 + length <= octets.count else { return nil }
                let element = UnsafeRawBufferPointer(rebasing: octets[(offset + 4)..<(offset + 4 + length)])
                guard let value = decode(element, type) else { return nil }
                all.append(value)
                offset += 4 + length
            }
            return all
        }
        guard let decoded else { throw mismatch(column, expected) }
        return decoded
    }

    private func mismatch(_ column: Rows.Column, _ expected: String) -> DatabaseError {
        let found = isNull(at: column) ? "NULL" : "type \(result.type(column.index))"
        return DatabaseError(.unexpected, "column `\(column.name)` should be \(expected) and is \(found)")
    }
}

/// Owns one `PGresult`, cleared once, by `deinit`. Bytes it lends are valid only inside `withValue`.
final class QueryResult: @unchecked Sendable {
    // Proof: a PGresult is read-only once libpq has returned it ("can be passed around freely between
    // threads", libpq's manual, "Behavior in Threaded Programs"), and nothing here writes to it.
    private let pointer: OpaquePointer
    let rowCount: Int
    private let columns: Int32

    init(adopting pointer: OpaquePointer) {
        self.pointer = pointer
        rowCount = Int(PQntuples(pointer))
        columns = PQnfields(pointer)
    }

    deinit { PQclear(pointer) }

    var names: [String] { (0..<columns).map { String(cString: PQfname(pointer, $0)) } }

    /// (PQfnumber copies the name first, to fold its case.)
    func column(_ name: String) -> Int32? {
        name.withCString { name in (0..<columns).first { strcmp(PQfname(pointer, $0), name) == 0 } }
    }

    func type(_ column: Int32) -> UInt32 { PQftype(pointer, column) }

    var affected: Int { PQcmdTuples(pointer).flatMap { Int(String(cString: $0)) } ?? 0 }

    func isNull(row: Int32, column: Int32) -> Bool { PQgetisnull(pointer, row, column) == 1 }

    func withValue<R>(row: Int32, column: Int32, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        body(
            UnsafeRawBufferPointer(
                start: PQgetvalue(pointer, row, column), count: Int(PQgetlength(pointer, row, column))))
    }

    /// text, varchar, char, name, "char", unknown, json(b), and enums, whose numbers are the database's own.
    static func isText(_ type: UInt32) -> Bool {
        switch type {
        case 25, 1043, 1042, 19, 705, 114, TypeID.jsonb.rawValue: true
        default: type >= 16384
        }
    }
}
