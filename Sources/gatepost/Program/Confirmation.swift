import ArgumentParser
import Glibc

/// What stands between an operator and a change that bites.
struct Confirmation: ParsableArguments {
    @Flag(help: "Do it without asking; needed where there is no terminal.")
    var yes = false

    /// Asks on a terminal; elsewhere only `--yes` lets it pass.
    ///
    /// - Parameter question: what will happen, safe to print, without the question mark.
    func ask(_ question: String) throws(Failure) {
        if yes { return }
        guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else {
            throw Failure(
                "this needs a confirmation, and there is no terminal to ask on", hint: "add --yes to do it", .usage)
        }
        write("\(question)? [y/N] ", to: STDERR_FILENO)
        let answer = readLine()?.lowercased() ?? ""
        guard answer == "y" || answer == "yes" else { throw Failure("nothing was changed") }
    }
}
