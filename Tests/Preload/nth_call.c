/* nth_call: makes one call of a C library fail, once, in the way its manual says it can.
 *
 * Preloaded into a node by the row `nth-call`, which shares a page with it (the file that NTH_CALL_CONTROL names): it
 * writes there which kind of call shall fail and the how-manieth, and reads which one that was. Calls of libpq and
 * OpenSSL count when the program itself makes them, not when one library calls another; allocations when they are
 * as large as a message's body, whoever asks for them.
 *
 *     cc -shared -fPIC -O2 -o nth_call.so nth_call.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum kind { LIBPQ = 1, OPENSSL = 2, MEMORY = 3 };

/* What both sides see; all words are 64 bits, so that Swift reads them without knowing C's layout. */
struct control {
    _Atomic uint64_t kind;     /* 0: nothing fails */
    _Atomic uint64_t nth;      /* 1 is the next call of that kind; 0 only counts */
    _Atomic uint64_t count;    /* calls of that kind since `kind` was written */
    _Atomic uint64_t fired;    /* 1 once one has been made to fail */
    _Atomic uint64_t smallest; /* allocations below this do not count */
    char name[64];             /* the function that failed */
};

static struct control *control;
static uintptr_t text_start, text_end;

static int find_program(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size, (void)context;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_LOAD && (header->p_flags & PF_X)) {
            text_start = info->dlpi_addr + header->p_vaddr;
            text_end = text_start + header->p_memsz;
        }
    }
    return 1; /* the first is the program */
}

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("NTH_CALL_CONTROL");
    if (!path) return;
    dl_iterate_phdr(find_program, NULL);
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED) control = page;
}

static int fails(enum kind kind, const char *name) {
    if (!control || atomic_load(&control->kind) != (uint64_t)kind) return 0;
    uint64_t count = atomic_fetch_add(&control->count, 1) + 1;
    if (count != atomic_load(&control->nth)) return 0;
    strncpy(control->name, name, sizeof control->name - 1);
    atomic_store(&control->fired, 1);
    return 1;
}

#define FROM_PROGRAM \
    ((uintptr_t)__builtin_return_address(0) >= text_start && (uintptr_t)__builtin_return_address(0) < text_end)

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

