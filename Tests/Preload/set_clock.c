/* set_clock: a wall clock that can be set while the process runs, as an operator or NTP sets a machine's.
 *
 * Preloaded into a node by the row `clocks`, which shares a page with it (the file that SET_CLOCK_CONTROL names): its
 * first word is by how many nanoseconds the clock is ahead. Clocks that nobody can set are left alone, and a wait
 * until a time of the wall clock ends when that much real time has passed. (libfaketime would do as much, but moves the
 * environment, and the Swift runtime then no longer finds the program's arguments.)
 *
 *     cc -shared -fPIC -O2 -o set_clock.so set_clock.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

static _Atomic int64_t *ahead;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("SET_CLOCK_CONTROL");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED) ahead = page;
}

static int64_t offset(void) { return ahead ? atomic_load(ahead) : 0; }

static int64_t nanoseconds(const struct timespec *t) { return t->tv_sec * SECOND + t->tv_nsec; }

static void store(struct timespec *t, int64_t n) {
    t->tv_sec = n / SECOND;
    t->tv_nsec = n % SECOND;
}

int clock_gettime(clockid_t clock, struct timespec *t) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real ? real(clock, t) : (int)syscall(SYS_clock_gettime, clock, t);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        store(t, nanoseconds(t) + offset());
    return result;
}

int gettimeofday(struct timeval *t, void *zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}

/* Nothing tells which clock a condition goes by: the one that its deadline is near to. */
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *deadline) {
    static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!real)
        real = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))dlvsym(
            RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!real)
        real = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))dlsym(
            RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec wall, steady;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_MONOTONIC, &steady);
    int64_t wanted = nanoseconds(deadline);
    if (llabs(wanted - nanoseconds(&wall)) > llabs(wanted - nanoseconds(&steady))) return real(condition, mutex, deadline);
    struct timespec moved;
    store(&moved, wanted - offset());
    return real(condition, mutex, &moved);
}
