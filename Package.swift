// swift-tools-version: 6.2
import PackageDescription

// `make torture-proof` alone sets it, for a build in a folder of its own.
let plantedFaults: [SwiftSetting] =
    Context.environment["PLANTED_FAULTS"] == nil ? [] : [.define("PLANTED_FAULTS")]

let settings: [SwiftSetting] =
    [
        .treatAllWarnings(as: .error),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    ] + plantedFaults

/// What `make fuzz` builds with: `fuzzer`, or `fuzzer,address`. Then what strangers' octets reach counts the edges it takes,
/// and `gatepost` is a library of what reads its settings: the whole program took half an hour to build. See Fuzzing/.
let fuzzing = Context.environment["GATEPOST_FUZZ"]

/// `make test` sets it: what is tested is then the optimized program, with every precondition of a debug build, open to its
/// tests; the tests themselves are not optimized, which takes long and gains nothing.
let isTested = Context.environment["OPTIMIZED_TESTS"] != nil
let testSettings = isTested ? settings + [.unsafeFlags(["-Onone"])] : settings

/// The modules whose internal declarations the fuzz targets speak of.
let fuzzed = ["SMTP", "MailMessage", "SASL", "Network", "SubmissionClient", "Cryptography", "gatepost"]

/// Of a module: where it is fuzzed it is open to the targets, and keeps every precondition of a debug build.
func moduleSettings(_ name: String) -> [SwiftSetting] {
    let tested = isTested ? settings + [.unsafeFlags(["-enable-testing", "-assert-config", "Debug"])] : settings
    guard let fuzzing, fuzzed.contains(name) else { return tested }
    let coverage = "-sanitize-coverage=edge,inline-8bit-counters,pc-table"
    return settings + [.unsafeFlags(["-enable-testing", "-assert-config", "Debug", "-sanitize=\(fuzzing)", coverage])]
}

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let serviceLifecycle = Target.Dependency.product(
    name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")

/// A module of ours. It may name only modules that stand above it in the list of targets.
func module(_ name: String, _ dependencies: [Target.Dependency], path: String? = nil) -> Target {
    .target(name: name, dependencies: dependencies, path: path, swiftSettings: moduleSettings(name))
}

/// The program.
func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    guard fuzzing != nil else {
        return .executableTarget(name: name, dependencies: dependencies, swiftSettings: moduleSettings(name))
    }
    let settingsReader = [
        "KnownKey", "KnownKey+Submission", "Quantities", "SettingKind", "SettingsFault", "SettingsFile",
        "YAMLShorthand",
    ].map { "Settings/\($0).swift" }
    return .target(
        name: name, dependencies: ["SMTP", "Tenancy", "Yams"],
        sources: settingsReader + ["Program/Nearest.swift", "Program/Printable.swift"],
        swiftSettings: moduleSettings(name))
}

/// The tests of one module; all of them share `TestSupport`.
func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(
        name: name, dependencies: dependencies + ["TestSupport"], exclude: exclude, swiftSettings: testSettings)
}

