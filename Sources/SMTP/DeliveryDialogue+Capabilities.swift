/// What a next hop offered in its answer to EHLO or LHLO (RFC 5321 §4.1.1.1). Nothing is offered by HELO.
package struct DeliveryCapabilities: Equatable, Sendable {
    package var pipelining = false
    package var eightBitMIME = false
    package var startTLS = false
    package var smtpUTF8 = false
    package var dsn = false
    package var chunking = false
    package var binaryMIME = false
    package var size = false
    /// `SIZE n`: octets of one message; nil if none was told, or 0, which means the same (RFC 1870 §4).
    package var sizeLimit: Int?
    /// `AUTH`'s mechanisms, upper case.
    package var mechanisms: [String] = []
    /// `LIMITS RCPTMAX=` (RFC 9422): recipients in one transaction.
    package var recipientLimit: Int?
    /// `LIMITS MAILMAX=`: transactions in one connection.
    package var transactionLimit: Int?
    /// `LIMITS RCPTDOMAINMAX=`: different domains among the recipients of one transaction.
    package var recipientDomainLimit: Int?

    package init() {}

    /// From the lines behind the first, of which each begins with a keyword.
    init(_ lines: some Sequence<[UInt8]>) {
        for line in lines {
            let words = line.split(separator: .space)
            guard let keyword = words.first else { continue }
            let parameters = words.dropFirst()
            if keyword.equalsIgnoringCase("PIPELINING") { pipelining = true }
            if keyword.equalsIgnoringCase("8BITMIME") { eightBitMIME = true }
            if keyword.equalsIgnoringCase("STARTTLS") { startTLS = true }
            if keyword.equalsIgnoringCase("SMTPUTF8") { smtpUTF8 = true }
            if keyword.equalsIgnoringCase("DSN") { dsn = true }
            if keyword.equalsIgnoringCase("CHUNKING") { chunking = true }
            if keyword.equalsIgnoringCase("BINARYMIME") { binaryMIME = true }
            if keyword.equalsIgnoringCase("SIZE") {
                size = true
                sizeLimit = parameters.first.flatMap { Self.positive($0) }
            }
            if keyword.equalsIgnoringCase("AUTH") {
                mechanisms += parameters.map { String(decoding: $0.map(\.uppercased), as: UTF8.self) }
            }
            if keyword.equalsIgnoringCase("LIMITS") {
                for limit in parameters { takeLimit(limit) }
            }
        }
        // Binary content travels by BDAT alone (RFC 3030 §3).
        if !chunking { binaryMIME = false }
    }

    private mutating func takeLimit(_ limit: ArraySlice<UInt8>) {
        guard let equals = limit.firstIndex(of: UInt8(ascii: "=")) else { return }
        let name = limit[..<equals]
        guard let value = Self.positive(limit[(equals + 1)...]) else { return }
        if name.equalsIgnoringCase("RCPTMAX") { recipientLimit = value }
        if name.equalsIgnoringCase("MAILMAX") { transactionLimit = value }
        if name.equalsIgnoringCase("RCPTDOMAINMAX") { recipientDomainLimit = value }
    }

    private static func positive(_ digits: ArraySlice<UInt8>) -> Int? {
        Int(decimal: digits).flatMap { $0 > 0 ? $0 : nil }
    }
}
