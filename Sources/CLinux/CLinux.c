#define _GNU_SOURCE
#include "CLinux.h"

#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

void clinux_name_thread(const char *name) {
    char cut[16] = {0};
    strncpy(cut, name, sizeof cut - 1);
    pthread_setname_np(pthread_self(), cut);
}

void clinux_trim_heap(void) { malloc_trim(0); }

void clinux_map_large_blocks(void) { mallopt(M_MMAP_THRESHOLD, 1 << 20); }

bool clinux_forbid_dumps(void) {
    struct rlimit none = {0, 0};
    return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0) == 0;
}

int clinux_spawn_close_from(posix_spawn_file_actions_t *actions, int lowest) {
    return posix_spawn_file_actions_addclosefrom_np(actions, lowest);
}

int clinux_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

void clinux_eventfd_raise(int descriptor) {
    unsigned long long one = 1;
    if (write(descriptor, &one, sizeof one) < 0) return;  // full: it is raised already
}

void clinux_eventfd_clear(int descriptor) {
    unsigned long long count;
    if (read(descriptor, &count, sizeof count) < 0) return;  // clear already
}
