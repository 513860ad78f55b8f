import Postgres
import TestSupport
import Testing

@Suite struct BinaryValueTests {
    @Test func `every kind of value comes back as it was sent`() async throws {
        let connection = try await PrivateDatabase.createEmpty().connection()
        let id = MessageID(at: .now)
        let instant = Instant(microseconds: 1_700_000_000_123_456)
        let rows = try await connection.query(
            """
            SELECT $1::bool AS b, $2::int4 AS i4, $3::int8 AS i8, $4::float8 AS f8, $5::text AS t, $6::uuid AS u,
                   $7::bytea AS y, $8::timestamptz AS ts, $9::jsonb->>'a' AS j, $10::text AS nothing,
                   $11::text[] AS ta, $12::int8[] AS ia, $6::uuid::text AS ut, $8::timestamptz::text AS tst,
                   array_length($13::text[], 1) AS nulls, $14::uuid[] AS ua, 'x'::"char" AS c
            """,
            [
                .bool(true), .int32(-7), .int64(1 << 40), .double(0.5), .text("grüße\n"), .uuid(id),
                .bytes([0, 1, 255]), .timestamp(instant), .json(#"{"a":"é"}"#), .null(.text),
                .textArray(["a", "", "ü"]), .int64Array([1, -2]), .textOrNilArray([nil, "x"]), .uuidArray([]),
            ])
        let row = try #require(rows.first)
        #expect(try row.bool("b"))
        #expect(try row.int64("i4") == -7)
        #expect(try row.int64("i8") == 1 << 40)
        #expect(try row.double("f8") == 0.5)
        #expect(try row.string("t") == "grüße\n")
        #expect(try row.uuid("u") == id)
        #expect(try row.bytes("y") == [0, 1, 255])
        #expect(try row.timestamp("ts") == instant)
        #expect(try row.string("j") == "é")
        #expect(try row.stringOrNil("nothing") == nil)
        #expect(try row.isNull("nothing"))
        #expect(try row.strings("ta") == ["a", "", "ü"])
        #expect(try row.int64s("ia") == [1, -2])
        #expect(try row.string("ut") == "\(id)")
        #expect(try row.string("tst") == "2023-11-14 22:13:20.123456+00")
        #expect(try row.int64("nulls") == 2)
    }

    @Test func `a wrong type, a null and an unknown column are errors, not traps`() async throws {
        let connection = try await PrivateDatabase.createEmpty().connection()
        let row = try #require(try await connection.query("SELECT 1::int8 AS one, NULL::text AS nothing").first)
        for read in [{ _ = try row.string("one") }, { _ = try row.string("nothing") }, { _ = try row.int64("two") }] {
            #expect { try read() } throws: { ($0 as? DatabaseError)?.kind == .unexpected }
        }
    }

    @Test func `an id is canonical text, ordered by time and read back`() throws {
        let earlier = MessageID(at: Instant(microseconds: 1_700_000_000_000_000))
        let later = MessageID(at: Instant(microseconds: 1_700_000_000_000_900))
        #expect(earlier < later)
        #expect("\(earlier)".hasPrefix("018bcfe5-6800-7"))
        #expect(MessageID("\(earlier)") == earlier)
        #expect(MessageID("\(earlier)".uppercased()) == earlier)
        #expect(later.instant.microseconds - 1_700_000_000_000_000 == 899)
        for text in [
            "", "018bcfe5-6800-7", "018bcfe5_6800-7000-8000-000000000000", "018bcfe5-6800-7000-8000-00000000000g",
        ] {
            #expect(MessageID(text) == nil)
        }
    }
}
