import SMTP

/// The addresses of one originator field, found by a strict reader of RFC 5322 §3.4 (and RFC 6854's groups).
///
/// Comments, quoted strings, folding, groups, and of the obsolete forms source routes, dots in names and empty list
/// elements are understood. What different readers are known to understand differently is a fault, never "no address":
/// blanks or comments inside a local part or a domain, a bare `@` in a name, an encoded word in an address (encoded
/// words are never decoded), control characters, invalid UTF-8. ("Weak Links in Authentication Chains", USENIX
/// Security 2021, lists what such differences are used for.)
///
/// One pass, no recursion: comments nest by a counter.
struct AddressList {
    /// Each mailbox' domain in order; a source route's domains stand before that of their mailbox.
    private(set) var domains: [Domain] = []
    /// Each mailbox as local-part@domain, in order: the domain as A-label in lower case, the local part unquoted where
    /// it may be.
    private(set) var addresses: [String] = []
    private(set) var mailboxCount = 0
    /// What display names and comments show.
    private(set) var shown = ShownAddresses()

    private let octets: [UInt8]
    private let isInternationalized: Bool
    private var position = 0
    private var hasComment = false

    /// `octets`: a field's value with its folds. `maxMailboxes` bounds the work. `isInternationalized`: addresses may be
    /// UTF-8 (RFC 6532 §3.2), as they may where SMTPUTF8 was declared.
    init(parsing octets: [UInt8], maxMailboxes: Int, isInternationalized: Bool = false) throws(AddressFault) {
        self.octets = octets
        self.isInternationalized = isInternationalized
        if octets.contains(where: { $0 >= 0x80 }), String(validating: octets, as: UTF8.self) == nil {
            throw .notUTF8
        }
        try parse(maxMailboxes: maxMailboxes)
    }

    private var current: UInt8? { position < octets.count ? octets[position] : nil }

    private func unexpected() -> AddressFault {
        position < octets.count ? .unexpected(octet: octets[position], at: position) : .unbalanced
    }

    // address-list = (address *("," address)) / obs-addr-list
    private mutating func parse(maxMailboxes: Int) throws(AddressFault) {
        var groupStart: Int?  // the number of mailboxes when the group was opened
        var needsSeparator = false

        while true {
            hasComment = false
            try skipBlanksAndComments()
            // An element that is nothing but a comment is a mailbox to some readers, with the address in the comment.
            let isBareComment = hasComment && !needsSeparator
            guard let octet = current else {
                guard !isBareComment || mailboxCount == 0 else { throw .noAddress }
                break
            }
            switch octet {
            case UInt8(ascii: ","):
                guard !isBareComment else { throw .noAddress }
                needsSeparator = false
                position += 1
            case UInt8(ascii: ";"):
                guard let start = groupStart else { throw unexpected() }
                guard !isBareComment || mailboxCount == start else { throw .noAddress }
                guard mailboxCount > start else { throw .emptyGroup }
                groupStart = nil
                needsSeparator = true
                position += 1
            default:
                guard !needsSeparator else { throw unexpected() }
                switch try element() {
                case .mailbox:
                    mailboxCount += 1
                    guard mailboxCount <= maxMailboxes else { return }
                    needsSeparator = true
                case .groupName:
                    guard groupStart == nil else { throw unexpected() }
                    groupStart = mailboxCount
                    position += 1
                }
            }
        }
        guard groupStart == nil else { throw .unbalanced }
        guard mailboxCount > 0 else { throw .empty }
    }

    private enum Element { case mailbox, groupName }

    /// What words mean is known only at the octet that ends them: `<` and `:` make them a name, `@` a local part.
    private mutating func element() throws(AddressFault) -> Element {
        var words = 0
        var firstWord = 0..<0
        let start = position

        while true {
            try skipBlanksAndComments()
            guard let octet = current else { throw words > 0 ? .noAddress : .empty }
            switch octet {
            case UInt8(ascii: "<"):
                shown.look(at: octets[start..<position])
                try angleAddress()
                return .mailbox
            case UInt8(ascii: ":"):
                guard words > 0 else { throw unexpected() }
                shown.look(at: octets[start..<position])
                return .groupName
            case UInt8(ascii: "@"):
                guard words == 1 else { throw words == 0 ? .localPart : unexpected() }
                try checkLocalPart(firstWord)
                try domain()
                noteAddress(firstWord)
                return .mailbox
            case UInt8(ascii: "\""):
                let word = try quotedString()
                if words == 0 { firstWord = word }
                words += 1
            case UInt8(ascii: ","), UInt8(ascii: ";"):
                throw .noAddress
            default:
                let word = try atoms()
                if words == 0 { firstWord = word }
                words += 1
            }
        }
    }

    // angle-addr = "<" [obs-route] addr-spec ">"
    private mutating func angleAddress() throws(AddressFault) {
        position += 1
        try skipBlanksAndComments()
        if current == UInt8(ascii: "@") || current == UInt8(ascii: ",") { try route() }
        let word: Range<Int>
        switch current {
        case UInt8(ascii: "\""): word = try quotedString()
        case UInt8(ascii: ">"): throw .noAddress
        case nil: throw .unbalanced
        default: word = try atoms()
        }
        try checkLocalPart(word)
        try skipBlanksAndComments()
        guard current == UInt8(ascii: "@") else { throw unexpected() }
        try domain()
        noteAddress(word)
        try skipBlanksAndComments()
        guard current == UInt8(ascii: ">") else { throw unexpected() }
        position += 1
    }

    /// The mailbox whose domain was just read.
    private mutating func noteAddress(_ localPart: Range<Int>) {
        guard let domain = domains.last else { return }
        let written = String(decoding: octets[localPart], as: UTF8.self) + "@" + domain.name
        // (One that is too long for an envelope is kept as it stands.)
        addresses.append((try? Mailbox(parsing: written))?.description ?? written)
    }

