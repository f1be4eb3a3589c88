/* sniff.c - tells a picture's format by its first bytes
 *
 * Names lie: photo sites rename, phones convert, failed downloads leave HTML. Only the content
 * counts. What is not ours is named as exactly as its first bytes allow, so that the user knows
 * what to do. */
#include "image/codec.h"

#include <string.h>

/* A fixed sequence of bytes at a fixed place. */
typedef struct magic {
    size_t at, n;
    const char *bytes;
    tmb__format format;
    const char *what; /* for a format that is not ours */
} magic;

static const magic magics[] = {
        {0, 2, "\xff\xd8", TMB__FORMAT_JPEG, NULL},
        {0, 8, "\x89PNG\r\n\x1a\n", TMB__FORMAT_PNG, NULL},
        {0, 6, "GIF87a", TMB__FORMAT_GIF, NULL},
        {0, 6, "GIF89a", TMB__FORMAT_GIF, NULL},
        {8, 4, "avif", TMB__FORMAT_NONE, "AVIF"},
        {8, 4, "avis", TMB__FORMAT_NONE, "AVIF"},
        {8, 4, "heic", TMB__FORMAT_NONE, "HEIC"},
        {8, 4, "heix", TMB__FORMAT_NONE, "HEIC"},
        {8, 4, "hevc", TMB__FORMAT_NONE, "HEIC"},
        {8, 4, "mif1", TMB__FORMAT_NONE, "HEIC or AVIF"},
        {8, 4, "msf1", TMB__FORMAT_NONE, "HEIC or AVIF"},
        {8, 4, "crx ", TMB__FORMAT_NONE, "camera raw (CR3)"},
        {4, 4, "ftyp", TMB__FORMAT_NONE, "MP4 video"},
        {4, 8, "JXL \r\n\x87\n", TMB__FORMAT_NONE, "JPEG XL"},
        {0, 2, "\xff\x0a", TMB__FORMAT_NONE, "JPEG XL"},
        {4, 8, "jP  \r\n\x87\n", TMB__FORMAT_NONE, "JPEG 2000"},
        {0, 4, "\xff\x4f\xff\x51", TMB__FORMAT_NONE, "JPEG 2000"},
        {0, 4, "II*\0", TMB__FORMAT_NONE, "TIFF or camera raw"},
        {0, 4, "MM\0*", TMB__FORMAT_NONE, "TIFF or camera raw"},
        {0, 4, "II+\0", TMB__FORMAT_NONE, "BigTIFF"},
        {0, 4, "MM\0+", TMB__FORMAT_NONE, "BigTIFF"},
        {0, 4, "IIRO", TMB__FORMAT_NONE, "camera raw (ORF)"},
        {0, 4, "IIU\0", TMB__FORMAT_NONE, "camera raw (RW2)"},
        {0, 8, "FUJIFILM", TMB__FORMAT_NONE, "camera raw (RAF)"},
        {0, 4, "8BPS", TMB__FORMAT_NONE, "Photoshop"},
        {0, 4, "%PDF", TMB__FORMAT_NONE, "PDF"},
        {0, 4, "%!PS", TMB__FORMAT_NONE, "PostScript"},
        {0, 4, "\0\0\1\0", TMB__FORMAT_NONE, "ICO"},
        {0, 4, "PK\3\4", TMB__FORMAT_NONE, "ZIP archive"},
        {0, 2, "\x1f\x8b", TMB__FORMAT_NONE, "gzip data"},
        {0, 4,
                "\x7f"
                "ELF",
                TMB__FORMAT_NONE, "ELF program"},
        {0, 24, "version https://git-lfs.", TMB__FORMAT_NONE,
                "git-LFS pointer (begins with \"version https://git-lfs\")"},
};

/* What a text file seems to be, by how it begins; compared without regard to case. */
static const struct {
    const char *start, *what;
} texts[] = {
        {"<!doctype html", "HTML page (begins with \"<!doctype html\")"},
        {"<html", "HTML page (begins with \"<html\")"},
        {"<head", "HTML page (begins with \"<head\")"},
        {"<svg", "SVG drawing"},
        {"<?xml", "XML text"},
        {"{", "JSON text (begins with \"{\")"},
        {"[", "JSON text (begins with \"[\")"},
};

static bool has(const uint8_t *data, size_t size, size_t at, const char *bytes, size_t n)
{
    return size >= at && size - at >= n && memcmp(data + at, bytes, n) == 0;
}

static int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static bool starts_with(const uint8_t *data, size_t size, const char *text)
{
    for (size_t i = 0; text[i] != '\0'; i++)
        if (i >= size || lower(data[i]) != text[i]) return false;
    return true;
}

static bool contains(const uint8_t *data, size_t size, const char *text)
{
    for (size_t i = 0; i < size; i++)
        if (starts_with(data + i, size - i, text)) return true;
    return false;
}

/* "BM" alone would take any text that starts so; the header's size must be one that exists. */
static bool is_bmp(const uint8_t *data, size_t size)
{
    static const uint8_t header_sizes[] = {12, 16, 40, 52, 56, 64, 108, 124};

    if (!has(data, size, 0, "BM", 2)) return false;
    if (size < 18) return true;
    for (size_t i = 0; i < TMB_COUNT(header_sizes); i++)
        if (data[14] == header_sizes[i] && data[15] == 0) return true;
    return false;
}

/* What bytes that start none of the known formats look like: some text, zeros, or unknown. */
static const char *describe(const uint8_t *data, size_t size)
{
    size_t n = TMB_MIN(size, (size_t)512), start = 0, zeros = 0;

    if (has(data, size, 0, "\xef\xbb\xbf", 3)) start = 3;
    while (start < n && (data[start] == ' ' || (data[start] >= '\t' && data[start] <= '\r')))
        start++;
    for (size_t i = 0; i < TMB_COUNT(texts); i++) {
        if (!starts_with(data + start, n - start, texts[i].start)) continue;
        return contains(data, n, "<svg") ? "SVG drawing" : texts[i].what;
    }
    for (size_t i = 0; i < n; i++) {
        zeros += data[i] == 0;
        if (data[i] != 0 && data[i] < 32 && (data[i] < '\t' || data[i] > '\r')) return NULL;
    }
    if (zeros == n) return "file of zero bytes";
    return zeros == 0 ? "text file" : NULL;
}

tmb__format tmb__sniff(const uint8_t *data, size_t size, const char **what)
{
    *what = NULL;
    if (has(data, size, 0, "RIFF", 4) && has(data, size, 8, "WEBP", 4)) return TMB__FORMAT_WEBP;
    if (is_bmp(data, size)) return TMB__FORMAT_BMP;
    for (size_t i = 0; i < TMB_COUNT(magics); i++) {
        const magic *m = &magics[i];
        bool is_brand = m->at == 8;

        if (!has(data, size, m->at, m->bytes, m->n)) continue;
        if (is_brand && !has(data, size, 4, "ftyp", 4)) continue;
        *what = m->what;
        return m->format;
    }
    *what = describe(data, size);
    return TMB__FORMAT_NONE;
}
