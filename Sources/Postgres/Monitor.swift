internal import Glibc

/// State shared with threads that wait for it to change: a mutex and a condition for each of them.
package final class Monitor<State>: @unchecked Sendable {  // proof: `state` is touched only between lock and unlock
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let conditions: UnsafeMutablePointer<pthread_cond_t>
    private let count: Int
    private var state: State

    package init(_ state: State, conditions count: Int) {
        self.state = state
        self.count = count
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
        conditions = .allocate(capacity: count)
        conditions.initialize(repeating: pthread_cond_t(), count: count)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        for index in 0..<count { pthread_cond_init(conditions + index, &attributes) }
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        for index in 0..<count { pthread_cond_destroy(conditions + index) }
        pthread_mutex_destroy(mutex)
        conditions.deallocate()
        mutex.deallocate()
    }

    package func withLock<R>(_ body: (inout State) -> R) -> R {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body(&state)
    }

    /// Wakes who waits on a condition. To be called inside `withLock` or after it.
    package func signal(_ condition: Int) { pthread_cond_signal(conditions + condition) }

    package func signalAll() { for index in 0..<count { signal(index) } }

    /// Asks `ready` now and after each signal, until it returns something; nil when `limit` has passed before.
    package func wait<R>(on condition: Int, atMost limit: Duration? = nil, _ ready: (inout State) -> R?) -> R? {
        var end = timespec()
        if let limit {
            clock_gettime(CLOCK_MONOTONIC, &end)
            let nanoseconds = end.tv_nsec + Int(limit / .nanoseconds(1))
            end.tv_sec += nanoseconds / 1_000_000_000
            end.tv_nsec = nanoseconds % 1_000_000_000
        }
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let result = ready(&state) { return result }
            if limit == nil {
                pthread_cond_wait(conditions + condition, mutex)
            } else if pthread_cond_timedwait(conditions + condition, mutex, &end) == ETIMEDOUT {
                return ready(&state)
            }
        }
    }
}
