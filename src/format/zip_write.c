/* zip_write.c - a zip archive of members that are stored as they are
 *
 * Members carry no times, so that the same content gives the same bytes. libzip switches to zip64 by
 * itself where sizes ask for it. */
#include "format/format.h"

#include <zip.h>

/* An archive without members is its end record alone; libzip would not write that. */
static const uint8_t empty[22] = {'P', 'K', 5, 6};

/* The archive takes the source, which borrows the bytes until it is closed. */
static int add_member(zip_t *zip, const tmb__zip_entry *entry)
{
    zip_source_t *source = zip_source_buffer(zip, entry->bytes.data, entry->bytes.size, 0);
    zip_int64_t index = -1;

    if (!source) return tmb__fail(TMB_ENOMEM, "not enough memory");
    index = zip_file_add(zip, entry->name, source, ZIP_FL_ENC_UTF_8);
    if (index < 0) zip_source_free(source);
    if (index < 0 || zip_set_file_compression(zip, (zip_uint64_t)index, ZIP_CM_STORE, 0) != 0 ||
            zip_file_set_dostime(zip, (zip_uint64_t)index, 0, 0x21, 0) != 0) {
        return tmb__fail(TMB_EINVAL, "member \"%s\" does not fit into a zip: %s",
                tmb__printable(entry->name), zip_strerror(zip));
    }
    return 0;
}

/* Bytes that libzip has written to `source`. */
static int take_bytes(zip_source_t *source, tmb__bytes *out)
{
    zip_stat_t st;

    zip_stat_init(&st);
    if (zip_source_stat(source, &st) != 0 || zip_source_open(source) != 0) {
        return tmb__fail(TMB_ENOMEM, "the archive could not be read back from memory");
    }
    out->size = (size_t)st.size;
    out->data = tmb__realloc(NULL, out->size, 1);
    if (out->data && zip_source_read(source, out->data, out->size) != (zip_int64_t)out->size) {
        tmb__free(out->data);
        out->data = NULL;
        tmb__fail(TMB_ENOMEM, "the archive could not be read back from memory");
    }
    zip_source_close(source);
    return out->data ? 0 : TMB_ENOMEM;
}

/* The archive in memory. */
static int build(tmb__bytes *out, const tmb__zip_entry *entries, int64_t n)
{
    zip_error_t error;
    zip_source_t *source;
    zip_t *zip = NULL;
    int status = 0;

    zip_error_init(&error);
    source = zip_source_buffer_create(NULL, 0, 0, &error);
    if (source) zip = zip_open_from_source(source, ZIP_TRUNCATE, &error);
    if (!zip) {
        if (source) zip_source_free(source);
        zip_error_fini(&error);
        return tmb__fail(TMB_ENOMEM, "not enough memory for an archive");
    }
    zip_source_keep(source);
    for (int64_t i = 0; i < n && status == 0; i++)
        status = add_member(zip, &entries[i]);
    if (status == 0 && zip_close(zip) != 0) {
        status = tmb__fail(TMB_ENOMEM, "the archive could not be made: %s", zip_strerror(zip));
    } else if (status == 0) {
        zip = NULL;
    }
    if (zip) zip_discard(zip);
    if (status == 0) status = take_bytes(source, out);
    zip_source_free(source);
    zip_error_fini(&error);
    return status;
}

int tmb__zip_write(const char *path, const tmb__zip_entry *entries, int64_t n)
{
    tmb__bytes archive = {0};
    const tmb__bytes none = {(uint8_t *)(uintptr_t)empty, sizeof empty};
    int status = n ? build(&archive, entries, n) : 0;

    if (status == 0) status = tmb__file_replace(path, n ? &archive : &none, 1);
    tmb__free(archive.data);
    return status;
}
