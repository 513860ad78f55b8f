import SiteSupport

extension Row {
    /// Promises 1, 2 and 5 through the death of any process.
    static let kills = Row(
        name: "kills", summary: "SIGKILL of a random process of two submission nodes, two forwarders, two relays",
        unit: "kills", short: 6, full: 1000, leg: 100
    ) { leg in
        let scene = try await Scene(leg)
        try await scene.start(submissions: 2, forwarders: 2, relays: 2)
        // 200,000 in the full form.
        return try await scene.judged(messages: leg.rounds * (leg.isShort ? 40 : 200)) {
            var random = leg.random
            for _ in 0..<leg.rounds {
                try await Task.sleep(for: .milliseconds(Int64.random(in: 0...700, using: &random)))
                guard let node = scene.nodes.randomElement(using: &random) else { return }
                scene.disturb("SIGKILL of \(node.name)", mayDuplicate: node.role != .submission)
                node.kill()
                scene.count("kills of a \(node.role.rawValue)")
                let begun = ContinuousClock.now
                try node.start()
                _ = try await node.untilInService()
                scene.back("\(node.role.rawValue) back", after: begun.duration(to: .now), within: .seconds(2))
            }
        }
    }
}