let package = Package(
    name: "gatepost",
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", exact: "1.4.0", traits: ["YAML"]),
        .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", exact: "0.2.0"),
    ],
    targets: [
        .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CLibSASL", pkgConfig: "libsasl2", providers: [.apt(["libsasl2-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CIDN", pkgConfig: "libidn2", providers: [.apt(["libidn2-dev", "libunistring-dev"])]),
        .target(name: "CLinux"),

        module("Cryptography", ["COpenSSL"]),
        module("SMTP", ["CIDN", nioCore]),
        module("MailMessage", ["SMTP", nioCore]),
        module("TLS", ["COpenSSL", "Cryptography", nioCore]),
        module("Network", [nioCore, nioPosix]),
        module("SASL", ["CLibSASL", "Cryptography"]),
        // libunbound.pc asks for a libevent.pc that libunbound-dev does not bring: the module map links by itself.
        .systemLibrary(name: "CUnbound", providers: [.apt(["libunbound-dev"])]),
        module("DNS", ["CUnbound"]),
        .target(name: "CSQL", path: "SQL/CSQL"),
        .target(
            name: "SQL", dependencies: ["CSQL"], path: "SQL",
            exclude: ["CSQL", "migrations", "functions", "schema.sql", "dump-schema.sh"], swiftSettings: settings),
        module("Postgres", ["CLibPQ", "CLinux", "SQL", "Cryptography", logging]),
        module("Tenancy", ["Postgres", "SMTP", "Cryptography", "SASL", logging]),
        module("Ledger", ["Postgres", "SMTP", "Cryptography", logging, nioCore]),
        module(
            "Submission",
            [
                "SMTP", "MailMessage", "TLS", "Network", "SASL", "Tenancy", "Ledger", "Postgres", "Cryptography",
                nioCore, nioPosix, logging,
                .product(name: "DequeModule", package: "swift-collections"),
            ]),
        module(
            "Delivery",
            [
                "SMTP", "MailMessage", "TLS", "Network", "SASL", "Cryptography", nioCore, nioPosix,
                .product(name: "DequeModule", package: "swift-collections"),
            ]),
        module(
            "Forwarding",
            [
                "SMTP", "MailMessage", "TLS", "Network", "SASL", "Delivery", "Postgres", "Tenancy", "Ledger", nioCore,
                nioPosix, logging,
                .product(name: "DequeModule", package: "swift-collections"),
            ]),
        module("Relay", ["SMTP", "MailMessage", "TLS", "Network", "SASL", "Delivery", nioCore, nioPosix, logging]),
        module(
            "SubmissionClient",
            [
                "Cryptography", "TLS", "Network", nioCore, nioPosix,
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ]),
        program(
            "gatepost",
            [
                "Cryptography", "SMTP", "MailMessage", "TLS", "SASL", "DNS", "SQL", "Postgres", "Tenancy",
                "Ledger", "Submission", "Delivery", "Forwarding", "Relay", "SubmissionClient", "Network", "CLinux",
                nioCore, nioPosix, logging,
                serviceLifecycle, "Yams",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ]),

        .executableTarget(
            name: "simulation",
            dependencies: [
                "SMTP", "MailMessage", "Ledger", "Delivery", "Forwarding", "Tenancy", "Postgres", nioCore, nioEmbedded,
                logging,
            ],
            path: "Tests/Simulation", swiftSettings: moduleSettings("simulation")),

        // `make bench`: a malloc that counts, and what is measured with it.
        .target(name: "CAllocations", path: "Benchmarks/CAllocations"),
        .executableTarget(
            name: "microbench",
            dependencies: [
                "CAllocations", "SMTP", "MailMessage", "TLS", "SASL", "Cryptography", nioCore, nioEmbedded,
            ],
            path: "Benchmarks/Micro", exclude: ["thresholds.json"], swiftSettings: settings),

        .target(
            name: "TestSupport", dependencies: ["CLinux", "Postgres", "SQL", "Cryptography", nioCore],
            path: "Tests/TestSupport",
            swiftSettings: testSettings),
        tests("CryptographyTests", ["Cryptography"]),
        tests("SMTPTests", ["SMTP", nioCore]),
        tests("MailMessageTests", ["MailMessage", "SMTP", nioCore]),
        tests("TLSTests", ["TLS", "Cryptography", nioCore, nioPosix, nioEmbedded]),
        tests("NetworkTests", ["Network", nioCore]),
        tests("SASLTests", ["SASL", "Cryptography"]),
        tests("DNSTests", ["DNS"]),
        tests("PostgresTests", ["Postgres", "SQL"]),
        tests("SQLTests", ["SQL", "Postgres"], exclude: ["Cases"]),
        tests("TenancyTests", ["Tenancy", "Postgres", "Cryptography", "SASL"]),
        tests("LedgerTests", ["Ledger", "Tenancy", "Postgres", nioCore, nioPosix]),
        tests(
            "SubmissionTests",
            [
                "Submission", "SMTP", "MailMessage", "Ledger", "Tenancy", "Postgres", "Network", nioCore, nioPosix,
                nioEmbedded,
            ]),
        tests(
            "DeliveryTests",
            ["Delivery", "SMTP", "MailMessage", "SASL", "TLS", "Cryptography", nioCore, nioPosix], exclude: ["Peers"]),
        tests(
            "ForwardingTests",
            [
                "Forwarding", "Delivery", "Tenancy", "MailMessage", "Network", "SMTP", "Ledger", "Postgres", nioCore,
                nioEmbedded, logging,
            ]),
        tests("RelayTests", ["Relay", "SMTP", "TLS", logging, nioCore, nioPosix]),
        tests(
            "SubmissionClientTests",
            [
                "SubmissionClient", "Cryptography", "TLS", nioCore, nioPosix,
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ]),
        tests(
            "CommandTests",
            [
                "gatepost", "Tenancy", "Postgres", "DNS", "TLS", "SubmissionClient", logging,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], exclude: ["Goldens"]),
        // Whole Gatepost sites, sinks, journals and the judge: for the end-to-end tests and for the torture.
        .target(
            name: "SiteSupport", dependencies: ["TestSupport", "Postgres", nioCore, nioPosix],
            path: "Tests/SiteSupport", swiftSettings: testSettings),
        tests("EndToEnd", ["Postgres", "SiteSupport"], exclude: ["Clients"]),
        .executableTarget(
            name: "torture",
            dependencies: [
                "SiteSupport", "TestSupport", "SQL", "Postgres", "Tenancy", "SubmissionClient", "TLS", nioCore,
                nioPosix,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Tests/Torture", swiftSettings: moduleSettings("torture")),
        tests("TortureTests", ["torture", "SiteSupport"]),
        tests("SimulationTests", ["simulation"]),
    ]
)

let fuzzDependencies = fuzzed.dropLast().map { Target.Dependency(stringLiteral: $0) } + ["FuzzSupport", nioCore]

if let fuzzing {
    let linking: [LinkerSetting] = [.unsafeFlags(["-sanitize=\(fuzzing)", "-use-ld=lld"])]
    package.targets += [
        .target(name: "CFuzzer", path: "Fuzzing/CFuzzer"),
        .target(name: "FuzzSupport", dependencies: ["CFuzzer"], path: "Fuzzing/Support", swiftSettings: settings),
        .executableTarget(
            name: "fuzz", dependencies: fuzzDependencies, path: "Fuzzing/Wire", swiftSettings: settings,
            linkerSettings: linking),
        .executableTarget(
            name: "fuzz-settings", dependencies: ["FuzzSupport", "gatepost"], path: "Fuzzing/Settings",
            swiftSettings: settings, linkerSettings: linking),
    ]
} else {
    package.targets += [
        .target(name: "FuzzSupport", path: "Fuzzing/Support", exclude: ["Driver.swift"], swiftSettings: settings),
        .testTarget(
            name: "FuzzingTests", dependencies: fuzzDependencies + ["gatepost"], path: "Fuzzing",
            exclude: [
                "CFuzzer", "Dictionaries", "Seeds", "Support", "Settings/Main.swift", "Wire/Main.swift", "figures.txt",
                "run",
            ], swiftSettings: testSettings),
    ]
}

/// `.ci/sanitize` names the test targets that it runs: then nothing is built but them and what they need, for a build of
/// everything takes long under a sanitizer.
if let chosen = Context.environment["TEST_TARGETS"] {
    func name(_ dependency: Target.Dependency) -> String? {
        switch dependency {
        case .targetItem(let name, _), .byNameItem(let name, _): name
        default: nil
        }
    }
    var needed = Set(chosen.split(separator: ",").map(String.init))
    for target in package.targets.reversed() where needed.contains(target.name) {
        needed.formUnion(target.dependencies.compactMap(name))
    }
    package.targets.removeAll { !needed.contains($0.name) }
}
