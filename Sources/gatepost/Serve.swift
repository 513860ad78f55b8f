import ArgumentParser

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve one role, or all three in one process.")

    @OptionGroup var common: CommonOptions

    @Option(help: "submission, forwarder or relay; without it all three.")
    var role: String?

    func run() async throws {
        throw Failure("`gatepost serve` is not built yet")
    }
}
