// Preloaded into a server: how much processor time its event loops use between two waits. A turn is all that a loop
// does from one return of epoll_wait to the next call: as long as it takes, the loop's other sessions wait.
// At the end of the process it writes the longest turn and how many were how long into the file LOOP_TURNS, as JSON.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { buckets = 24 };  // by powers of two, in µs

static _Atomic unsigned long turns[buckets];
static _Atomic long longest;
static __thread long begun = -1;

static long thread_time(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

int epoll_wait(int descriptor, struct epoll_event *events, int most, int timeout) {
    static int (*next)(int, struct epoll_event *, int, int);
    if (next == NULL) next = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
    if (begun >= 0) {
        long turn = thread_time() - begun, known = atomic_load(&longest);
        while (turn > known && !atomic_compare_exchange_weak(&longest, &known, turn)) {}
        int bucket = 0;
        for (long left = turn / 1000; left > 0 && bucket < buckets - 1; left /= 2) bucket += 1;
        atomic_fetch_add(&turns[bucket], 1);
    }
    int ready = next(descriptor, events, most, timeout);
    begun = thread_time();
    return ready;
}

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("LOOP_TURNS");
    FILE *file = path == NULL ? NULL : fopen(path, "w");
    if (file == NULL) return;
    fprintf(file, "{\"longest_us\": %ld, \"turns_below_us\": {", atomic_load(&longest) / 1000);
    const char *comma = "";
    for (int bucket = 0; bucket < buckets; bucket += 1) {
        if (atomic_load(&turns[bucket]) == 0) continue;
        fprintf(file, "%s\"%lu\": %lu", comma, 1UL << bucket, atomic_load(&turns[bucket]));
        comma = ", ";
    }
    fprintf(file, "}}\n");
    fclose(file);
}

// As `serve` ends: no destructor runs then.
__attribute__((noreturn)) void _exit(int status) {
    report();
    ((void (*)(int))dlsym(RTLD_NEXT, "_exit"))(status);
    abort();
}
