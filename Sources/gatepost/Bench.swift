import ArgumentParser

struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure: SMTP load, or accept() alone.")

    @OptionGroup var common: CommonOptions

    func run() async throws {
        throw Failure("`gatepost bench` is not built yet")
    }
}
