import Postgres
import Synchronization
import Testing

@Suite struct ThreadExecutorTests {
    private actor Owner {
        let thread = ThreadExecutor(name: "test")
        nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }
        var count = 0
        func work() -> Int {
            thread.checkIsolated()
            count += 1
            return count
        }
    }

    @Test func `jobs from everywhere run one after the other on the thread`() async {
        let owner = Owner()
        await withTaskGroup { group in
            for _ in 0..<500 { group.addTask { _ = await owner.work() } }
        }
        #expect(await owner.count == 500)
    }

    @Test func `executors come and go without a crash`() async {
        for _ in 0..<200 {
            let owner = Owner()
            #expect(await owner.work() == 1)
        }
    }
}
