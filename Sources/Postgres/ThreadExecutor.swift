internal import CLinux
internal import Glibc

/// A thread that runs one actor's jobs, so that blocking C calls (libpq) hold up nobody else.
///
/// The thread starts with the executor and ends after the last job once nothing refers to the executor any more.
package final class ThreadExecutor: SerialExecutor, TaskExecutor {
    private let jobs = JobQueue()

    /// - Parameter name: shown by `top -H`; Linux keeps 15 octets of it.
    package init(name: String) {
        startThread(name: name) { [jobs] in
            // The queue, not the executor: the executor's end is what ends the thread.
            while let batch = jobs.next() {
                for (job, executor) in batch {
                    job.runSynchronously(
                        isolatedTo: executor.asUnownedSerialExecutor(), taskExecutor: executor.asUnownedTaskExecutor())
                }
            }
        }
    }

    deinit { jobs.close() }

    package func enqueue(_ job: consuming ExecutorJob) {
        jobs.append((UnownedJob(job), self))
    }

    package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
    package func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }

    package func checkIsolated() {
        precondition(jobs.isOwnThread, "on another thread than the executor's")
    }
}

/// Starts a detached thread; traps when the system has none left, for nothing here can do without.
package func startThread(name: String, _ body: @escaping @Sendable () -> Void) {
    let start = Unmanaged.passRetained(ThreadStart(name: name, body: body))  // released by `runThread`
    var thread = pthread_t()
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    let failure = pthread_create(&thread, &attributes, runThread, start.toOpaque())
    pthread_attr_destroy(&attributes)
    precondition(failure == 0, "no thread for \(name): errno \(failure)")
}

private final class ThreadStart: Sendable {
    let name: String
    let body: @Sendable () -> Void
    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

private let runThread: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { pointer in
    guard let pointer else { return nil }
    let start = Unmanaged<ThreadStart>.fromOpaque(pointer).takeRetainedValue()
    clinux_name_thread(start.name)
    start.body()
    return nil
}

/// The jobs of one executor.
private final class JobQueue: @unchecked Sendable {  // proof: every field is read and written under `mutex`
    typealias Entry = (UnownedJob, ThreadExecutor)

    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var waiting: [Entry] = []
    private var isClosed = false
    private var thread: pthread_t?

    init() {
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        condition = .allocate(capacity: 1)
        condition.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func append(_ entry: Entry) {
        pthread_mutex_lock(mutex)
        waiting.append(entry)
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// All that waits; blocks while nothing does. Nil once closed and empty.
    func next() -> [Entry]? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        thread = pthread_self()
        while waiting.isEmpty {
            if isClosed { return nil }
            pthread_cond_wait(condition, mutex)
        }
        let batch = waiting
        waiting = []
        return batch
    }

    func close() {
        pthread_mutex_lock(mutex)
        isClosed = true
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    var isOwnThread: Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard let thread else { return false }
        return pthread_equal(thread, pthread_self()) != 0
    }
}
