/* fuzz_npz.c - any bytes as a .npz; what is taken is written and read back the same
 *
 * Each input is tried as it is, then with its checksums put right, since no mutation would guess them. */
#include "format/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool fact)
{
    if (!fact) abort();
}

static void require_equal(const tmb__tensors *a, const tmb__tensors *b)
{
    require(a->n == b->n);
    for (int64_t i = 0; i < a->n; i++) {
        const tmb__array *x = &a->items[i].array, *y = tmb__tensors_find(b, a->items[i].name);

        require(y && x->dtype == y->dtype && tmb__shape_equal(&x->shape, &y->shape));
        require(memcmp(x->data, y->data,
                        (size_t)tmb__shape_count(&x->shape) * tmb__dtype_size(x->dtype)) == 0);
    }
}

static void try_bytes(const uint8_t *data, size_t size)
{
    tmb__tensors a, b;
    char path[64];

    if (tmb__npz_parse(&a, data, size, "fuzz") < 0) {
        require(tmb_errmsg()[0] != '\0' && a.n == 0);
        return;
    }
    snprintf(path, sizeof path, "/tmp/fuzz_npz.%ld.npz", (long)getpid());
    /* A name may be one that libzip does not write: not UTF-8. */
    if (tmb__npz_write(&a, path) == 0) {
        require(tmb__npz_read(&b, path) == 0);
        require_equal(&a, &b);
        tmb__tensors_free(&b);
        unlink(path);
    }
    tmb__tensors_free(&a);
}

static uint32_t crc32_of(const uint8_t *data, size_t size)
{
    uint32_t crc = 0xffffffffu;

    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static uint32_t get(const uint8_t *p, int n)
{
    uint32_t value = 0;

    while (n-- > 0)
        value = value << 8 | p[n];
    return value;
}

/* Give each stored member, in the directory and at its own header, the checksum of its bytes. */
static void mend(uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 46 <= size; i++) {
        uint32_t at, packed, crc;
        size_t start;

        if (memcmp(data + i, "PK\1\2", 4) != 0) continue;
        at = get(data + i + 42, 4);
        packed = get(data + i + 20, 4);
        if (at > size || size - at < 30 || get(data + i + 10, 2) != 0) continue;
        start = at + 30 + (size_t)get(data + at + 26, 2) + get(data + at + 28, 2);
        if (start > size || packed > size - start) continue;
        crc = crc32_of(data + start, packed);
        for (int k = 0; k < 4; k++)
            data[i + 16 + (size_t)k] = data[at + 14 + (size_t)k] = (uint8_t)(crc >> 8 * k);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy;

    try_bytes(data, size);
    if (size == 0) return 0;
    copy = malloc(size);
    require(copy != NULL);
    memcpy(copy, data, size);
    mend(copy, size);
    try_bytes(copy, size);
    free(copy);
    return 0;
}
