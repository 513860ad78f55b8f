import Foundation

/// The built `gatepost` run once: its exit status and all it wrote.
struct Run: Equatable {
    var status: Int32
    var output: String
    var errors: String

    /// Beside the tests' own executable.
    static let executable = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        .appending(path: "gatepost")

    /// - Parameters:
    ///   - environment: all of it but PATH, HOME and LANG.
    ///   - input: what the standard input holds; it is never a terminal.
    init(
        _ arguments: [String], environment: [String: String] = [:], input: String = "", folder: URL? = nil
    ) throws {
        let scratch = FileManager.default.temporaryDirectory.appending(path: "gatepost-run-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: scratch) }
        let files = ["in", "out", "err"].map { scratch.appending(path: $0) }
        try input.write(to: files[0], atomically: false, encoding: .utf8)
        for file in files.dropFirst() { _ = FileManager.default.createFile(atPath: file.path, contents: nil) }

        let process = Process()
        process.executableURL = Self.executable
        process.arguments = arguments
        process.currentDirectoryURL = folder ?? scratch
        process.environment = ["PATH": "/usr/bin:/bin", "HOME": "/", "LANG": "C.UTF-8"].merging(environment) { $1 }
        process.standardInput = try FileHandle(forReadingFrom: files[0])
        process.standardOutput = try FileHandle(forWritingTo: files[1])
        process.standardError = try FileHandle(forWritingTo: files[2])
        try process.run()
        process.waitUntilExit()
        status = process.terminationStatus
        output = String(decoding: try Data(contentsOf: files[1]), as: UTF8.self)
        errors = String(decoding: try Data(contentsOf: files[2]), as: UTF8.self)
    }
}
