/* fuzz_image_exif.c - the reader of one EXIF tag, and the walks that find it in a file
 *
 * The answer is 1 to 8; what is found inside a JPEG, PNG or WebP is what the block alone says. */
#include "fuzz_image.h"

static void put(uint8_t **at, const void *bytes, size_t n)
{
    memcpy(*at, bytes, n);
    *at += n;
}

static void check_wrapped(tmb__format format, const uint8_t *data, size_t size, int expected)
{
    uint32_t n = (uint32_t)size;
    uint8_t *file = malloc(size + 64), *at = file;

    if (file == NULL) return;
    if (format == TMB__FORMAT_JPEG) {
        put(&at, ((uint8_t[]){0xff, 0xd8, 0xff, 0xe1, (uint8_t)((n + 8) >> 8), (uint8_t)(n + 8)}),
                6);
        put(&at, "Exif\0", 6);
    } else if (format == TMB__FORMAT_PNG) {
        put(&at, "\x89PNG\r\n\x1a\n", 8);
        put(&at, ((uint8_t[]){0, 0, (uint8_t)(n >> 8), (uint8_t)n, 'e', 'X', 'I', 'f'}), 8);
    } else {
        put(&at, "RIFF\0\0\0\0WEBPEXIF", 16);
        put(&at, ((uint8_t[]){(uint8_t)n, (uint8_t)(n >> 8), 0, 0}), 4);
    }
    if (size > 0) put(&at, data, size);
    put(&at, "\0\0\0\0", 4); /* a PNG chunk's CRC */
    MUST(tmb__exif_find(format, file, (size_t)(at - file)) == expected);
    free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int found = tmb__exif_orientation(data, size);

    MUST(found >= 1 && found <= 8);
    for (tmb__format f = TMB__FORMAT_JPEG; f <= TMB__FORMAT_WEBP; f++) {
        int inside = tmb__exif_find(f, data, size);

        MUST(inside >= 1 && inside <= 8);
        if (size < 60000 && (size < 6 || memcmp(data, "Exif\0", 6) != 0))
            check_wrapped(f, data, size, found);
    }
    return 0;
}