    // obs-route = *(CFWS / ",") "@" domain *("," [CFWS] ["@" domain]) ":"
    private mutating func route() throws(AddressFault) {
        var expectsDomain = true
        while let octet = current {
            switch octet {
            case UInt8(ascii: ","):
                position += 1
                expectsDomain = true
            case UInt8(ascii: "@") where expectsDomain:
                try domain()
                expectsDomain = false
            case UInt8(ascii: ":"):
                position += 1
                return try skipBlanksAndComments()
            default: throw unexpected()
            }
            try skipBlanksAndComments()
        }
        throw .unbalanced
    }

    /// `"@" [CFWS] dot-atom-text`. A blank or comment between its labels leaves a `.` behind that nothing expects.
    private mutating func domain() throws(AddressFault) {
        position += 1
        try skipBlanksAndComments()
        if current == UInt8(ascii: "[") { throw .literal }
        guard current != nil else { throw .domain }
        let range = try atoms()
        guard isInternationalized || octets[range].allSatisfy({ $0 < 0x80 }) else { throw .nonASCIIAddress }
        guard let domain = try? Domain(parsing: String(decoding: octets[range], as: UTF8.self)) else { throw .domain }
        domains.append(domain)
    }

    /// RFC 5321 §4.5.3.1.1 gives 64 octets; dot-atoms have no empty atom.
    private func checkLocalPart(_ range: Range<Int>) throws(AddressFault) {
        let word = octets[range]
        guard let first = word.first, let last = word.last, word.count <= 66 else { throw .localPart }
        var previous: UInt8 = 0
        var isEscaped = false
        let isQuoted = first == UInt8(ascii: "\"")
        for octet in word {
            guard isInternationalized || octet < 0x80 else { throw .nonASCIIAddress }
            guard octet >= 0x20 else { throw .localPart }  // a fold or a tab within quotes
            // A backslash is no part of the word: `=\?` means, and is written as, `=?`.
            isEscaped = isQuoted && octet == UInt8(ascii: "\\") && !isEscaped
            if isEscaped { continue }
            if previous == UInt8(ascii: "="), octet == UInt8(ascii: "?") { throw .encodedWord }
            // Some readers look for an address in such a word, or for the next one behind it.
            if isQuoted, octet.separatesAddresses { throw .localPart }
            if !isQuoted, previous == UInt8(ascii: "."), octet == UInt8(ascii: ".") { throw .localPart }
            previous = octet
        }
        guard Mailbox.isLocalPartFit(word) else { throw .localPart }
        if isQuoted {
            guard word.count > 2 else { throw .localPart }
        } else {
            guard first != UInt8(ascii: "."), last != UInt8(ascii: "."), word.count <= 64 else { throw .localPart }
        }
    }

    /// A run of atoms and dots; octets above 127 belong to names, and to addresses where SMTPUTF8 was declared.
    private mutating func atoms() throws(AddressFault) -> Range<Int> {
        let start = position
        while position < octets.count {
            let octet = octets[position]
            guard octet.isAtomText || octet == UInt8(ascii: ".") || octet >= 0x80 else { break }
            position += 1
        }
        guard position > start else {
            if let octet = current, octet < 0x20 || octet == 0x7F { throw .control }
            throw unexpected()
        }
        return start..<position
    }

    /// Returns the string with its quotes.
    private mutating func quotedString() throws(AddressFault) -> Range<Int> {
        let start = position
        position += 1
        while let octet = current {
            switch octet {
            case UInt8(ascii: "\""):
                position += 1
                return start..<position
            case UInt8(ascii: "\\"): try quotedPair()
            case .carriageReturn: try fold()
            default: try text(octet)
            }
        }
        throw .unbalanced
    }

    // CFWS: blanks, folds, and comments, which nest.
    private mutating func skipBlanksAndComments() throws(AddressFault) {
        var depth = 0
        var comment = position
        while let octet = current {
            switch octet {
            case UInt8(ascii: "("):
                if depth == 0 { comment = position }
                depth += 1
                hasComment = true
                position += 1
            case UInt8(ascii: ")"):
                guard depth > 0 else { throw unexpected() }
                depth -= 1
                position += 1
                if depth == 0 { shown.look(at: octets[comment..<position]) }
            case .carriageReturn: try fold()
            case _ where octet.isBlank: position += 1
            case UInt8(ascii: "\\") where depth > 0: try quotedPair()
            case _ where depth > 0: try text(octet)
            default: return
            }
        }
        guard depth == 0 else { throw .unbalanced }
    }

    private mutating func text(_ octet: UInt8) throws(AddressFault) {
        guard octet >= 0x20 && octet != 0x7F || octet.isBlank else { throw .control }
        position += 1
    }

    // quoted-pair = "\" (VCHAR / WSP); the obsolete one with a control character is refused.
    private mutating func quotedPair() throws(AddressFault) {
        position += 1
        guard let octet = current else { throw .unbalanced }
        try text(octet)
    }

    /// CRLF and the blank behind it. A line of nothing but blanks ends the header for some readers (RFC 5322 §4.2).
    private mutating func fold() throws(AddressFault) {
        position += 1
        guard current == .lineFeed else { throw .control }
        position += 1
        guard let blank = current, blank.isBlank else { throw .control }
        var ahead = position
        while ahead < octets.count, octets[ahead].isBlank { ahead += 1 }
        guard ahead == octets.count || octets[ahead] != .carriageReturn else { throw .blankLine }
        position += 1
    }
}

extension UInt8 {
    fileprivate var separatesAddresses: Bool {
        switch self {
        case UInt8(ascii: "@"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: ","): true
        default: false
        }
    }
}
