/* mem.c - the only allocator of the library, and the gates that let a test make any call fail
 *
 * Blocks are aligned to 64 bytes, a cache line and the widest vector. Every allocation passes
 * tmb__gate, as every file and thread call does: a test's hook counts them and refuses the n-th. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

static struct {
    _Atomic tmb__gate_hook hook;
    void *_Atomic user;
} gate;

static _Atomic uint64_t alloc_count;

void tmb__gate_set(tmb__gate_hook hook, void *user)
{
    atomic_store(&gate.user, user);
    atomic_store(&gate.hook, hook);
}

bool tmb__gate(tmb__gate_kind kind)
{
    const tmb__gate_hook hook = atomic_load_explicit(&gate.hook, memory_order_acquire);

    return !hook || hook(atomic_load(&gate.user), kind);
}

uint64_t tmb__alloc_count(void)
{
    return atomic_load(&alloc_count);
}

bool tmb__mul(size_t a, size_t b, size_t *out)
{
    if (b && a > SIZE_MAX / b) return false;
    *out = a * b;
    return true;
}

bool tmb__add(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b) return false;
    *out = a + b;
    return true;
}

/* The bytes of n * size, at least one, so that NULL always means failure. */
static bool block_size(size_t n, size_t size, size_t *bytes)
{
    if (!tmb__mul(n, size, bytes) || *bytes > PTRDIFF_MAX) {
        tmb__fail(TMB_ENOMEM, "%zu times %zu bytes are more than memory can hold", n, size);
        return false;
    }
    if (*bytes == 0) *bytes = 1;
    return true;
}

void *tmb__calloc(size_t n, size_t size)
{
    size_t bytes;
    void *p = NULL;

    if (!block_size(n, size, &bytes)) return NULL;
    atomic_fetch_add_explicit(&alloc_count, 1, memory_order_relaxed);
    if (!tmb__gate(TMB_GATE_ALLOC) || posix_memalign(&p, ALIGNMENT, bytes) != 0) {
        tmb__fail(TMB_ENOMEM, "not enough memory for %zu bytes", bytes);
        return NULL;
    }
    return memset(p, 0, bytes);
}

void *tmb__realloc(void *old, size_t n, size_t size)
{
    size_t bytes;
    void *p = NULL;

    if (!block_size(n, size, &bytes)) return NULL;
    atomic_fetch_add_explicit(&alloc_count, 1, memory_order_relaxed);
    if (tmb__gate(TMB_GATE_ALLOC)) p = realloc(old, bytes);
    if (!p) tmb__fail(TMB_ENOMEM, "not enough memory for %zu bytes", bytes);
    return p;
}

void tmb__free(void *p)
{
    free(p);
}

void tmb_free(void *p)
{
    tmb__free(p);
}

char *tmb__strdup(const char *s)
{
    const size_t bytes = strlen(s) + 1;
    char *copy = tmb__realloc(NULL, bytes, 1);

    return copy ? memcpy(copy, s, bytes) : NULL;
}
