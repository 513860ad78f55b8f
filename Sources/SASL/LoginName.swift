internal import Cryptography

/// The name that a client gave, in the one form under which logins are kept, throttled and logged.
struct LoginName: Hashable {
    /// `[a-z0-9.-]`, 1 to 64; or a stand-in that begins with `?`.
    let text: String
    let isPossible: Bool

    /// Upper case is folded; anything else out of the ordinary makes the name impossible. An impossible name gets a
    /// stand-in made from it: one that nobody has, that is the same each time, and harmless wherever it goes.
    init(_ octets: some Collection<UInt8>) {
        let folded = octets.map { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 ? $0 | 0x20 : $0 }
        isPossible =
            (1...64).contains(folded.count)
            && folded.allSatisfy {
                UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0
                    || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-")
            }
        text =
            isPossible
            ? String(decoding: folded, as: UTF8.self)
            : "?" + hexadecimal(SHA256.hash(octets).prefix(16))
    }

    var ifPossible: String? { isPossible ? text : nil }
}
