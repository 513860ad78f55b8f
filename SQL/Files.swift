// The schema and its functions, carried by the binary. Reads nothing from disk at run time.

internal import CSQL

/// The SQL files that make up a database of ours, in the order in which they are applied.
package enum SQLFiles {
    package typealias File = (name: String, text: String)

    /// `migrations/NNNN_name.sql`, without folder and suffix: forward only, each applied once.
    package static let migrations: [File] = files(sql_migrations_list())

    /// `functions/name.sql`, without folder and suffix: applied again whenever the text changes.
    package static let functions: [File] = files(sql_functions_list())

    /// Walks a list of ours, whose end is a null name.
    private static func files(_ list: UnsafePointer<sql_file>) -> [File] {
        var files: [File] = []
        var next = list
        while let name = next.pointee.name, let text = next.pointee.text {
            files.append((String(cString: name), String(cString: text)))
            next += 1
        }
        return files
    }
}
