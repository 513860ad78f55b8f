/// What users sent, made safe to show: on a terminal, in a table, in a log line.
///
/// An operator's terminal obeys escape sequences, and a bidirectional override makes one address look like
/// another (CVE-2021-42574). Whatever is not plainly visible is shown by its number, also where stdout is no
/// terminal, for files are read on terminals later.

extension Unicode.Scalar {
    /// Visible by itself, or the plain blank.
    var isPrintable: Bool {
        if isASCII { return (0x20...0x7E).contains(value) }
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
            .spaceSeparator:
            return false
        default: return !properties.isDefaultIgnorableCodePoint
        }
    }
}

extension String {
    /// On one line, every scalar visible: `\x1b` below U+0080, `\u{202e}` above.
    var printable: String {
        if unicodeScalars.allSatisfy(\.isPrintable) { return self }
        var shown = ""
        for scalar in unicodeScalars {
            if scalar.isPrintable {
                shown.unicodeScalars.append(scalar)
            } else if scalar.value < 0x80 {
                let digits = String(scalar.value, radix: 16)
                shown += "\\x" + String(repeating: "0", count: 2 - digits.count) + digits
            } else {
                shown += "\\u{" + String(scalar.value, radix: 16) + "}"
            }
        }
        return shown
    }

    /// Columns it takes on a terminal, close enough for tables.
    var displayWidth: Int {
        unicodeScalars.reduce(0) { width, scalar in
            switch scalar.properties.generalCategory {
            case .nonspacingMark, .enclosingMark: return width
            default: break
            }
            switch scalar.value {
            case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
                0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
                return width + 2
            default: return width + 1
            }
        }
    }
}
