/// The first anchor, alias or tag in a YAML text.
///
/// Settings need none of them, and a few lines of aliases unfold to 10⁹ values ("billion laughs"), so the text is
/// looked through before it is composed. Only a place where a value or key may begin counts: `a *b` is a text.
struct YAMLShorthand: Equatable {
    var character: Character
    var line: Int
    var column: Int

    var name: String { character == "!" ? "tags" : "anchors and aliases" }

    init?(in text: String) {
        var line = 1
        var column = 0
        var quote: Unicode.Scalar?
        var isEscaped = false
        var flowDepth = 0
        var valueMayBegin = true
        var isInComment = false
        var previous: Unicode.Scalar = "\n"
        let scalars = text.unicodeScalars
        for index in scalars.indices {
            let scalar = scalars[index]
            column += 1
            defer { previous = scalar }
            if scalar == "\n" {
                line += 1
                column = 0
                isInComment = false
                valueMayBegin = quote == nil
                continue
            }
            if isInComment { continue }
            if let open = quote {
                if isEscaped {
                    isEscaped = false
                } else if open == "\"", scalar == "\\" {
                    isEscaped = true
                } else if scalar == open {
                    quote = nil
                }
                continue
            }
            let next = scalars.index(after: index)
            let endsWord = next == scalars.endIndex || scalars[next].isBlank
            switch scalar {
            case " ", "\t", "\r": break
            case "#" where previous.isBlank: isInComment = true
            case "&" where valueMayBegin, "*" where valueMayBegin, "!" where valueMayBegin:
                self.character = Character(scalar)
                self.line = line
                self.column = column
                return
            case "\"" where valueMayBegin, "'" where valueMayBegin:
                quote = scalar
                valueMayBegin = false
            case "[" where valueMayBegin, "{" where valueMayBegin: flowDepth += 1
            case "]" where flowDepth > 0, "}" where flowDepth > 0: flowDepth -= 1
            case ",": valueMayBegin = flowDepth > 0
            case "-" where valueMayBegin, "?" where valueMayBegin: valueMayBegin = endsWord
            case ":": valueMayBegin = endsWord || flowDepth > 0
            default: valueMayBegin = false
            }
        }
        return nil
    }
}

extension Unicode.Scalar {
    fileprivate var isBlank: Bool { self == " " || self == "\t" || self == "\n" || self == "\r" }
}
