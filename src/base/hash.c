/* hash.c - SHA-256 and MD5, by nettle; of files
 *
 * MD5 tells a published file from a damaged one; it is what Keras lists. */
#include "base/base.h"

#include <errno.h>
#include <nettle/md5.h>
#include <nettle/sha2.h>
#include <stdio.h>

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

static void to_hex(char *out, const uint8_t *digest, size_t n)
{
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static int add_file(tmb__digests *out, FILE *file, struct md5_ctx *md5, struct sha256_ctx *sha)
{
    static const size_t piece = 1 << 16;
    uint8_t *bytes = tmb__realloc(NULL, piece, 1);
    int status = bytes ? 0 : TMB_ENOMEM;

    for (size_t n = piece; n == piece && status == 0;) {
        n = tmb__gate(TMB_GATE_IO) ? fread(bytes, 1, piece, file) : 0;
        md5_update(md5, n, bytes);
        sha256_update(sha, n, bytes);
        out->size += (int64_t)n;
    }
    tmb__free(bytes);
    return status;
}

int tmb__file_digests(tmb__digests *out, const char *path, int code)
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx sha;
    struct md5_ctx md5;
    FILE *file = tmb__file_exists(path) == 1 ? fopen(path, "rbe") : NULL;
    int status;

    *out = (tmb__digests){0};
    if (!file) return tmb__fail(code, "%s: not a file that can be read", tmb__printable(path));
    md5_init(&md5);
    sha256_init(&sha);
    status = add_file(out, file, &md5, &sha);
    if (status == 0 && (ferror(file) || !feof(file)))
        status = tmb__fail_errno(code, errno, "cannot read %s", tmb__printable(path));
    fclose(file);
    md5_digest(&md5, MD5_DIGEST_SIZE, digest);
    to_hex(out->md5, digest, MD5_DIGEST_SIZE);
    sha256_digest(&sha, SHA256_DIGEST_SIZE, digest);
    to_hex(out->sha256, digest, SHA256_DIGEST_SIZE);
    return status;
}
