import Forwarding
import Testing

@Suite struct WeightedRotationTests {
    @Test func `members are chosen in proportion to their weights and evenly spread`() {
        var rotation = WeightedRotation()
        let members: [(id: Int64, weight: Int)] = [(1, 5), (2, 1), (3, 1)]
        let chosen = (0..<7).map { _ in rotation.next(among: members) }
        #expect(chosen == [1, 1, 2, 1, 3, 1, 1])
    }

    @Test func `nobody available is nobody chosen`() {
        var rotation = WeightedRotation()
        #expect(rotation.next(among: []) == nil)
    }

    @Test func `a member that was away does not take every message when it is back`() {
        var rotation = WeightedRotation()
        for _ in 0..<1000 { #expect(rotation.next(among: [(1, 1)]) == 1) }
        let chosen = (0..<100).map { _ in rotation.next(among: [(1, 1), (2, 1)]) }
        #expect(chosen.count { $0 == 2 } == 50)
    }
}
