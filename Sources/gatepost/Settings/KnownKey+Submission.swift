extension KnownKey {
    /// The listener that customers' applications reach: what it offers, and how much of itself it lends to each.
    static let submission: [KnownKey] = [
        KnownKey(
            "submission.listen", .addresses, "0.0.0.0:587",
            "Addresses to take mail on, host:port, a list. TLS begins by STARTTLS here."),
        KnownKey(
            "submission.listen-tls", .addressesOrNone, "0.0.0.0:465",
            "Addresses on which TLS begins at once, host:port, a list; `none` for none."),
        KnownKey(
            "submission.hostname", .hostName, example: "smtp.example.com",
            "Name in the greeting and in Received. Default: the machine's host name."),
        KnownKey(
            "submission.certificate", .path, example: "/etc/gatepost/pki/server.pem",
            "Certificate chain, PEM. No default: the submission role needs it."),
        KnownKey(
            "submission.private-key", .path, example: "/etc/gatepost/pki/server.key",
            "Its private key, PEM, mode 0600. No default: the submission role needs it."),
        KnownKey(
            "submission.certificates", .path, example: "/etc/gatepost/certificates",
            "Folder of further certificates, one of which a client gets that asks for its name: NAME.pem with "
                + "NAME.key, or folders with fullchain.pem and privkey.pem. Default: none."),
        KnownKey(
            "submission.tls.client-certificates", .boolean, "false",
            "Ask clients for a TLS certificate, by which they may log in (SASL EXTERNAL): each is known by its "
                + "fingerprint, and needs no authority."),
        KnownKey(
            "submission.proxy-from", .networksOrNone, "none",
            "Load balancers that begin every connection with a PROXY header, addresses or networks, a list; from "
                + "these it is required, from others it is no header."),
        KnownKey(
            "submission.threads", .countOrAuto(1...256), "auto",
            "Event loops, 1 to 256; `auto` is one for each processor."),
        KnownKey(
            "submission.max-connections", .count(1...1_000_000), "10000",
            "Connections at a time on this node; the next is told 421 (where TLS comes first, it is just closed). A tenth of them is kept for addresses from "
                + "which somebody has logged in. Fewer where open files are: their limit less 256, or less a quarter."),
        KnownKey(
            "submission.max-connections-per-address", .count(1...1_000_000), "250",
            "Connections at a time from one address (IPv6: one /64) on which nobody has logged in yet."),
        KnownKey(
            "submission.max-handshakes", .count(1...100_000), "500",
            "TLS handshakes under way at a time, from the client's whole hello on; the next one ends "
                + "the oldest, if that has lasted a second, or is closed. A quarter is kept as above."),
        KnownKey(
            "submission.handshake-timeout", .duration, "10s",
            "How long a TLS handshake, or a PROXY header, may take (ms, s, m, h, d)."),
        KnownKey(
            "submission.authentication-timeout", .duration, "60s",
            "How long a client may take from its first octet to the end of AUTH (ms, s, m, h, d)."),
        KnownKey(
            "submission.command-timeout", .duration, "5m",
            "How long a client may be silent before 421 (ms, s, m, h, d)."),
        KnownKey(
            "submission.write-timeout", .duration, "1m",
            "How long a client may leave our replies unread before it is cut off (ms, s, m, h, d)."),
        KnownKey(
            "submission.min-data-rate", .size(1...1 << 20), "100B",
            "Octets a second that a message must come at, on the average after its first minute; slower is 421."),
        KnownKey(
            "submission.body-memory", .size(1 << 20...1 << 40), "256MiB",
            "Memory for messages that this node holds: those being taken, of all sessions together, which beyond it wait "
                + "their turn; and those its forwarder delivers, at most half of it. Under such a load the "
                + "process needs about twice as much in all."),
        KnownKey(
            "submission.max-message-size", .size(1024...60 << 20), "50MiB",
            "Largest message that any tenant may send through this node, announced as SIZE (KiB, MiB; at most 60MiB)."),
        KnownKey(
            "submission.max-recipients", .count(1...100_000), "1000",
            "Most recipients of one message that any tenant may have on this node."),
        KnownKey(
            "submission.line-endings", .choice(["strict", "normalise"]), "strict",
            "`strict` refuses a message with a line end other than CRLF; `normalise` makes each of them one."),
        KnownKey(
            "submission.failures-per-connection", .count(3...1000), "5",
            "Failed logins after which a connection is closed, at least 3 (RFC 4954)."),
        KnownKey(
            "submission.failures-per-address", .count(3...1_000_000), "100",
            "Failed logins from one address (IPv6: one /64) from which on its attempts are slowed to one in two "
                + "seconds and its connections end after 3 failures. The count halves every ten minutes."),
        KnownKey(
            "submission.failures-per-login", .count(3...1_000_000), "30",
            "The same for one login name, wherever from. The right secret from an address that it was used from on "
                + "this node since its start always works."),
    ]
}
