#ifndef GATEPOST_CLINUX_H
#define GATEPOST_CLINUX_H

#include <spawn.h>
#include <stdbool.h>

/// Names the calling thread; longer names are cut to the 15 octets Linux keeps.
void clinux_name_thread(const char *name);

/// Returns free heap pages to the kernel: glibc keeps what ended sessions leave behind otherwise.
void clinux_trim_heap(void);

/// Lets every block from 1 MiB on be a mapping of its own, given back when it is freed. glibc would raise that bound to
/// the largest block it has seen freed, and keep what large mails leave behind in the heaps of every thread.
void clinux_map_large_blocks(void);

/// Forbids core files and debuggers, so that secrets in memory are not written out or read.
bool clinux_forbid_dumps(void);

/// Closes every descriptor from `lowest` on in the process that is spawned. 0, or why not.
int clinux_spawn_close_from(posix_spawn_file_actions_t *actions, int lowest);

/// A counter to poll for, made non-blocking and closed on exec; -1 without one.
int clinux_eventfd(void);
void clinux_eventfd_raise(int descriptor);
void clinux_eventfd_clear(int descriptor);

#endif
