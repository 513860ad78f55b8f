import Foundation
import SQL
import SiteSupport

/// Functions of the ledger with one thing wrong. Made from the functions as they are, by words that must be there: a
/// unit test notices when they have gone.
enum PlantedSQL {
    private static func function(_ name: String) throws -> String {
        guard let file = SQLFiles.functions.first(where: { $0.name == name }) else {
            throw Site.Failure("no function \(name)")
        }
        return file.text
    }

    private static func replace(_ old: String, by new: String, in text: String) throws -> String {
        guard text.contains(old) else { throw Site.Failure("nothing to plant at: \(old)") }
        return text.replacing(old, with: new)
    }

    @Sendable static func fenceIsSelect() throws -> String {
        let text = try function("resolve")
        guard let begin = text.range(of: "    INSERT INTO gatepost.batch"),
            let end = text.range(of: "    RETURN QUERY SELECT v.*")
        else { throw Site.Failure("the fence has changed") }
        return String(text[..<begin.lowerBound] + text[end.lowerBound...])
    }

    @Sendable static func otherClock() throws -> String {
        try replace(
            "(v_now AT TIME ZONE y.zone)", by: "(clock_timestamp() AT TIME ZONE y.zone)", in: function("accept"))
    }

    @Sendable static func leaseIgnored() throws -> String {
        try replace("r.owner_id IS NULL", by: "true", in: function("claim"))
    }

    @Sendable static func refundTwice() throws -> String {
        try replace(
            "SET recipients = u.recipients - p.recipients, shadow_recipients = u.shadow_recipients - p.shadow_recipients\n"
                + "    FROM (\n        SELECT d.tenant_id, x.credential_id",
            by: "SET recipients = greatest(0, u.recipients - 2 * p.recipients)\n    FROM (\n"
                + "        SELECT d.tenant_id, x.credential_id", in: function("refund"))
    }

    @Sendable static func resubmissionIgnored() throws -> String {
        try replace("interval '10 minutes'", by: "interval '0'", in: function("accept"))
    }

    /// The counters are written by a session of its own, whose transaction has ended before accept's has: as if the debit
    /// were a transaction by itself.
    @Sendable static func debitOutsideTransaction() throws -> String {
        """
        CREATE EXTENSION dblink SCHEMA public;
        CREATE FUNCTION gatepost.debit_apart() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            PERFORM public.dblink_exec(
                format('host=127.0.0.1 port=%s dbname=%s user=postgres options=''-c session_replication_role=replica''',
                       current_setting('port'), current_database()),
                format('INSERT INTO gatepost.usage AS u (tenant_id, credential_id, period, starts, recipients, messages,
                            bytes) VALUES (%s, %s, %L, %L, %s, %s, %s) ON CONFLICT ON CONSTRAINT usage_pkey
                        DO UPDATE SET recipients = u.recipients + excluded.recipients,
                                      messages = u.messages + excluded.messages, bytes = u.bytes + excluded.bytes',
                       NEW.tenant_id, NEW.credential_id, NEW.period, NEW.starts, NEW.recipients, NEW.messages, NEW.bytes));
            RETURN NULL;
        END
        $$;
        CREATE TRIGGER debit_apart BEFORE INSERT ON gatepost.usage
            FOR EACH ROW EXECUTE FUNCTION gatepost.debit_apart();
        """
    }
}
