import CIDN
import Glibc

/// What addresses may hold beyond ASCII (RFC 6531, 6532, 5891), judged on valid UTF-8.
enum InternationalText {
    /// Whether `octets` are UTF-8 (no overlong form, no surrogate: RFC 3629) in Normalization Form C, as RFC 6532 §3.1
    /// asks, and hold nothing that acts instead of being read: no control, no line or paragraph separator, no blank but
    /// the ASCII one, no bidirectional control, no other invisible format character (joiners excepted, which words of
    /// several scripts need), no noncharacter.
    static func isFitForAddress(_ octets: some Collection<UInt8>) -> Bool {
        guard let text = String(validating: octets, as: UTF8.self) else { return false }
        return text.unicodeScalars.allSatisfy(isFit) && isComposed(Array(octets))
    }

    /// A domain as the DNS knows it: U-labels turned into A-labels (IDNA2008), capital letters into small ones before,
    /// everything else as it must be already. Nil for what is no IDNA2008 domain name.
    static func aLabels(_ octets: some Collection<UInt8>) -> [UInt8]? {
        guard isFitForAddress(octets), let text = String(validating: octets, as: UTF8.self) else { return nil }
        let name = Array(text.lowercased().utf8)
        guard isComposed(name) else { return nil }
        var result: UnsafeMutablePointer<UInt8>?
        let outcome = (name + [0]).withUnsafeBufferPointer { name in
            // IDN2_NO_TR46: no mapping of look-alikes onto letters, only what IDNA2008 itself takes.
            idn2_lookup_u8(name.baseAddress, &result, Int32(IDN2_NO_TR46.rawValue))
        }
        guard outcome == IDN2_OK.rawValue, let result else { return nil }
        defer { idn2_free(result) }
        return Array(
            UnsafeBufferPointer(
                start: result, count: strlen(UnsafeRawPointer(result).assumingMemoryBound(to: CChar.self))))
    }

    private static func isFit(_ scalar: Unicode.Scalar) -> Bool {
        guard !scalar.isASCII else { return true }  // ASCII has its own rules, elsewhere
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator, .spaceSeparator: return false
        case .format: return scalar.value == 0x200C || scalar.value == 0x200D
        default: return !scalar.properties.isNoncharacterCodePoint && !scalar.properties.isBidiControl
        }
    }

    /// Whether normalising to NFC changes nothing.
    private static func isComposed(_ octets: [UInt8]) -> Bool {
        octets.withUnsafeBufferPointer { gatepost_is_composed($0.baseAddress, $0.count) }
    }
}
