#ifndef CALLOCATIONS_H
#define CALLOCATIONS_H

#include <stdint.h>

// This thread's calls of malloc, calloc, realloc, posix_memalign, aligned_alloc and memalign so far, whoever made them:
// Swift, OpenSSL, libsasl2. The program that links this takes the place of libc's allocator (and calls it).
uint64_t callocations_count(void);
// Octets asked for in them.
uint64_t callocations_octets(void);

#endif
