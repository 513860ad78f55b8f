import FuzzSupport

extension FuzzTarget {
    /// All that a stranger's octets reach before anything is stored or sent.
    static let wire: [FuzzTarget] = [
        submission, relay, bdat, delivery, client, address, author, header, conversion, content, sasl, proxy,
    ]
}

/// `octets` where two that are no UTF-8 part them: what comes at a time.
func phases(_ octets: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
    var phases: [ArraySlice<UInt8>] = []
    var start = octets.startIndex
    var index = start
    while index + 1 < octets.endIndex {
        if octets[index] == 0xFF, octets[index + 1] == 0xFE {
            phases.append(octets[start..<index])
            start = index + 2
            index = start
        } else {
            index += 1
        }
    }
    phases.append(octets[start...])
    return phases
}

extension [UInt8] {
    /// Where the first CRLF at or behind `start` begins.
    func firstCRLF(from start: Int) -> Int? {
        var index = start
        while index + 1 < count {
            if self[index] == 0x0D, self[index + 1] == 0x0A { return index }
            index += 1
        }
        return nil
    }
}

extension ArraySlice<UInt8> {
    /// Whether it begins with `word`, capital letters in either case. Not the product's way of asking, which is generic and
    /// not specialised for another module: it was most of what an execution took.
    func begins(withLetters word: StaticString) -> Bool {
        word.withUTF8Buffer { letters in
            guard count >= letters.count else { return false }
            var index = startIndex
            for letter in letters {
                let octet = self[index]
                guard octet == letter || octet == letter | 0x20 else { return false }
                index += 1
            }
            return true
        }
    }
}

extension Collection<UInt8> {
    /// A CR or LF without the other.
    var hasBareLineEnd: Bool {
        var wasCR = false
        for octet in self {
            if wasCR != (octet == 0x0A) { return true }
            wasCR = octet == 0x0D
        }
        return wasCR
    }
}
