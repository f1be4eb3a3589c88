/* npz.c - NumPy's .npz: a zip of .npy files, through libzip
 *
 * A member is never extracted to the disk: its name is only a tensor's name. libzip compares the
 * central directory with the local headers (ZIP_CHECKCONS) and checks each CRC; what it leaves to its
 * caller is done here: methods, encryption, bombs (sizes against the bytes that are there), overlaps,
 * names that are there twice. Written archives are stored uncompressed and carry no times. */
#include "format/format.h"

#include <string.h>
#include <zip.h>

enum { NAME_LIMIT = 1024, RATIO_LIMIT = 64 };

#define NPZ_LIMIT     ((size_t)8 << 30)
#define TENSORS_LIMIT 65536
/* Small members may be well compressed; above this the ratio counts. */
#define FREE_BYTES ((uint64_t)64 << 20)

/* An archive without members is its end record alone; libzip would not write that. */
static const uint8_t empty[22] = {'P', 'K', 5, 6};

/* An archive being read. */
typedef struct reader {
    zip_t *zip;
    const char *what;
    size_t size;               /* of the whole file */
    uint64_t packed, unpacked; /* sums over the members so far */
} reader;

static int fail(const reader *r, const char *name, const char *text)
{
    return tmb__fail(TMB_EMODEL, "%s: member \"%s\": %s", tmb__printable(r->what),
            tmb__printable(name ? name : "?"), text);
}

/* A member's entry says only what can be true, before memory is taken for it. */
static int check_member(reader *r, const zip_stat_t *st)
{
    const zip_uint64_t wanted =
            ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    const size_t n = st->name ? strlen(st->name) : 0;

    if ((st->valid & wanted) != wanted) return fail(r, st->name, "its size is not known");
    if (n < 5 || n > NAME_LIMIT || strcmp(st->name + n - 4, ".npy") != 0) {
        return fail(r, st->name, "expected a name of at most 1024 bytes that ends in .npy");
    }
    if (st->encryption_method != ZIP_EM_NONE) return fail(r, st->name, "it is encrypted");
    if (st->comp_method != ZIP_CM_STORE && st->comp_method != ZIP_CM_DEFLATE) {
        return tmb__fail(TMB_EMODEL,
                "%s: member \"%s\": compression method %d, expected 0 (stored) or 8 (deflated)",
                tmb__printable(r->what), tmb__printable(st->name), st->comp_method);
    }
    /* Members that together are larger than the file overlap. */
    if (st->comp_size > r->size - r->packed) {
        return fail(r, st->name, "inconsistent archive: members are larger than the file");
    }
    if (st->size > FREE_BYTES + RATIO_LIMIT * st->comp_size || st->size > NPZ_LIMIT - r->unpacked) {
        return tmb__fail(TMB_EMODEL, "%s: member \"%s\" declares %llu bytes, stores %llu",
                tmb__printable(r->what), tmb__printable(st->name), (unsigned long long)st->size,
                (unsigned long long)st->comp_size);
    }
    r->packed += st->comp_size;
    r->unpacked += st->size;
    return 0;
}

/* All bytes of an open member; one more is asked for, so that libzip sees the end and checks the CRC. */
static int inflate_member(reader *r, zip_file_t *file, const zip_stat_t *st, uint8_t *data)
{
    uint64_t done = 0;

    while (done <= st->size) {
        const uint64_t room = st->size - done;
        uint8_t extra;
        zip_int64_t got = zip_fread(file, room ? data + done : &extra, room ? room : 1);

        if (got < 0) return fail(r, st->name, zip_file_strerror(file));
        if (got == 0) break;
        done += (uint64_t)got;
    }
    if (done == st->size) return 0;
    return fail(r, st->name,
            done < st->size ? "shorter than its declared size" : "longer than its declared size");
}

static int parse_member(reader *r, tmb__tensors *out, const zip_stat_t *st, const uint8_t *data)
{
    char name[NAME_LIMIT + 1];
    tmb__strbuf what = {0};
    tmb__array array = {0};
    int status;

    tmb__strbuf_add(&what, "%s: %s", r->what, st->name);
    status = what.failed ? TMB_ENOMEM : tmb__npy_parse(&array, data, (size_t)st->size, what.text);
    tmb__strbuf_free(&what);
    if (status < 0) return status;
    memcpy(name, st->name, strlen(st->name) - 4);
    name[strlen(st->name) - 4] = '\0';
    status = tmb__tensors_add(out, name, &array);
    if (status < 0) tmb__free(array.data);
    return status;
}

static int read_member(reader *r, tmb__tensors *out, zip_uint64_t index)
{
    zip_stat_t st;
    zip_file_t *file;
    uint8_t *data;
    int status;

    zip_stat_init(&st);
    if (zip_stat_index(r->zip, index, ZIP_FL_ENC_RAW, &st) != 0) {
        return fail(r, NULL, zip_strerror(r->zip));
    }
    TMB_TRY(check_member(r, &st));
    file = zip_fopen_index(r->zip, index, 0);
    if (!file) return fail(r, st.name, zip_strerror(r->zip));
    data = tmb__realloc(NULL, (size_t)st.size, 1);
    status = data ? inflate_member(r, file, &st, data) : TMB_ENOMEM;
    zip_fclose(file);
    if (status == 0) status = parse_member(r, out, &st, data);
    tmb__free(data);
    return status;
}

