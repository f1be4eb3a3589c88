/* npz.c - NumPy's .npz: a zip of .npy files, through libzip
 *
 * A member is never extracted to the disk: its name is only a tensor's name. libzip compares the
 * central directory with the local headers (ZIP_CHECKCONS) and checks each CRC; what it leaves to its
 * caller is done here: methods, encryption, bombs (sizes against the bytes that are there), overlaps,
 * names that are there twice. */
#include "format/format.h"

#include <string.h>
#include <zip.h>

enum { NAME_LIMIT = 1024, RATIO_LIMIT = 64 };

#define NPZ_LIMIT     ((size_t)8 << 30)
#define TENSORS_LIMIT 65536
/* Small members may be well compressed; above this the ratio counts. */
#define FREE_BYTES ((uint64_t)64 << 20)

enum { EMPTY_SIZE = 22 }; /* of an archive without members, its end record alone */

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
    if (size < (size_t)EMPTY_SIZE) {
        TMB_TRY(tmb__check_kind(&file, "a .npz (zip)", "a zip", what));
        return tmb__fail(TMB_EMODEL, "%s: not a sound .npz (zip): %zu bytes, expected at least %zu",
                tmb__printable(what), size, (size_t)EMPTY_SIZE);
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

/* The bytes of one .npy. */
static int npy_bytes(tmb__strbuf *bytes, const tmb__array *array)
{
    const size_t count = (size_t)tmb__shape_count(&array->shape);

    TMB_TRY(tmb__npy_header(bytes, array));
    tmb__strbuf_bytes(bytes, array->data, count * tmb__dtype_size(array->dtype));
    return bytes->failed ? tmb__fail(TMB_ENOMEM, "not enough memory") : 0;
}

int tmb__npz_write(const tmb__tensors *list, const char *path)
{
    tmb__strbuf *contents = tmb__calloc((size_t)list->n, sizeof *contents);
    tmb__strbuf *names = tmb__calloc((size_t)list->n, sizeof *names);
    tmb__zip_entry *entries = tmb__calloc((size_t)list->n, sizeof *entries);
    int status = contents && names && entries ? 0 : TMB_ENOMEM;

    for (int64_t i = 0; i < list->n && status == 0; i++) {
        status = npy_bytes(&contents[i], &list->items[i].array);
        tmb__strbuf_add(&names[i], "%s.npy", list->items[i].name);
        if (names[i].failed) status = TMB_ENOMEM;
        entries[i] =
                (tmb__zip_entry){names[i].text, {(uint8_t *)contents[i].text, contents[i].len}};
    }
    if (status == 0) status = tmb__zip_write(path, entries, list->n);
    for (int64_t i = 0; i < list->n && contents && names; i++) {
        tmb__strbuf_free(&contents[i]);
        tmb__strbuf_free(&names[i]);
    }
    tmb__free(contents);
    tmb__free(names);
    tmb__free(entries);
    return status;
}
