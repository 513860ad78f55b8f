import Foundation
import SQL
import Testing

/// The list in `CSQL.c` is kept by hand; these compare it with the folders.
@Suite struct FilesTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().appending(path: "SQL")

    private func onDisk(_ folder: String) throws -> [String: String] {
        let urls = try FileManager.default.contentsOfDirectory(
            at: Self.root.appending(path: folder), includingPropertiesForKeys: nil)
        return try Dictionary(
            uniqueKeysWithValues: urls.filter { $0.pathExtension == "sql" }.map {
                ($0.deletingPathExtension().lastPathComponent, try String(contentsOf: $0, encoding: .utf8))
            })
    }

    @Test(arguments: ["migrations", "functions"])
    func `every file of a folder is embedded, whole and in order`(folder: String) throws {
        let files = try onDisk(folder)
        let embedded = folder == "migrations" ? SQLFiles.migrations : SQLFiles.functions
        #expect(embedded.map(\.name) == files.keys.sorted())
        for file in embedded {
            let isSame = file.text == files[file.name]
            #expect(isSame, "\(folder)/\(file.name).sql is not what was built in: build again")
        }
    }
}
