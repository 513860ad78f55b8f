package import Postgres
import Synchronization

/// A database of a test's own with the whole schema, in the process's shared cluster.
///
/// The schema is migrated once per cluster into a template; a copy of it takes some 50 ms.
package struct PrivateDatabase: Sendable {
    package let cluster: PrivateCluster
    package let name: String

    /// A database that is there.
    package init(cluster: PrivateCluster, name: String) {
        self.cluster = cluster
        self.name = name
    }

    /// In the cluster that all tests of this process share. It runs without fsync: kill one of your own instead.
    package static func create() async throws -> PrivateDatabase {
        try await SharedCluster.instance.templates().createDatabase()
    }

    /// Without a schema.
    package static func createEmpty() async throws -> PrivateDatabase {
        try await SharedCluster.instance.templates().createEmptyDatabase()
    }

    package func url(as role: Role = .superuser) -> String { cluster.url(user: role.rawValue, database: name) }

    /// Over TCP, through `port` if a proxy stands between.
    package func tcpURL(as role: Role = .superuser, port: Int? = nil) -> String {
        cluster.tcpURL(user: role.rawValue, database: name, port: port)
    }

    package func configuration(as role: Role = .superuser) -> DatabaseConfiguration {
        DatabaseConfiguration(url: url(as: role), isAdministrative: role == .admin)
    }

    /// A connection of the test's own, beside what is tested.
    package func connection(as role: Role = .superuser) -> DatabaseConnection {
        DatabaseConnection(configuration(as: role))
    }

    package enum Role: String, Sendable {
        case superuser = "postgres"
        case owner = "gatepost_owner"
        case admin = "gatepost_admin"
        case node = "gatepost_node"
        case viewer = "gatepost_viewer"
    }
}

/// Makes migrated databases in one cluster; clusters of a test's own have one of these too.
package actor DatabaseTemplates {
    private let cluster: PrivateCluster
    private let postgres: DatabaseConnection
    private var template: Task<Void, any Error>?
    private var made = 0

    package init(_ cluster: PrivateCluster) {
        self.cluster = cluster
        postgres = DatabaseConnection(
            DatabaseConfiguration(url: cluster.url(user: "postgres", database: "postgres")), name: "templates")
    }

    package func createDatabase() async throws -> PrivateDatabase {
        let template = self.template ?? Task { try await self.makeTemplate() }
        self.template = template
        try await template.value
        made += 1
        let name = "test_\(made)"
        try await postgres.query("CREATE DATABASE \(name) TEMPLATE gatepost_template STRATEGY file_copy")
        return PrivateDatabase(cluster: cluster, name: name)
    }

    /// An empty database, for tests of the migrator itself.
    package func createEmptyDatabase() async throws -> PrivateDatabase {
        made += 1
        let name = "empty_\(made)"
        try await postgres.query("CREATE DATABASE \(name)")
        return PrivateDatabase(cluster: cluster, name: name)
    }

    private func makeTemplate() async throws {
        try await postgres.query("CREATE DATABASE gatepost_template")
        let database = PrivateDatabase(cluster: cluster, name: "gatepost_template")
        let connection = database.connection()
        try await Migrator.embedded.migrate(connection)
        await connection.close()
    }
}

/// The one cluster that a test process shares.
package actor SharedCluster {
    package static let instance = SharedCluster()
    private var made: Task<DatabaseTemplates, any Error>?

    package func templates() async throws -> DatabaseTemplates {
        let made = self.made ?? Task { DatabaseTemplates(try await PrivateCluster.create(durable: false)) }
        self.made = made
        return try await made.value
    }
}
