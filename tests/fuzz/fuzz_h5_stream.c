/* fuzz_h5_stream.c - any bytes as the answer of thimble-h5; what is taken is whole and can be walked */
#include "fuzz_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct memory {
    const uint8_t *bytes;
    size_t size;
} memory;

static int read_memory(void *user, void *dst, size_t n)
{
    memory *m = user;

    if (n > m->size) return 1;
    if (n) memcpy(dst, m->bytes, n);
    m->bytes += n;
    m->size -= n;
    return 0;
}

static void require_whole(const tmb__h5_file *file)
{
    size_t bytes = 0;

    for (int64_t i = 0; i < file->tensors.n; i++) {
        const tmb__named *item = &file->tensors.items[i];

        require(tmb__tensors_find(&file->tensors, item->name) == &item->array);
        bytes += (size_t)tmb__shape_count(&item->array.shape) * tmb__dtype_size(item->array.dtype);
    }
    require(bytes <= 1 << 16);
    for (int64_t i = 0; i < file->n_attributes; i++) {
        const tmb__h5_attribute *a = &file->attributes[i];

        require(tmb__h5_find(file, a->place, a->name) != NULL);
        for (int64_t k = 0; k < a->n_strings; k++)
            require(strlen(a->strings[k]) < 1 << 26);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memory m = {data, size};
    tmb__h5_source source = {.read = read_memory, .user = &m};
    tmb__h5_file file;

    if (tmb__h5_stream(&file, &source, 1 << 16, "fuzz") == 0) {
        require_whole(&file);
    } else {
        require(tmb_errmsg()[0] != '\0' && file.n_attributes == 0 && file.tensors.n == 0);
    }
    tmb__h5_file_free(&file);
    return 0;
}
