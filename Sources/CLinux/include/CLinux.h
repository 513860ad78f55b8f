#ifndef GATEPOST_CLINUX_H
#define GATEPOST_CLINUX_H

#include <stdbool.h>

/// Names the calling thread; longer names are cut to the 15 octets Linux keeps.
void clinux_name_thread(const char *name);

/// Returns free heap pages to the kernel: glibc keeps what ended sessions leave behind otherwise.
void clinux_trim_heap(void);

/// Forbids core files and debuggers, so that secrets in memory are not written out or read.
bool clinux_forbid_dumps(void);

/// A counter to poll for, made non-blocking and closed on exec; -1 without one.
int clinux_eventfd(void);
void clinux_eventfd_raise(int descriptor);
void clinux_eventfd_clear(int descriptor);

#endif
