/* kind.c - what a file seems to be that is not what was expected */
#include "format/format.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *start;
    size_t n;
    const char *kind;
} kinds[] = {
        {"\x89HDF\r\n\x1a\n", 8, "an HDF5 file (Keras' .h5)"},
        {"\x89TMB\r\n\x1a\n", 8, "a Thimble model"},
        {"PK\x03\x04", 4, "a zip archive (.npz, .keras)"},
        {"\x93NUMPY", 6, "a NumPy array (.npy)"},
        {"version https://git-lfs", 23, "a git-LFS pointer, not the file it stands for"},
        {"\x89PNG", 4, "a PNG picture"},
        {"\xff\xd8\xff", 3, "a JPEG picture"},
        {"\x1f\x8b", 2, "a gzip archive"},
        {"{", 1, "JSON text"},
};

const char *tmb__file_kind(const uint8_t *bytes, size_t size)
{
    size_t blanks = 0;

    if (size == 0) return "an empty file";
    for (size_t i = 0; i < TMB_COUNT(kinds); i++) {
        if (size >= kinds[i].n && memcmp(bytes, kinds[i].start, kinds[i].n) == 0) {
            return kinds[i].kind;
        }
    }
    while (blanks < size && blanks < 64 && strchr(" \t\r\n", bytes[blanks]) && bytes[blanks])
        blanks++;
    if (size - blanks >= 5 &&
            (strncasecmp((const char *)bytes + blanks, "<html", 5) == 0 ||
                    strncasecmp((const char *)bytes + blanks, "<!doc", 5) == 0)) {
        return "an HTML page, as a failed download leaves it";
    }
    /* Eight bytes of length, then JSON. */
    if (size > 9 && bytes[8] == '{' && bytes[6] == 0 && bytes[7] == 0) {
        return "a safetensors file";
    }
    return NULL;
}

int tmb__check_kind(const tmb__bytes *file, const char *wanted, const char *own, const char *what)
{
    const char *kind = tmb__file_kind(file->data, file->size);

    if (!kind || strncmp(kind, own, strlen(own)) == 0) return 0;
    return tmb__fail(
            TMB_EMODEL, "%s: not %s, it looks like %s", tmb__printable(what), wanted, kind);
}
