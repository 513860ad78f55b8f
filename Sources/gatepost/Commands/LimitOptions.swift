import ArgumentParser
import Tenancy

/// A flag for every limit and way of a tenant that accept or the session enforces.
struct LimitOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Recipients a day, in the tenant's zone.", valueName: "n|unlimited"),
        transform: ArgumentText.limit)
    var daily: Limit?

    @Option(help: ArgumentHelp("Recipients a month.", valueName: "n|unlimited"), transform: ArgumentText.limit)
    var monthly: Limit?

    @Option(help: ArgumentHelp("Recipients a minute.", valueName: "n|unlimited"), transform: ArgumentText.rate)
    var rate: Limit?

    @Option(
        help: ArgumentHelp("Recipients at once within the rate. Default: the rate.", valueName: "n"),
        transform: ArgumentText.burst)
    var burst: Int64?

    @Option(
        help: ArgumentHelp("Largest message (KiB, MiB).", valueName: "size"), transform: ArgumentText.messageSize)
    var maxMessageSize: Int64?

    @Option(
        help: ArgumentHelp("Recipients in one message.", valueName: "n"),
        transform: ArgumentText.recipientsPerMessage)
    var recipientsPerMessage: Int64?

    @Option(
        help: ArgumentHelp("Sessions at a time on each node.", valueName: "n|unlimited"),
        transform: ArgumentText.sessions)
    var sessions: Limit?

    @Option(
        help: ArgumentHelp("Where its days begin, like Europe/Brussels.", valueName: "zone"),
        transform: ArgumentText.timeZone)
    var timeZone: String?

    @Option(
        help: ArgumentHelp("Over a cap: defer (450, come back) or reject (550).", valueName: "defer|reject"),
        transform: ArgumentText.policy)
    var policy: CapPolicy?

    @Option(
        help: ArgumentHelp("Take the recipients that still fit, at RCPT.", valueName: "on|off"),
        transform: ArgumentText.onOff)
    var partial: Bool?

    @Option(
        help: ArgumentHelp("Answer a message sent again within 10 minutes as the first.", valueName: "on|off"),
        transform: ArgumentText.onOff)
    var resubmission: Bool?

    @Option(
        help: ArgumentHelp("Allow the empty sender, MAIL FROM:<>.", valueName: "on|off"),
        transform: ArgumentText.onOff)
    var nullSender: Bool?

    @Option(
        help: ArgumentHelp("The relays that deliver its mail.", valueName: "name"), transform: ArgumentText.slug)
    var pool: String?

    var changes: TenantChanges {
        var changes = TenantChanges()
        changes.daily = daily
        changes.monthly = monthly
        changes.rate = rate
        changes.burst = burst
        changes.messageSize = maxMessageSize
        changes.recipientsPerMessage = recipientsPerMessage
        changes.sessions = sessions
        changes.zone = timeZone
        changes.policy = policy
        changes.partial = partial
        changes.resubmission = resubmission
        changes.nullSender = nullSender
        changes.pool = pool
        return changes
    }
}
