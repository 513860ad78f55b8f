/// Waits for a condition, looking every few milliseconds. False when the deadline came first.
///
/// `#expect(await eventually { … })`: waiting for what must become so, never for time to pass.
package func eventually(
    within limit: Duration = .seconds(15), every pause: Duration = .milliseconds(5),
    _ condition: () async throws -> Bool
) async rethrows -> Bool {
    let deadline = ContinuousClock.now + limit
    while true {
        if try await condition() { return true }
        if ContinuousClock.now >= deadline { return false }
        try? await Task.sleep(for: pause)
    }
}
