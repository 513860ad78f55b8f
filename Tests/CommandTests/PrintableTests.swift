import Foundation
import Logging
import Testing

@testable import gatepost

@Suite struct `What users sent` {
    @Test(arguments: [
        ("plain", "plain"), ("héllo wörld 例え 🙂", "héllo wörld 例え 🙂"), ("\u{1b}[2J", #"\x1b[2J"#),
        ("a\r\nb\t\0", #"a\x0d\x0ab\x09\x00"#),
        ("\u{202e}txt", #"\u{202e}txt"#), ("\u{7f}\u{9b}", #"\x7f\u{9b}"#),
        ("a\u{200b}b\u{feff}", #"a\u{200b}b\u{feff}"#),
        ("\u{2028}\u{e0001}\u{e000}", #"\u{2028}\u{e0001}\u{e000}"#), ("\u{a0}", #"\u{a0}"#),
    ])
    func `is shown with everything visible`(text: String, shown: String) {
        #expect(text.printable == shown)
    }

    @Test func `comes back whole from JSON, which is one line of visible characters`() throws {
        let nasty = "\u{1b}[2J\r\n\"\\\u{202e}\u{e0001}é\0"
        let line = JSON.object(["a": .string(nasty)]).text
        #expect(line.unicodeScalars.allSatisfy { $0.isPrintable })
        let decoded = try JSONDecoder().decode([String: String].self, from: Data(line.utf8))
        #expect(decoded["a"]?.unicodeScalars.elementsEqual(nasty.unicodeScalars) == true)
    }

    @Test(arguments: [true, false])
    func `makes one line of log, whatever it holds`(isJSON: Bool) throws {
        let metadata: Logger.Metadata = [
            "helo": "a\r\nb\u{1b}[2J", "list": ["x\n", "y"], "count": .stringConvertible(3), "time": "fake",
        ]
        let time = UTCTime(microseconds: 1_785_924_930_123_456)
        let line =
            isJSON
            ? LogLine.json(at: time, .info, "submission", "said\n\"", metadata)
            : LogLine.text(at: time, .info, "submission", "said\n\"", metadata)
        #expect(line.hasSuffix("\n"))
        #expect(line.dropLast().unicodeScalars.allSatisfy { $0.isPrintable })
        #expect(line.contains("2026-08-05T10:15:30.123Z"))
        if isJSON {
            let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            #expect(object["helo"] as? String == "a\r\nb\u{1b}[2J")
            #expect(object["count"] as? Int == 3)
            #expect(object["time"] as? String == "2026-08-05T10:15:30.123Z")
            #expect(object["time_"] as? String == "fake")
        }
    }

    @Test func `keeps the columns of a table in line`() {
        var table = Table([.left("NAME"), .right("USED"), .left("NOTE")])
        table.add(["例え", "5", "wide"])
        table.add(["a", "1000", "e\u{301}\u{1b}"])
        #expect(table.text == "NAME  USED  NOTE\n例え     5  wide\na     1000  e\u{301}\\x1b\n")
    }
}
