/// `gatepost help secrets`: how a secret scanner tells one of ours from any other text.
extension HelpTopic {
    /// What finds one, as every regular-expression library and `grep -E` read it.
    static let secretPattern = "gp_[0-9A-Za-z]{36}"
    /// Nobody's: its first 33 characters were never drawn.
    static let secretExample = "gp_0123456789ABCDEFGHIJKLMNOPQRST1k4idH"
    static let secretExampleChecksum = "1596969171"

    static let secrets = HelpTopic(
        name: "secrets", abstract: "The form of a secret and its checksum, for secret scanners.",
        picture: ["gp_ + 30 random characters + 6 characters of checksum: 39 in all", "", secretExample],
        entries: [
            Entry(
                term: "find", text: "The regular expression \(secretPattern), with no letter or digit around it.",
                example: "grep -rnE '\(secretPattern)' ."),
            Entry(
                term: "check",
                text:
                    "The CRC-32 (IEEE 802.3, that of gzip and zlib) of the first 33 characters, `gp_` among them, as a "
                    + "number in base 62 with the digits 0-9, A-Z, a-z in this order, the most significant first, filled "
                    + "up with `0` to six. Where it does not fit, it is no secret of Gatepost's."),
            Entry(
                term: "example",
                text: "The CRC-32 of `\(secretExample.prefix(33))` is \(secretExampleChecksum), in base 62 "
                    + "`\(secretExample.suffix(6))`. It is nobody's secret."),
            Entry(
                term: "found one",
                text: "The user name beside it says whose it is; `gatepost credential check` tries it and sends "
                    + "nothing. Rotate the credential at once, or revoke it.",
                example: "gatepost credential rotate acme.k7m2q9 --now"),
        ],
        closing:
            "The 30 characters are 178 random bits of the system's. The database has a SCRAM-SHA-256 verifier and the "
            + "SHA-256 of a secret, never the secret.")
}
