/* fuzz_frame.h - a sound frame around any bytes, for the containers that carry a checksum */
#ifndef THIMBLE_FUZZ_FRAME_H
#define THIMBLE_FUZZ_FRAME_H

#include "format/format.h"

#include <stdlib.h>
#include <string.h>

static inline void require(bool fact)
{
    if (!fact) abort();
}

/* A pack whose header's text is `json`, followed by `data`; trailer and lengths are right. Owned by
 * caller: free. The block is exactly as long as the pack. */
static inline uint8_t *frame_of(
        size_t *out, const void *json, size_t n_json, const void *data, size_t n_data)
{
    const size_t start = (16 + n_json + 63) / 64 * 64;
    const size_t total = start + (n_data + 63) / 64 * 64 + 40;
    uint8_t *file = calloc(total, 1);
    tmb__sha256 sha;

    require(file != NULL);
    memcpy(file, "\x89TMB\r\n\x1a\n\1\0\0\0", 12);
    for (int i = 0; i < 4; i++)
        file[12 + i] = (uint8_t)(n_json >> 8 * i);
    if (n_json) memcpy(file + 16, json, n_json);
    if (n_data) memcpy(file + start, data, n_data);
    for (int i = 0; i < 8; i++)
        file[total - 40 + (size_t)i] = (uint8_t)((uint64_t)total >> 8 * i);
    tmb__sha256_start(&sha);
    tmb__sha256_add(&sha, file, total - 32);
    tmb__sha256_end(&sha, file + total - 32);
    *out = total;
    return file;
}

/* Where the header's text of an input ends: at its first NUL. What follows it are the data. */
static inline size_t json_end(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;

    return end ? (size_t)(end - data) : size;
}

#endif
