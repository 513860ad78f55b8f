import ArgumentParser
import Foundation

/// What every command takes.
struct CommonOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Settings file. Default: GATEPOST_CONFIG, else /etc/gatepost/gatepost.yaml where there is one.",
            valueName: "file"))
    var config: String?

    @Flag(help: "JSON instead of text: one value for one thing, a line each for lists.")
    var json = false

    /// The file and the environment, all faults at once.
    func settings() throws(SettingsError) -> Settings {
        try Settings.load(path: config, environment: ProcessInfo.processInfo.environment)
    }
}
