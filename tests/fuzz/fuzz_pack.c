/* fuzz_pack.c - any bytes as a .thimble container; and as the header of one whose frame is sound
 *
 * What is taken is written and read back the same. */
#include "fuzz_frame.h"

#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_equal(const tmb__pack *a, const tmb__pack *b)
{
    require(strcmp(a->json, b->json) == 0 && a->tensors.n == b->tensors.n);
    for (int64_t i = 0; i < a->tensors.n; i++) {
        const tmb__named *x = &a->tensors.items[i], *y = &b->tensors.items[i];

        require(strcmp(x->name, y->name) == 0 && x->array.dtype == y->array.dtype);
        require(tmb__shape_equal(&x->array.shape, &y->array.shape));
        require(memcmp(x->array.data, y->array.data,
                        (size_t)tmb__shape_count(&x->array.shape) *
                                tmb__dtype_size(x->array.dtype)) == 0);
    }
}

static void try_bytes(uint8_t *bytes, size_t size)
{
    tmb__pack a, b;
    char path[64];

    if (tmb__pack_parse(&a, bytes, size, "fuzz") < 0) {
        require(tmb_errmsg()[0] != '\0' && !a.json && a.tensors.n == 0);
        return;
    }
    snprintf(path, sizeof path, "/tmp/fuzz_pack.%ld.thimble", (long)getpid());
    require(tmb__pack_write(path, a.json, &a.tensors) == 0);
    require(tmb__pack_read(&b, path) == 0);
    require_equal(&a, &b);
    unlink(path);
    tmb__pack_free(&b);
    tmb__pack_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t end = json_end(data, size), rest = size - end;
    uint8_t *bytes = malloc(size + 1);
    size_t framed;

    require(bytes != NULL);
    if (size) memcpy(bytes, data, size);
    try_bytes(bytes, size);
    free(bytes);
    bytes = frame_of(&framed, data, end, rest ? data + end + 1 : NULL, rest ? rest - 1 : 0);
    try_bytes(bytes, framed);
    free(bytes);
    return 0;
}
