/* hash.c - SHA-256, by nettle */
#include "base/base.h"

#include <nettle/sha2.h>

_Static_assert(sizeof(struct sha256_ctx) <= sizeof(tmb__sha256), "tmb__sha256 is too small");

void tmb__sha256_start(tmb__sha256 *sha)
{
    sha256_init((struct sha256_ctx *)sha->opaque);
}

void tmb__sha256_add(tmb__sha256 *sha, const void *bytes, size_t n)
{
    sha256_update((struct sha256_ctx *)sha->opaque, n, bytes);
}

void tmb__sha256_end(tmb__sha256 *sha, uint8_t digest[32])
{
    sha256_digest((struct sha256_ctx *)sha->opaque, SHA256_DIGEST_SIZE, digest);
}