/* A function of up to eight arguments that the failure leaves uncalled. */
#define FAILING(kind, type, name, failure, parameters, ...) \
    type name parameters { \
        static type (*real) parameters; \
        if (!real) real = (type(*) parameters)dlsym(RTLD_NEXT, #name); \
        if (FROM_PROGRAM && fails(kind, #name)) return failure; \
        return real(__VA_ARGS__); \
    }

/* libpq: https://www.postgresql.org/docs/current/libpq.html. Connections and results are only passed on. */

FAILING(LIBPQ, void *, PQconnectdbParams, NULL, (const char *const *k, const char *const *v, int e), k, v, e)
FAILING(LIBPQ, int, PQstatus, 1 /* CONNECTION_BAD */, (const void *c), c)
FAILING(LIBPQ, int, PQsocket, -1, (const void *c), c)
FAILING(LIBPQ, int, PQsetnonblocking, -1, (void *c, int on), c, on)
FAILING(LIBPQ, int, PQsendQuery, 0, (void *c, const char *q), c, q)
FAILING(
    LIBPQ, int, PQsendQueryParams, 0,
    (void *c, const char *q, int n, const void *t, const void *v, const int *l, const int *f, int r), c, q, n, t, v, l,
    f, r)
FAILING(LIBPQ, int, PQsendPrepare, 0, (void *c, const char *s, const char *q, int n, const void *t), c, s, q, n, t)
FAILING(
    LIBPQ, int, PQsendQueryPrepared, 0,
    (void *c, const char *s, int n, const void *v, const int *l, const int *f, int r), c, s, n, v, l, f, r)
FAILING(LIBPQ, int, PQflush, -1, (void *c), c)
FAILING(LIBPQ, int, PQconsumeInput, 0, (void *c), c)
FAILING(LIBPQ, int, PQtransactionStatus, 4 /* PQTRANS_UNKNOWN */, (const void *c), c)

/* Without memory for the message as well, the reason is NULL. */
void *PQconninfoParse(const char *string, char **reason) {
    REAL(void *, PQconninfoParse, const char *, char **);
    if (FROM_PROGRAM && fails(LIBPQ, "PQconninfoParse")) {
        if (reason) *reason = NULL;
        return NULL;
    }
    return real(string, reason);
}

/* "out of memory for query result": the server's answer is read and forgotten, and the connection stays usable. */
void *PQgetResult(void *connection) {
    REAL(void *, PQgetResult, void *);
    void *result = real(connection);
    if (!FROM_PROGRAM || !fails(LIBPQ, "PQgetResult")) return result;
    void (*clear)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "PQclear");
    void *(*make)(void *, int) = (void *(*)(void *, int))dlsym(RTLD_DEFAULT, "PQmakeEmptyPGresult");
    if (result) clear(result);
    return make(connection, 7 /* PGRES_FATAL_ERROR */);
}

/* OpenSSL 3: each leaves a reason in the error queue, so that SSL_get_error says SSL_ERROR_SSL. */

static int openssl_fails(const char *name) {
    if (!fails(OPENSSL, name)) return 0;
    void (*new)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "ERR_new");
    void (*set)(int, int, const char *, ...) = (void (*)(int, int, const char *, ...))dlsym(RTLD_DEFAULT, "ERR_set_error");
    if (new && set) {
        new();
        set(20 /* ERR_LIB_SSL */, 256 | 65 /* as ERR_R_MALLOC_FAILURE, fatal */, NULL);
    }
    return 1;
}

#define SSL_FAILING(type, name, failure, parameters, ...) \
    type name parameters { \
        static type (*real) parameters; \
        if (!real) real = (type(*) parameters)dlsym(RTLD_NEXT, #name); \
        if (FROM_PROGRAM && openssl_fails(#name)) return failure; \
        return real(__VA_ARGS__); \
    }

SSL_FAILING(void *, SSL_CTX_new, NULL, (const void *m), m)
SSL_FAILING(void *, SSL_new, NULL, (void *c), c)
SSL_FAILING(int, SSL_do_handshake, -1, (void *s), s)
SSL_FAILING(int, SSL_read_ex, 0, (void *s, void *b, size_t n, size_t *r), s, b, n, r)
SSL_FAILING(int, SSL_write_ex, 0, (void *s, const void *b, size_t n, size_t *w), s, b, n, w)
SSL_FAILING(int, SSL_shutdown, -1, (void *s), s)
SSL_FAILING(int, SSL_set_ex_data, 0, (void *s, int i, void *d), s, i, d)
SSL_FAILING(long, SSL_ctrl, 0, (void *s, int c, long l, void *p), s, c, l, p)
SSL_FAILING(
    int, SSL_export_keying_material, 0,
    (void *s, unsigned char *o, size_t n, const char *l, size_t ln, const unsigned char *c, size_t cn, int u), s, o, n,
    l, ln, c, cn, u)
SSL_FAILING(void *, BIO_new, NULL, (const void *m), m)
SSL_FAILING(int, BIO_read, -1, (void *b, void *d, int n), b, d, n)
SSL_FAILING(int, BIO_write, -1, (void *b, const void *d, int n), b, d, n)
SSL_FAILING(
    int, EVP_Digest, 0, (const void *d, size_t n, unsigned char *o, unsigned *l, const void *t, void *e), d, n, o, l, t,
    e)
SSL_FAILING(int, EVP_DigestInit_ex, 0, (void *c, const void *t, void *e), c, t, e)
SSL_FAILING(int, EVP_DigestUpdate, 0, (void *c, const void *d, size_t n), c, d, n)
SSL_FAILING(int, EVP_DigestFinal_ex, 0, (void *c, unsigned char *o, unsigned *l), c, o, l)
SSL_FAILING(void *, EVP_MD_CTX_new, NULL, (void), )
SSL_FAILING(int, EVP_MD_CTX_copy_ex, 0, (void *o, const void *i), o, i)
SSL_FAILING(
    int, EVP_EncryptInit_ex, 0, (void *c, const void *t, void *e, const unsigned char *k, const unsigned char *i), c, t,
    e, k, i)
SSL_FAILING(
    int, EVP_DecryptInit_ex, 0, (void *c, const void *t, void *e, const unsigned char *k, const unsigned char *i), c, t,
    e, k, i)
SSL_FAILING(int, EVP_MAC_CTX_set_params, 0, (void *c, const void *p), c, p)
SSL_FAILING(
    void *, HMAC, NULL,
    (const void *t, const void *k, int kn, const unsigned char *d, size_t n, unsigned char *o, unsigned *l), t, k, kn, d,
    n, o, l)
SSL_FAILING(
    int, PKCS5_PBKDF2_HMAC, 0,
    (const char *p, int pn, const unsigned char *s, int sn, int i, const void *t, int n, unsigned char *o), p, pn, s, sn,
    i, t, n, o)
SSL_FAILING(int, RAND_bytes, 0, (unsigned char *b, int n), b, n)
SSL_FAILING(int, X509_digest, 0, (const void *x, const void *t, unsigned char *o, unsigned *l), x, t, o, l)
SSL_FAILING(int, X509_verify_cert, -1, (void *c), c)
SSL_FAILING(void *, SSL_get0_peer_certificate, NULL, (const void *s), s)
SSL_FAILING(void *, SSL_set_SSL_CTX, NULL, (void *s, void *c), s, c)

/* Allocations as large as a body. dlsym may itself allocate, hence glibc's own names for the real ones. */

extern void *__libc_malloc(size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static int starves(size_t size, const char *name) {
    if (!control || size < atomic_load(&control->smallest)) return 0;
    if (!fails(MEMORY, name)) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) { return starves(size, "malloc") ? NULL : __libc_malloc(size); }

void *realloc(void *old, size_t size) { return starves(size, "realloc") ? NULL : __libc_realloc(old, size); }

void *aligned_alloc(size_t alignment, size_t size) {
    return starves(size, "aligned_alloc") ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    if (starves(size, "posix_memalign")) return ENOMEM;
    void *made = __libc_memalign(alignment, size);
    if (!made) return ENOMEM;
    *result = made;
    return 0;
}
