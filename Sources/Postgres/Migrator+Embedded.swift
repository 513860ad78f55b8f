internal import SQL

extension Migrator {
    /// The files this binary carries.
    package static let embedded = Migrator(
        migrations: SQLFiles.migrations.map { SchemaFile(kind: .migration, name: $0.name, text: $0.text) },
        functions: SQLFiles.functions.map { SchemaFile(kind: .function, name: $0.name, text: $0.text) })
}
