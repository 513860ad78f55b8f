internal import SQL

extension Migrator {
    /// The files this binary carries.
    package static let embedded = Migrator(migrations: [], functions: [])
}
