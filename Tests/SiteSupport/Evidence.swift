/// Everything the judge looks at beside the clients' journal: what the database holds, what reached the sink, and what
/// was done to the system meanwhile. Times are microseconds since 1970.
package struct Evidence: Sendable {
    package struct Recipient: Sendable {
        package var address: String
        /// queued, deferred, delivered, bounced or cancelled.
        package var state: String

        package init(address: String, state: String) {
            self.address = address
            self.state = state
        }
    }

    /// A message that was accepted; reports and notices are outside the equation.
    package struct Stored: Sendable {
        package var id: String
        package var tenant: String
        package var credential: String
        package var recipients: [Recipient]
        /// Of a credential in test mode: charged nothing, never forwarded.
        package var isTest: Bool

        package init(
            id: String, tenant: String, credential: String, recipients: [Recipient], isTest: Bool = false
        ) {
            self.isTest = isTest
            self.id = id
            self.tenant = tenant
            self.credential = credential
            self.recipients = recipients
        }

        package var token: String { Evidence.token(of: recipients.first?.address ?? "") }
    }

    /// A line of the ledger: entry 0 debits, later ones refund.
    package struct Entry: Sendable {
        package var message: String
        package var tenant: String
        package var credential: String
        package var number: Int64
        package var recipients: Int64
        package var at: Int64
        /// The day and month that paid, and the tenant's local day at `at`.
        package var day: String
        package var month: String
        package var localDay: String

        package init(
            message: String, tenant: String, credential: String, number: Int64 = 0, recipients: Int64, at: Int64,
            day: String, month: String, localDay: String? = nil
        ) {
            self.message = message
            self.tenant = tenant
            self.credential = credential
            self.number = number
            self.recipients = recipients
            self.at = at
            self.day = day
            self.month = month
            self.localDay = localDay ?? day
        }
    }

    /// A counter of the usage table; an empty credential counts the whole tenant.
    package struct Counter: Sendable {
        package var tenant: String
        package var credential: String
        /// day or month.
        package var period: String
        package var starts: String
        package var recipients: Int64

        package init(tenant: String, credential: String, period: String, starts: String, recipients: Int64) {
            self.tenant = tenant
            self.credential = credential
            self.period = period
            self.starts = starts
            self.recipients = recipients
        }
    }

    /// A line of the audit, which is written under the tenant's meter.
    package struct Change: Sendable {
        package var at: Int64
        package var tenant: String
        /// `tenant create`, `tenant set`, `tenant suspend`, `credential revoke`, …
        package var action: String
        package var object: String
        /// The caps that it set (`daily`, `monthly`): nil is unlimited.
        package var caps: [String: Int64?]

        package init(at: Int64, tenant: String, action: String, object: String = "", caps: [String: Int64?] = [:]) {
            self.at = at
            self.tenant = tenant
            self.action = action
            self.object = object
            self.caps = caps
        }
    }

    /// A recipient that the sink took a whole message for.
    package struct Delivery: Sendable {
        package var address: String
        package var at: Int64

        package init(address: String, at: Int64) {
            self.address = address
            self.at = at
        }
    }

    /// What was done to the system.
    package struct Disturbance: Sendable {
        package var at: Int64
        package var what: String
        /// Promise 5: a forwarder, a relay, their connection, or the database was hit, so that an outcome may have been
        /// lost between the sink's reply and its commit.
        package var mayDuplicate: Bool

        package init(at: Int64, what: String, mayDuplicate: Bool) {
            self.at = at
            self.what = what
            self.mayDuplicate = mayDuplicate
        }
    }

    package var stored: [Stored] = []
    package var ledger: [Entry] = []
    package var counters: [Counter] = []
    package var changes: [Change] = []
    package var deliveries: [Delivery] = []
    package var disturbances: [Disturbance] = []
    /// Mail goes to a sink whose count is in `deliveries`.
    package var hasSink = true
    /// Everything was given time to arrive: what is still queued is a fault.
    package var mustBeDrained = true
    /// The database's clock was set back in the run: debits are not in the order of their instants.
    package var clockMoves = false
    /// How long after a delivery a disturbance may still keep its outcome from being committed, microseconds.
    package var settleTime: Int64 = 15_000_000

    package init() {}

    /// `TOKEN.3@remote.example` was sent under TOKEN.
    package static func token(of address: String) -> String {
        String(address.prefix { $0 != "@" && $0 != "." })
    }
}
