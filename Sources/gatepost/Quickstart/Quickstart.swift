import ArgumentParser
@preconcurrency import Dispatch
import Foundation
import Synchronization

/// `gatepost quickstart`: everything real, on this machine, in one folder; ends with a message that has arrived.
struct Quickstart: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quickstart", abstract: "Set everything up under .gatepost/ and send a message.",
        discussion: """
            A PostgreSQL of its own, certificates, a tenant `demo`, a server on 127.0.0.1:2587 and a relay that files \
            what it takes. Nothing outside the folder is touched. Run again, it goes on with what is there.

            Examples:
              gatepost quickstart            stays up until Ctrl-C
              gatepost quickstart --once     ends when the message has arrived
              gatepost quickstart --stop     stops its server and its PostgreSQL
            """)

    @OptionGroup var common: CommonOptions
    @Flag(help: "End when the message has arrived; PostgreSQL stays up.") var once = false
    @Flag(help: "Stop what an earlier run left up.") var stop = false
    @Flag(help: "With --stop: remove the folder and all that belongs to it.") var remove = false
    @Option(help: ArgumentHelp("Where to put everything.", valueName: "folder")) var directory = ".gatepost"

    func validate() throws {
        if common.config != nil {
            throw ValidationError("'quickstart' makes settings of its own: '--config' has no use here")
        }
        if remove, !stop { throw ValidationError("'--remove' goes with '--stop'") }
    }

    func run() async throws {
        // An address in use, a folder of somebody else's: found before anything is made.
        let folder = try QuickstartFolder(directory)
        if stop { return try folder.stop(removing: remove, Output(isJSON: common.json)) }

        let steps = Steps(isJSON: common.json)
        let ending = EndSignal()
        do {
            try folder.lock()
            let tour = QuickstartTour(folder: folder, steps: steps)
            try await ending.race { try await tour.run() }
            tour.closing(once: once)
            if !once {
                try await ending.wait(for: tour.server)
                steps.say("stopping …")
            }
            tour.server.stop()
        } catch {
            folder.undo()
            throw Self.failure(error, wasNew: folder.wasNew)
        }
    }

    private static func failure(_ error: any Error, wasNew: Bool) -> any Error {
        guard let interrupted = error as? EndSignal.Interrupted else { return error }
        return Failure("\(interrupted)", hint: wasNew ? "nothing is left behind" : nil)
    }
}

/// Waits for Ctrl-C, SIGTERM or SIGHUP, so that each of them ends a quickstart in good order.
final class EndSignal: Sendable {
    struct Interrupted: Error, CustomStringConvertible { let description = "interrupted" }

    private let isReceived: Flag
    private let sources: [any DispatchSourceSignal]

    private final class Flag: Sendable {
        let value = Atomic(false)
    }

    init() {
        let isReceived = Flag()
        self.isReceived = isReceived
        // A reader who goes away (`| head`) is no reason to leave what was started behind.
        signal(SIGPIPE, SIG_IGN)
        sources = [SIGINT, SIGTERM, SIGHUP].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { isReceived.value.store(true, ordering: .relaxed) }
            source.resume()
            return source
        }
    }

    /// Runs `body`; a signal ends it with `Interrupted`.
    func race(_ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await self.received()
                throw Interrupted()
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// Returns at a signal; throws when the server ends by itself.
    func wait(for server: QuickstartServer) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.received() }
            group.addTask { try await server.ended() }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func received() async throws {
        while !isReceived.value.load(ordering: .relaxed) { try await Task.sleep(for: .milliseconds(50)) }
    }
}

/// Each step on a line of its own, with what it took.
final class Steps: Sendable {
    private let isJSON: Bool
    private let begun = ContinuousClock.now

    init(isJSON: Bool) { self.isJSON = isJSON }

    /// `body` says what came of it.
    func step<R>(_ name: String, _ body: () async throws -> (R, String)) async throws -> R {
        try Task.checkCancellation()
        let start = ContinuousClock.now
        let (result, outcome) = try await body()
        line(name, outcome, after: ContinuousClock.now - start)
        return result
    }

    func step(_ name: String, _ body: () async throws -> String) async throws {
        try await step(name) { ((), try await body()) }
    }

    private func line(_ name: String, _ outcome: String, after duration: Duration) {
        let padded = name + String(repeating: " ", count: max(1, 14 - name.count))
        say("  \(padded)\(outcome)  (\(Self.text(duration)))")
    }

    /// On the standard error with --json, for the standard output has the one value then.
    func say(_ text: String) {
        write(text + "\n", to: isJSON ? STDERR_FILENO : STDOUT_FILENO)
    }

    var elapsed: String { Self.text(ContinuousClock.now - begun) }
    var showsJSON: Bool { isJSON }

    static func text(_ duration: Duration) -> String {
        duration < .seconds(1)
            ? "\(duration.components.attoseconds / 1_000_000_000_000_000) ms"
            : String(
                format: "%.1f s", Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18)
    }
}
