import Testing

@testable import gatepost

/// The file's faults: every one of them, with line and column.
@Suite(.timeLimit(.minutes(10))) struct `The settings file` {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var text: String
        var faults: [String]
        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case(name: "empty", text: "", faults: []),
        Case(name: "only comments", text: "# nothing\n\n", faults: []),
        Case(name: "a section whose keys are all commented out", text: "log:\n  #level: info\n", faults: []),
        Case(name: "sound", text: "log:\n  level: debug\nshutdown: {grace: 5s}\n", faults: []),
        Case(
            name: "unknown keys, all of them, the nearest named",
            text: "log:\n  levle: info\n  colour: red\nsubmision:\n  listen: [a:1]\n",
            faults: [
                "f.yaml:2:3: unknown key 'log.levle'; did you mean 'log.level'?",
                "f.yaml:3:3: unknown key 'log.colour'",
                "f.yaml:4:1: unknown section 'submision'; did you mean 'submission'?",
            ]),
        Case(
            name: "bad values at their own places",
            text: "log: {level: loud}\nsubmission:\n  threads: 0\n  listen: [127.0.0.1:25, nowhere]\n"
                + "shutdown:\n  grace: 5 minutes\n",
            faults: [
                "f.yaml:1:14: bad value 'loud' for 'log.level': expected trace, debug, info, notice, warning, error or "
                    + "critical",
                "f.yaml:3:12: bad value '0' for 'submission.threads': expected a number from 1 to 256 or `auto`",
                "f.yaml:4:26: bad value 'nowhere' for 'submission.listen': expected host:port, like 0.0.0.0:587 or "
                    + "[::1]:587",
                "f.yaml:6:10: bad value '5 minutes' for 'shutdown.grace': expected a duration like 30s, 5m or 5d "
                    + "(ms, s, m, h, d)",
            ]),
        Case(
            name: "sizes out of range", text: "submission:\n  max-message-size: 61MiB\n",
            faults: [
                "f.yaml:2:21: bad value '61MiB' for 'submission.max-message-size': expected a size from 1KiB to 60MiB, "
                    + "like 10MiB"
            ]),
        Case(
            name: "a key without a value", text: "log:\n  level:\n",
            faults: ["f.yaml:2:9: 'log.level' has no value; give one or remove the line for the default"]),
        Case(
            name: "a list where one value belongs", text: "log:\n  level: [info]\n",
            faults: ["f.yaml:2:10: bad value for 'log.level': expected one value, not a list"]),
        Case(
            name: "an empty list", text: "relay:\n  listen: []\n",
            faults: ["f.yaml:2:11: bad value '' for 'relay.listen': expected at least one item"]),
        Case(
            name: "a mapping where a value belongs", text: "log:\n  level: {a: b}\n",
            faults: ["f.yaml:2:10: bad value for 'log.level': expected a text"]),
        Case(
            name: "a section that is a text", text: "log: loud\n",
            faults: ["f.yaml:1:6: expected keys below 'log:', like 'format: …'"]),
        Case(
            name: "a file that is a list", text: "- log\n",
            faults: ["f.yaml:1:1: expected sections like 'submission:' with keys below them"]),
        Case(
            name: "the same key twice", text: "log:\n  level: info\n  level: debug\n",
            faults: ["f.yaml:2:3: key 'level' is given more than once"]),
        Case(
            name: "a tab", text: "log:\n\tlevel: info\n",
            faults: ["f.yaml:2:1: a tab indents this line; indent with blanks"]),
        Case(
            name: "a byte order mark", text: "\u{feff}log: {level: info}\n",
            faults: ["f.yaml:1:1: the file begins with a byte order mark; save it as UTF-8 without one"]),
        Case(
            name: "an unfinished list", text: "submission:\n  listen: [a:1\n",
            faults: ["f.yaml:3:1: did not find expected ',' or ']'"]),
        Case(
            name: "an alias", text: "log: &a\n  level: info\nrelay: *a\n",
            faults: ["f.yaml:1:6: anchors and aliases are not taken; write the value out (found '&')"]),
        Case(
            name: "an alias in a flow", text: "submission: {listen: [a:1, *b]}\n",
            faults: ["f.yaml:1:28: anchors and aliases are not taken; write the value out (found '*')"]),
        Case(
            name: "a tag", text: "log:\n  level: !!str info\n",
            faults: ["f.yaml:2:10: tags are not taken; write the value out (found '!')"]),
        Case(
            name: "stars and ampersands inside texts are texts",
            text: "node:\n  name: a *b &c !d # *e &f\nlog: {level: info} # &x\n", faults: []),
        Case(
            name: "quotes", text: "node:\n  name: \"&a \\\" *b\" # '\nlog:\n  level: 'info'\n", faults: []),
        Case(
            name: "a second document", text: "log: {level: info}\n---\nlog: {level: info}\n",
            faults: ["f.yaml:2:1: but found another document"]),
        Case(
            name: "escape sequences in a key", text: "\"\\e[2J\": 1\n",
            faults: [#"f.yaml:1:1: unknown section '\x1b[2J'"#]),
    ]

    @Test(arguments: cases)
    func `names every fault with line and column`(fixture: Case) {
        #expect(SettingsFile(text: fixture.text, path: "f.yaml").faults.map(\.description) == fixture.faults)
    }

    @Test func `unfolds no billion laughs`() {
        var text = "a: &a [x]\n"
        for (name, previous) in zip("bcdefghijklmno", "abcdefghijklmn") {
            text += "\(name): &\(name) [*\(previous), *\(previous), *\(previous), *\(previous), *\(previous)]\n"
        }
        #expect(SettingsFile(text: text, path: "f.yaml").faults.count == 1)
    }

    @Test func `never repeats a connection string, which may hold a password`() {
        let file = SettingsFile(text: "database:\n  url: hunter2\n", path: "f.yaml")
        #expect(file.faults.count == 1)
        #expect(!"\(file.faults)".contains("hunter2"))
    }
}
