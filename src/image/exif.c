/* exif.c - one tag of EXIF, the orientation, from JPEG, PNG and WebP files
 *
 * Libraries for all of EXIF have a long record of holes (loops of directories, lengths that
 * overflow, maker notes). This reads tag 0x0112 of the first directory and nothing else: no pointer
 * but the one to that directory is followed, no value but one inline SHORT is taken, at most 512
 * entries are looked at. TIFF 6.0 section 2; EXIF 2.3 section 4.6; PNG chunk eXIf; WebP chunk
 * "EXIF". */
#include "image/codec.h"

#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, ENTRIES_MAX = 512, ENTRY_SIZE = 12 };

static uint32_t get16(const uint8_t *p, bool big)
{
    return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t get32(const uint8_t *p, bool big)
{
    return big ? get16(p, big) << 16 | get16(p + 2, big) : get16(p + 2, big) << 16 | get16(p, big);
}

int tmb__exif_orientation(const uint8_t *tiff, size_t size)
{
    bool big;
    size_t at, n;

    if (size < 8 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M')) return 1;
    big = tiff[0] == 'M';
    at = get32(tiff + 4, big);
    if (get16(tiff + 2, big) != 42 || at > size || size - at < 2) return 1;
    n = get16(tiff + at, big);
    at += 2;
    if (n > ENTRIES_MAX) return 1;
    for (size_t i = 0; i < n && size - at >= ENTRY_SIZE; i++, at += ENTRY_SIZE) {
        const uint8_t *entry = tiff + at;
        uint32_t value = get16(entry + 8, big);

        if (get16(entry, big) != TAG_ORIENTATION) continue;
        if (get16(entry + 2, big) != TYPE_SHORT || get32(entry + 4, big) != 1) return 1;
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

/* A block with or without the "Exif\0\0" that JPEG puts in front; some WebP writers copy it. */
static int orientation_of(const uint8_t *data, size_t size)
{
    static const uint8_t prefix[6] = {'E', 'x', 'i', 'f', 0, 0};

    if (size >= sizeof prefix && memcmp(data, prefix, sizeof prefix) == 0)
        return tmb__exif_orientation(data + sizeof prefix, size - sizeof prefix);
    return tmb__exif_orientation(data, size);
}

/* The first APP1 segment that is Exif, before the first scan. */
static int find_jpeg(const uint8_t *data, size_t size)
{
    size_t at = 2;

    while (at + 4 <= size && data[at] == 0xff) {
        uint8_t marker = data[at + 1];
        size_t length = get16(data + at + 2, true);

        if (marker == 0xff) { /* a fill byte */
            at++;
            continue;
        }
        if (marker == 0xda || marker == 0xd9 || length < 2 || length > size - at - 2) return 1;
        if (marker == 0xe1 && length >= 8 && memcmp(data + at + 4, "Exif", 5) == 0)
            return orientation_of(data + at + 4, length - 2);
        at += 2 + length;
    }
    return 1;
}

static int find_png(const uint8_t *data, size_t size)
{
    size_t at = 8;

    while (at <= size && size - at >= 12) {
        size_t length = get32(data + at, true);

        if (length > size - at - 12) return 1;
        if (memcmp(data + at + 4, "eXIf", 4) == 0) return orientation_of(data + at + 8, length);
        at += 12 + length;
    }
    return 1;
}

static int find_webp(const uint8_t *data, size_t size)
{
    size_t at = 12;

    while (at <= size && size - at >= 8) {
        size_t length = get32(data + at + 4, false);

        if (length > size - at - 8) return 1;
        if (memcmp(data + at, "EXIF", 4) == 0) return orientation_of(data + at + 8, length);
        at += 8 + length + (length & 1);
    }
    return 1;
}

int tmb__exif_find(tmb__format format, const uint8_t *data, size_t size)
{
    switch (format) {
    case TMB__FORMAT_JPEG:
        return find_jpeg(data, size);
    case TMB__FORMAT_PNG:
        return find_png(data, size);
    case TMB__FORMAT_WEBP:
        return find_webp(data, size);
    default:
        return 1;
    }
}
