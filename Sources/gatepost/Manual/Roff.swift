/// Lines of mdoc(7), nothing of the text read as a request.
struct Roff {
    private(set) var text = ""

    /// A macro line without its dot; what comes from elsewhere is `escaped` by the caller.
    mutating func macro(_ line: String) { text += ".\(line)\n" }

    /// A sentence begins a line, as mdoc(7) asks; no line is longer than 80 octets where a blank allows it.
    mutating func prose(_ prose: String) {
        for sentence in Self.sentences(of: prose) {
            for line in sentence.wrappedLines(to: 76) { text += Self.escaped(line) + "\n" }
        }
    }

    /// As it is, in a block of its own.
    mutating func literal(_ lines: [String]) {
        macro("Bd -literal -offset indent")
        for line in lines { text += Self.escaped(line) + "\n" }
        macro("Ed")
    }

    mutating func list(_ items: [(head: String, text: String)]) {
        macro("Bl -tag -width Ds")
        for item in items {
            macro("It \(item.head)")
            prose(item.text)
        }
        macro("El")
    }

    mutating func body(_ discussion: DiscussionText) {
        for part in discussion.parts {
            switch part {
            case .prose(let prose):
                macro("Pp")
                self.prose(prose)
            case .lines(let lines): literal(lines)
            }
        }
        // A paragraph that begins a section is none, says mandoc.
        text = text.replacing(".Sh DESCRIPTION\n.Pp\n", with: ".Sh DESCRIPTION\n")
    }

    mutating func options(_ arguments: [CommandDescription.Argument]) {
        guard !arguments.isEmpty else { return }
        let ordered = arguments.filter { $0.kind == .positional } + arguments.filter { $0.kind != .positional }
        list(
            ordered.map { argument in
                let value = "Ar " + Self.escaped(argument.valueName ?? "value")
                let names = (argument.names ?? []).map { "Fl " + ($0.kind == "long" ? "-\($0.name)" : $0.name) }
                let head =
                    switch argument.kind {
                    case .positional: value
                    case .flag: names.joined(separator: " , ")
                    case .option: names.joined(separator: " , ") + " " + value
                    }
                return (head, argument.help)
            })
    }

    mutating func references(_ pages: [(name: String, section: Int)]) {
        let sorted = pages.sorted { ($0.section, $0.name) < ($1.section, $1.name) }
        for (number, page) in sorted.enumerated() {
            macro("Xr \(page.name) \(page.section)" + (number < sorted.count - 1 ? " ," : ""))
        }
    }

    static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "\\": escaped += "\\e"
            case "─": escaped += "-"
            case "▶": escaped += ">"
            case "◀": escaped += "<"
            case "│": escaped += "|"
            case "…": escaped += "..."
            default: escaped.append(character)
            }
        }
        return escaped.hasPrefix(".") || escaped.hasPrefix("'") ? "\\&" + escaped : escaped
    }

    private static func sentences(of prose: String) -> [String] {
        var sentences: [String] = []
        var current: [String] = []
        let words = prose.split(separator: " ").map(String.init)
        for (index, word) in words.enumerated() {
            current.append(word)
            let isEnd = word.hasSuffix(".") || word.hasSuffix("?") || word.hasSuffix(".)")
            let next = index + 1 < words.count ? words[index + 1] : ""
            if isEnd, next.first?.isLowercase != true {
                sentences.append(current.joined(separator: " "))
                current = []
            }
        }
        if !current.isEmpty { sentences.append(current.joined(separator: " ")) }
        return sentences
    }
}
