/* fuzz_image_png.c - any bytes that begin as PNG, as they are and with their checksums made right
 *
 * A mutation nearly always breaks a CRC, which ends the decoding before it has begun. */
#include "fuzz_image.h"

static uint32_t crc_of(const uint8_t *bytes, size_t n)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static uint32_t get(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void mend(uint8_t *file, size_t size)
{
    size_t at = 8;

    while (size - at >= 12 && get(file + at) <= size - at - 12) {
        size_t n = get(file + at);
        uint32_t crc = crc_of(file + at + 4, n + 4);

        for (size_t i = 0; i < 4; i++)
            file[at + 8 + n + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *mended;

    fuzz_image(TMB__FORMAT_PNG, data, size);
    if (size < 8) return 0;
    mended = malloc(size);
    if (mended == NULL) return 0;
    memcpy(mended, data, size);
    mend(mended, size);
    fuzz_image(TMB__FORMAT_PNG, mended, size);
    free(mended);
    return 0;
}
