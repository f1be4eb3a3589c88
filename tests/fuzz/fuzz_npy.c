/* fuzz_npy.c - any bytes as a .npy; what is taken is written and read back the same */
#include "format/format.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool fact)
{
    if (!fact) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tmb__strbuf file = {0};
    tmb__array a, b;
    size_t bytes;

    if (tmb__npy_parse(&a, data, size, "fuzz") < 0) {
        require(tmb_errmsg()[0] != '\0' && a.data == NULL);
        return 0;
    }
    bytes = (size_t)tmb__shape_count(&a.shape) * tmb__dtype_size(a.dtype);
    require(bytes <= size);
    require(tmb__npy_header(&file, &a) == 0);
    require(file.len % 64 == 0);
    tmb__strbuf_bytes(&file, a.data, bytes);
    require(tmb__npy_parse(&b, (const uint8_t *)file.text, file.len, "again") == 0);
    require(a.dtype == b.dtype && tmb__shape_equal(&a.shape, &b.shape));
    require(memcmp(a.data, b.data, bytes) == 0);
    tmb__strbuf_free(&file);
    tmb__free(a.data);
    tmb__free(b.data);
    return 0;
}
