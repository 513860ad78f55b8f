package import NIOCore
package import SMTP

/// In whose name a message speaks: the domains of every address in From, Sender, Resent-From and Resent-Sender. All of
/// them must be the tenant's (the caller decides). A message whose authors cannot be told without doubt is a fault.
package struct AuthorIdentity: Hashable, Sendable {
    /// More than these in the four fields together is a fault.
    package static let maxMailboxes = 100

    /// Each once, in the order found; From's come first. Never empty.
    package private(set) var domains: [Domain] = []
    /// How many of these From names; the others stand in Sender or a Resent field alone.
    package private(set) var fromDomainCount = 0
    /// The addresses of those fields, each once, in the order found: local-part@domain, the domain as A-label in lower
    /// case. Never empty.
    package private(set) var addresses: [String] = []
    /// The domains of addresses that stand in display names and comments, each once: of
    /// `"ceo@bank.example" <x@own.example>`, bank.example. They are no authors', though people may think so.
    package private(set) var shownDomains: [String] = []

    /// `content` is the one that `scan` was made from. `isInternationalized`: SMTPUTF8 was declared, so addresses may be
    /// UTF-8 (RFC 6532).
    package init(
        _ scan: HeaderScan, in content: ByteBuffer, isInternationalized: Bool = false
    ) throws(MessageFault) {
        var mailboxes = 0
        var known: Set<String> = []
        let hasSender = scan.first(.sender) != nil
        let hasResentSender = scan.first(.resentSender) != nil
        guard scan.first(.from) != nil else { throw .missingFrom }

        for name in [FieldName.from, .sender, .resentFrom, .resentSender] {
            for field in scan.all(name) {
                let list = try Self.read(
                    field, in: content, upTo: Self.maxMailboxes - mailboxes, isInternationalized)
                mailboxes += list.mailboxCount
                guard mailboxes <= Self.maxMailboxes else { throw .tooManyAuthors }
                switch name {
                case .from where list.mailboxCount > 1 && !hasSender: throw .severalAuthors(name)
                case .resentFrom where list.mailboxCount > 1 && !hasResentSender: throw .severalAuthors(name)
                case .sender where list.mailboxCount > 1, .resentSender where list.mailboxCount > 1:
                    throw .severalSenders(name)
                default: break
                }
                for domain in list.domains where !domains.contains(domain) { domains.append(domain) }
                for address in list.addresses where !addresses.contains(address) { addresses.append(address) }
                for domain in list.shown.domains where known.insert(domain).inserted { shownDomains.append(domain) }
            }
            if name == .from { fromDomainCount = domains.count }
        }
    }

    private static func read(
        _ field: HeaderScan.Field, in content: ByteBuffer, upTo limit: Int, _ isInternationalized: Bool
    ) throws(MessageFault) -> AddressList {
        let start = content.readerIndex + field.value.lowerBound
        guard let octets = content.getBytes(at: start, length: field.value.count) else {
            preconditionFailure("the scan belongs to another content")
        }
        do throws(AddressFault) {
            return try AddressList(
                parsing: octets, maxMailboxes: limit, isInternationalized: isInternationalized)
        } catch {
            throw .malformedAddress(field.name, error)
        }
    }
}
