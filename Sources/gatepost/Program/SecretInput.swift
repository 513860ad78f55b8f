import Glibc

/// A secret that somebody gives to a command: from a file, a pipe or the keyboard, never from the command line, which
/// other users can read.
enum SecretInput {
    /// Longer than any secret that a SCRAM client would take.
    private static let limit = 1024

    /// - Parameter file: a path (mode 0600), `-` for the standard input, nil for the terminal or the standard input.
    static func read(_ file: String?, prompt: String) throws(Failure) -> [UInt8] {
        if let file, file != "-" {
            do {
                return Array(try readSecretFile(file).utf8)
            } catch {
                throw Failure("\(error.path.printable): \(error.reason)", error.isOpen ? .denied : .failed)
            }
        }
        let line = file == nil && isatty(STDIN_FILENO) == 1 ? try withoutEcho(prompt) : line()
        guard let line else { throw Failure("what was given is longer than any secret, \(limit) octets", .usage) }
        guard !line.isEmpty else { throw Failure("no secret was given", .usage) }
        return line
    }

    private static func withoutEcho(_ prompt: String) throws(Failure) -> [UInt8]? {
        var before = termios()
        guard tcgetattr(STDIN_FILENO, &before) == 0 else {
            throw Failure("the terminal cannot be kept from showing the secret", hint: "use --secret-file")
        }
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        silent.c_lflag |= tcflag_t(ECHONL)
        gatepost.write(prompt, to: STDERR_FILENO)
        guard tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0 else {
            throw Failure("the terminal cannot be kept from showing the secret", hint: "use --secret-file")
        }
        defer { tcsetattr(STDIN_FILENO, TCSAFLUSH, &before) }
        return line()
    }

    /// Octet by octet: what follows the line is not ours to take. Nil: it is too long.
    private static func line() -> [UInt8]? {
        var line: [UInt8] = []
        var octet: UInt8 = 0
        while line.count <= limit {
            let count = Glibc.read(STDIN_FILENO, &octet, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1, octet != 0x0A else { break }
            line.append(octet)
        }
        if line.last == 0x0D { line.removeLast() }
        return line.count <= limit ? line : nil
    }
}
