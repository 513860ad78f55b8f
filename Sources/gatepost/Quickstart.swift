import ArgumentParser

struct Quickstart: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quickstart", abstract: "Set everything up under .gatepost/ and send a message.")

    @OptionGroup var common: CommonOptions

    func run() async throws {
        throw Failure("`gatepost quickstart` is not built yet")
    }
}
