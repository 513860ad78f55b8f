import Foundation
import Glibc

/// What a stream's other end is: how wide, and whether it shows colour.
struct Terminal: Sendable {
    /// Columns; nil where the stream is no terminal, and nothing is shortened.
    var width: Int?
    /// Only ever beside words that say the same.
    var showsColour: Bool

    static let output = Terminal(of: STDOUT_FILENO, environment: ProcessInfo.processInfo.environment)

    init(width: Int?, showsColour: Bool) {
        self.width = width
        self.showsColour = showsColour
    }

    /// Colour wants a terminal, no NO_COLOR (https://no-color.org) and no TERM=dumb; CLICOLOR_FORCE=1 wants it anywhere.
    init(of descriptor: Int32, environment: [String: String]) {
        let isTerminal = isatty(descriptor) == 1
        width = isTerminal ? Self.columns(of: descriptor, environment) : nil
        let isForced = environment["CLICOLOR_FORCE"].map { !$0.isEmpty && $0 != "0" } ?? false
        let isUnwanted = environment["NO_COLOR"].map { !$0.isEmpty } ?? false || environment["TERM"] == "dumb"
        showsColour = (isTerminal || isForced) && !isUnwanted
    }

    private static func columns(of descriptor: Int32, _ environment: [String: String]) -> Int {
        if let columns = environment["COLUMNS"].flatMap({ Int(plainDigits: $0) }), columns > 0 {
            return max(20, columns)
        }
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return max(20, Int(size.ws_col))
    }

    enum Colour: String {
        case green = "32"
        case yellow = "33"
        case red = "31"
        case bold = "1"
    }

    func paint(_ text: String, _ colour: Colour) -> String {
        showsColour && !text.isEmpty ? "\u{1b}[\(colour.rawValue)m\(text)\u{1b}[0m" : text
    }
}
