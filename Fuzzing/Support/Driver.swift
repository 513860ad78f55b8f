internal import CFuzzer
internal import Glibc

/// One of `targets` under libFuzzer: `GATEPOST_FUZZ_TARGET` names it (a variable, for libFuzzer starts itself anew when it
/// merges), the arguments are libFuzzer's. Without a name it lists the targets, each with its longest input.
package func runFuzzer(_ targets: [FuzzTarget]) -> Never {
    guard let name = getenv("GATEPOST_FUZZ_TARGET").map({ String(cString: $0) }) else {
        for target in targets { print(target.name, target.longest) }
        exit(0)
    }
    guard let target = targets.first(where: { $0.name == name }) else {
        print("error: no fuzz target '\(name)'")
        exit(64)
    }
    chosen = target
    var count = CommandLine.argc
    var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
    exit(LLVMFuzzerRunDriver(&count, &arguments, run))
}

/// Set before libFuzzer's loop, on the one thread there is, and never again.
private nonisolated(unsafe) var chosen: FuzzTarget?

private let run: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt = { data, size in
    let octets = [UInt8](UnsafeBufferPointer(start: data, count: size))
    do throws(Violation) {
        try chosen?.property(octets)
    } catch {
        print("VIOLATION: \(error)")
        fflush(nil)
        abort()
    }
    return 0
}
