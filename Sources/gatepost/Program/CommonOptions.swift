import ArgumentParser
import Foundation
import Glibc

/// What every command takes.
struct CommonOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Settings file. Default: GATEPOST_CONFIG, else /etc/gatepost/gatepost.yaml where there is one.",
            valueName: "file"))
    var config: String?

    @Flag(help: "JSON instead of text: one value for one thing, a line each for lists.")
    var json = false

    /// The file the settings come from; nil: there is none.
    var file: String? {
        if let path = config ?? ProcessInfo.processInfo.environment["GATEPOST_CONFIG"] { return path }
        return access(Settings.standardPath, F_OK) == 0 ? Settings.standardPath : nil
    }

    /// The file and the environment, all faults at once.
    ///
    /// - Parameter usesDatabase: whether what is to come may ask for the database's password.
    func settings(usesDatabase: Bool = true) throws(SettingsError) -> Settings {
        try Settings.load(
            path: config, environment: ProcessInfo.processInfo.environment, usesDatabase: usesDatabase)
    }
}
