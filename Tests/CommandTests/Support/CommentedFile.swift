@testable import gatepost

/// `Config/gatepost.yaml` as the table of known keys has it.
enum CommentedFile {
    static var text: String {
        var text = """
            # Gatepost's settings: every key, what it does, its unit and its default.
            #
            # A key that stays commented out has its default. The environment goes before this file: the variable of
            # `submission.listen` is GATEPOST_SUBMISSION_LISTEN, a list's items apart by commas. GATEPOST_CONFIG names
            # this file; GATEPOST_DATABASE_PASSWORD is the database's password (better: database.password-file).
            # An unknown key or variable is an error. Relative paths count from this file's folder.

            """
        var section = ""
        for key in KnownKey.all {
            if key.section != section {
                section = key.section
                text += "\n\(section):\n"
            } else {
                text += "\n"
            }
            for line in wrapped(key.summary + (key.standard.map { " Default: \($0)." } ?? "")) {
                text += "  # \(line)\n"
            }
            let value = key.standard ?? key.example ?? ""
            text += "  #\(key.name): \(key.kind.isList ? "[\(value)]" : value)\n"
        }
        return text
    }

    private static func wrapped(_ text: String) -> [String] {
        var lines = [""]
        for word in text.split(separator: " ") {
            if lines[lines.count - 1].count + word.count + 1 > 108 { lines.append("") }
            lines[lines.count - 1] += (lines[lines.count - 1].isEmpty ? "" : " ") + word
        }
        return lines
    }
}
