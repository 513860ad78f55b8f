/// The process that a node's parts run in: it may stand still for a while, or be gone for good.
final class Machine {
    let world: World
    private(set) var isDead = false
    private var standsStillUntil: Moment = 0
    /// When something last went wrong that may make this node deliver twice (DESIGN, promise 5).
    private(set) var lastTrouble: Moment = -1
    /// Whether there is still something to do for those who do it now and then.
    var isNeeded: () -> Bool = { true }

    init(_ world: World) { self.world = world }

    func after(_ delay: Moment, _ event: @escaping () -> Void) { world.after(delay) { self.perform(event) } }

    /// At once, unless the process stands still or is gone.
    func perform(_ event: @escaping () -> Void) {
        guard !isDead else { return }
        guard world.now < standsStillUntil else { return event() }
        world.at(standsStillUntil) { self.perform(event) }
    }

    /// SIGSTOP, and SIGCONT after a while.
    func standStill(for duration: Moment) {
        world.tell("node: stands still for \(duration / 1000) ms")
        standsStillUntil = max(standsStillUntil, world.now + duration)
        noteTrouble()
        world.at(standsStillUntil) { self.noteTrouble() }
    }

    func kill() {
        world.tell("node: killed")
        isDead = true
        noteTrouble()
    }

    func noteTrouble() { lastTrouble = world.now }
}
