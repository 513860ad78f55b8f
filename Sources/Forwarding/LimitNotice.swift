package import Ledger
internal import MailMessage
package import SMTP

/// The mail about a limit warning (RFC 5322, RFC 3834: made by a program, to be answered by nobody).
package struct LimitNotice: Sendable {
    /// In From.
    private let author: Mailbox
    private let hostname: String

    package init(from author: Mailbox, hostname: String) {
        self.author = author
        self.hostname = hostname
    }

    /// Nil where the tenant has named no contact, or one that is no address.
    ///
    /// - Parameters:
    ///   - now: seconds since 1970.
    ///   - unique: what makes the Message-ID one of its own.
    package func mail(about warning: LimitWarning, now: Int64, unique: String) -> LimitMail? {
        guard let contact = warning.contact, let recipient = try? Mailbox(parsing: contact) else { return nil }
        let whose = warning.credential.map { "credential \($0) of \(warning.tenant)" } ?? warning.tenant
        var lines = [
            "Date: \(MessageDate.string(unixSeconds: now))",
            "From: Gatepost <\(author)>",
            "To: <\(recipient)>",
            "Subject: \(warning.tenant): \(warning.percent) % of the \(warning.limitText) are used",
            "Message-ID: <\(unique)@\(hostname)>",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=us-ascii",
            "Content-Transfer-Encoding: 7bit",
            "",
            "Account:  \(whose)",
            "Limit:    \(warning.limitText), \(warning.cap)",
            "Used:     \(warning.used) (\(warning.percent) % or more)",
        ]
        if let resets = warning.resetsText { lines.append("Resets:   \(resets)") }
        lines += [
            "",
            warning.percent >= 100 || warning.used >= warning.cap
                ? "Nothing more is accepted under this limit until then."
                : "Mail is accepted until the limit is reached.",
            "This is said once for each day or month. Ask your operator for another limit.",
            "",
        ]
        return LimitMail(to: recipient, content: Array(lines.joined(separator: "\r\n").utf8))
    }
}

extension LimitWarning {
    fileprivate var limitText: String {
        let isCredential = limit.hasPrefix("credential_")
        let name = isCredential ? String(limit.dropFirst("credential_".count)) : limit
        let text =
            switch name {
            case "daily": "recipients a day"
            case "monthly": "recipients a month"
            case "bytes_daily": "octets a day"
            case "first_time_daily": "first-time recipients a day"
            default: name
            }
        return isCredential ? "\(text) of a credential" : text
    }
}
