/// Waits for a condition, looking every few milliseconds. False when the deadline came first.
///
/// `#expect(await eventually { … })`: waiting for what must become so, never for time to pass.
package func eventually(
    within limit: Duration = .seconds(15), every pause: Duration = .milliseconds(5),
    _ condition: () async throws -> Bool
) async rethrows -> Bool {
    let deadline = ContinuousClock.now + limit
    // Where hundreds of tests share two threads, time passes in which nobody has done anything: those who are waited for get
    // their turns, too.
    var turns = 50
    while true {
        if try await condition() { return true }
        turns -= 1
        if ContinuousClock.now >= deadline, turns <= 0 { return false }
        try? await Task.sleep(for: pause)
    }
}