static int read_members(reader *r, tmb__tensors *out)
{
    const zip_int64_t n = zip_get_num_entries(r->zip, 0);

    if (n > TENSORS_LIMIT) {
        return tmb__fail(TMB_EMODEL, "%s: %lld members, the limit is %d", tmb__printable(r->what),
                (long long)n, TENSORS_LIMIT);
    }
    for (zip_int64_t i = 0; i < n; i++)
        TMB_TRY(read_member(r, out, (zip_uint64_t)i));
    return tmb__tensors_index(out, r->what);
}

static int fail_open(const tmb__bytes *file, const char *what, zip_error_t *error)
{
    if (zip_error_code_zip(error) == ZIP_ER_MEMORY) {
        return tmb__fail(TMB_ENOMEM, "not enough memory to open %s", tmb__printable(what));
    }
    if (zip_error_code_zip(error) == ZIP_ER_EXISTS) {
        return tmb__fail(TMB_EMODEL, "%s: a member is there twice", tmb__printable(what));
    }
    TMB_TRY(tmb__check_kind(file, "a .npz (zip)", "a zip", what));
    return tmb__fail(TMB_EMODEL, "%s: not a sound .npz (zip)%s: %s", tmb__printable(what),
            file->size > 0 && file->data[0] == 'P' ? ", cut off or damaged" : "",
            zip_error_strerror(error));
}

int tmb__npz_parse(tmb__tensors *out, const uint8_t *bytes, size_t size, const char *what)
{
    const tmb__bytes file = {(uint8_t *)(uintptr_t)bytes, size};
    reader r = {.what = what, .size = size};
    zip_source_t *source;
    zip_error_t error;
    int status;

    *out = (tmb__tensors){.owns = true};
    /* PITFALL: libzip takes an empty file for an empty archive. */
    if (size < sizeof empty) {
        TMB_TRY(tmb__check_kind(&file, "a .npz (zip)", "a zip", what));
        return tmb__fail(TMB_EMODEL, "%s: not a sound .npz (zip): %zu bytes, expected at least %zu",
                tmb__printable(what), size, sizeof empty);
    }
    zip_error_init(&error);
    source = zip_source_buffer_create(bytes, size, 0, &error);
    if (source) r.zip = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
    status = r.zip ? read_members(&r, out) : fail_open(&file, what, &error);
    if (r.zip) {
        zip_discard(r.zip);
    } else if (source) {
        zip_source_free(source);
    }
    zip_error_fini(&error);
    if (status < 0) tmb__tensors_free(out);
    return status;
}

int tmb__npz_read(tmb__tensors *out, const char *path)
{
    tmb__bytes file;
    int status;

    *out = (tmb__tensors){0};
    TMB_TRY(tmb__file_read(&file, path, NPZ_LIMIT, TMB_EMODEL));
    status = tmb__npz_parse(out, file.data, file.size, path);
    tmb__free(file.data);
    return status;
}

/* ---- writing ---- */

/* One tensor as a stored member. The archive takes its source, which borrows our bytes until closed. */
static int add_member(zip_t *zip, const tmb__named *item, tmb__strbuf *bytes)
{
    const size_t count = (size_t)tmb__shape_count(&item->array.shape);
    tmb__strbuf name = {0};
    zip_source_t *source = NULL;
    zip_int64_t index = -1;

    TMB_TRY(tmb__npy_header(bytes, &item->array));
    tmb__strbuf_bytes(bytes, item->array.data, count * tmb__dtype_size(item->array.dtype));
    tmb__strbuf_add(&name, "%s.npy", item->name);
    if (!bytes->failed && !name.failed) source = zip_source_buffer(zip, bytes->text, bytes->len, 0);
    if (source) index = zip_file_add(zip, name.text, source, ZIP_FL_ENC_UTF_8);
    if (source && index < 0) zip_source_free(source);
    tmb__strbuf_free(&name);
    if (bytes->failed || name.failed || !source) return tmb__fail(TMB_ENOMEM, "not enough memory");
    if (index < 0 || zip_set_file_compression(zip, (zip_uint64_t)index, ZIP_CM_STORE, 0) != 0 ||
            zip_file_set_dostime(zip, (zip_uint64_t)index, 0, 0x21, 0) != 0) {
        return tmb__fail(TMB_EINVAL, "tensor \"%s\" does not fit into a zip: %s",
                tmb__printable(item->name), zip_strerror(zip));
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

/* The archive in memory; `contents` has a buffer for each tensor. */
static int build(tmb__bytes *out, const tmb__tensors *list, tmb__strbuf *contents)
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
    for (int64_t i = 0; i < list->n && status == 0; i++)
        status = add_member(zip, &list->items[i], &contents[i]);
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

int tmb__npz_write(const tmb__tensors *list, const char *path)
{
    tmb__strbuf *contents = tmb__calloc((size_t)list->n, sizeof *contents);
    tmb__bytes archive = {0};
    int status;

    if (!contents) return TMB_ENOMEM;
    status = list->n ? build(&archive, list, contents) : 0;
    for (int64_t i = 0; i < list->n; i++)
        tmb__strbuf_free(&contents[i]);
    tmb__free(contents);
    if (status == 0 && list->n == 0)
        archive = (tmb__bytes){(uint8_t *)(uintptr_t)empty, sizeof empty};
    if (status == 0) status = tmb__file_replace(path, &archive, 1);
    if (list->n) tmb__free(archive.data);
    return status;
}
