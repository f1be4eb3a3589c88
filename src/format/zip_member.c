/* zip_member.c - some members of a zip archive, as .keras files need it
 *
 * The rules are those of npz.c: exact name, central directory and local headers agree, stored or
 * deflated, sizes that the bytes there can give, a right CRC. Nothing is extracted to the disk. */
#include "format/format.h"

#include <string.h>
#include <zip.h>

enum { MEMBERS_LIMIT = 1024, RATIO_LIMIT = 64 };

#define ARCHIVE_LIMIT ((size_t)8 << 30)
#define FREE_BYTES    ((uint64_t)64 << 20)

static int fail(const char *path, const char *member, const char *why)
{
    return tmb__fail(
            TMB_EMODEL, "%s: member \"%s\": %s", tmb__printable(path), tmb__printable(member), why);
}

static int check(const zip_stat_t *st, size_t size, size_t limit, const char *path)
{
    const char *member = st->name;
    const zip_uint64_t wanted = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;

    if ((st->valid & wanted) != wanted) return fail(path, member, "its size is not known");
    if (st->encryption_method != ZIP_EM_NONE) return fail(path, member, "it is encrypted");
    if (st->comp_method != ZIP_CM_STORE && st->comp_method != ZIP_CM_DEFLATE) {
        return fail(path, member, "its compression is unknown, expected stored or deflated");
    }
    if (st->comp_size > size || st->size > (limit ? limit : ARCHIVE_LIMIT) ||
            st->size > FREE_BYTES + RATIO_LIMIT * st->comp_size) {
        return tmb__fail(TMB_EMODEL, "%s: member \"%s\" declares %llu bytes, stores %llu",
                tmb__printable(path), tmb__printable(member), (unsigned long long)st->size,
                (unsigned long long)st->comp_size);
    }
    return 0;
}

/* One byte more is asked for, so that libzip sees the end and checks the CRC. */
static int inflate_member(
        tmb__bytes *out, zip_file_t *file, size_t size, const char *path, const char *member)
{
    out->data = tmb__realloc(NULL, size + 1, 1);
    if (!out->data) return TMB_ENOMEM;
    while (out->size <= size) {
        const zip_int64_t got = zip_fread(file, out->data + out->size, size + 1 - out->size);

        if (got < 0) return fail(path, member, zip_file_strerror(file));
        if (got == 0) break;
        out->size += (size_t)got;
    }
    return out->size == size ? 0 : fail(path, member, "its declared size is wrong");
}

static int read_member(tmb__zip_want *want, zip_t *zip, size_t size, const char *path)
{
    const zip_int64_t index = zip_name_locate(zip, want->name, ZIP_FL_ENC_RAW);
    zip_file_t *file;
    zip_stat_t st;
    int status;

    if (index < 0) return want->optional ? 0 : fail(path, want->name, "it is not there");
    zip_stat_init(&st);
    if (zip_stat_index(zip, (zip_uint64_t)index, ZIP_FL_ENC_RAW, &st) != 0) {
        return fail(path, want->name, zip_strerror(zip));
    }
    TMB_TRY(check(&st, size, want->limit, path));
    file = zip_fopen_index(zip, (zip_uint64_t)index, 0);
    if (!file) return fail(path, want->name, zip_strerror(zip));
    status = inflate_member(&want->bytes, file, (size_t)st.size, path, want->name);
    zip_fclose(file);
    return status;
}

static int read_members(tmb__zip_want *wants, int n, zip_t *zip, size_t size, const char *path)
{
    if (zip_get_num_entries(zip, 0) > MEMBERS_LIMIT) {
        return tmb__fail(TMB_EMODEL, "%s: %lld members, the limit is %d", tmb__printable(path),
                (long long)zip_get_num_entries(zip, 0), MEMBERS_LIMIT);
    }
    for (int i = 0; i < n; i++)
        TMB_TRY(read_member(&wants[i], zip, size, path));
    return 0;
}

static int fail_open(const tmb__bytes *archive, const char *path, zip_error_t *error)
{
    if (zip_error_code_zip(error) == ZIP_ER_MEMORY) {
        return tmb__fail(TMB_ENOMEM, "not enough memory to open %s", tmb__printable(path));
    }
    TMB_TRY(tmb__check_kind(archive, "a zip archive", "a zip", path));
    return tmb__fail(TMB_EMODEL, "%s: not a sound zip archive%s: %s", tmb__printable(path),
            archive->size > 0 && archive->data[0] == 'P' ? ", cut off or damaged" : "",
            archive->size < 22 ? "too short" : zip_error_strerror(error));
}

int tmb__zip_members(tmb__zip_want *wants, int n, const char *path)
{
    tmb__bytes archive;
    zip_source_t *source;
    zip_error_t error;
    zip_t *zip = NULL;
    int status;

    for (int i = 0; i < n; i++)
        wants[i].bytes = (tmb__bytes){0};
    TMB_TRY(tmb__file_read(&archive, path, ARCHIVE_LIMIT, TMB_EMODEL));
    zip_error_init(&error);
    source = zip_source_buffer_create(archive.data, archive.size, 0, &error);
    if (source && archive.size >= 22) {
        zip = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
    }
    if (zip) {
        status = read_members(wants, n, zip, archive.size, path);
        zip_discard(zip);
    } else {
        status = fail_open(&archive, path, &error);
        if (source) zip_source_free(source);
    }
    zip_error_fini(&error);
    tmb__free(archive.data);
    for (int i = 0; i < n && status < 0; i++) {
        tmb__free(wants[i].bytes.data);
        wants[i].bytes = (tmb__bytes){0};
    }
    return status;
}

int tmb__zip_member(tmb__bytes *out, const char *path, const char *member)
{
    tmb__zip_want want = {.name = member};
    const int status = tmb__zip_members(&want, 1, path);

    *out = want.bytes;
    return status;
}
