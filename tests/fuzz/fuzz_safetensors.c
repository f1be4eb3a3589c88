/* fuzz_safetensors.c - any bytes as safetensors; what is taken is written and read back the same
 *
 * Each input is tried as it is, then as a header whose length is that of its text up to the first NUL,
 * with what follows as data: lengths are hard to guess. */
#include "fuzz_frame.h"

#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t size_of(const tmb__array *array)
{
    return (size_t)tmb__shape_count(&array->shape) * tmb__dtype_size(array->dtype);
}

static void require_equal(const tmb__tensors *a, const tmb__tensors *b)
{
    require(a->n == b->n);
    for (int64_t i = 0; i < a->n; i++) {
        const tmb__array *x = &a->items[i].array, *y = tmb__tensors_find(b, a->items[i].name);

        require(y && x->dtype == y->dtype && tmb__shape_equal(&x->shape, &y->shape));
        require(memcmp(x->data, y->data, size_of(x)) == 0);
    }
}

static void try_bytes(const uint8_t *data, size_t size)
{
    tmb__tensors a, b;
    size_t bytes = 0;
    char path[64];

    if (tmb__safetensors_parse(&a, data, size, "fuzz") < 0) {
        require(tmb_errmsg()[0] != '\0' && a.n == 0);
        return;
    }
    for (int64_t i = 0; i < a.n; i++)
        bytes += size_of(&a.items[i].array);
    require(bytes < size);
    snprintf(path, sizeof path, "/tmp/fuzz_safetensors.%ld", (long)getpid());
    require(tmb__safetensors_write(&a, path) == 0);
    require(tmb__safetensors_read(&b, path) == 0);
    require_equal(&a, &b);
    unlink(path);
    tmb__tensors_free(&b);
    tmb__tensors_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t end = json_end(data, size), rest = end < size ? size - end - 1 : 0;
    uint8_t *file = calloc(8 + end + rest, 1);

    try_bytes(data, size);
    require(file != NULL);
    for (int i = 0; i < 4; i++)
        file[i] = (uint8_t)(end >> 8 * i);
    if (end) memcpy(file + 8, data, end);
    if (rest) memcpy(file + 8 + end, data + end + 1, rest);
    try_bytes(file, 8 + end + rest);
    free(file);
    return 0;
}
