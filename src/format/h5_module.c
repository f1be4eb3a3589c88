/* h5_module.c - an HDF5 file, made in memory by libhdf5 (a module of its own)
 *
 * Groups, attributes of text and lists of names, tensors, as Keras' files have them, in HDF5's oldest form:
 * superblock 0, texts as fixed-length strings padded with NUL. What does not fit into an object's header,
 * 64512 bytes, goes the ways that Keras goes (keras/src/legacy/saving/legacy_h5_format.py): lists of names
 * are split into attributes name0, name1, ...; a text becomes a string of any length, which lies
 * elsewhere. The core driver keeps the file in memory: writing it to disk, whole or not at all, is the
 * library's work. libhdf5 is not thread-safe, so a lock guards it. */
#include "format/h5_module.h"

#include <hdf5.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { ATTRIBUTE_LIMIT = 64512, INCREMENT = 1 << 20 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The file being made, and the property lists that everything in it shares. */
typedef struct writer {
    hid_t access, links, data, file;
    const tmb__h5_host *host;
    char *why;
} writer;

static int fail(const writer *w, const char *what, const char *name)
{
    snprintf(w->why, 256, "HDF5 could not make %s \"%s\"", what, name);
    return TMB_EBUG;
}

/* Write `values`, n strings of `size` bytes each, as one attribute; n -1: a single one. */
static int write_strings(hid_t place, const char *name, const char *values, int64_t n, size_t size)
{
    const hsize_t dim = (hsize_t)n;
    const hid_t space = n < 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &dim, NULL);
    const hid_t type = H5Tcopy(H5T_C_S1);
    hid_t attribute = -1;
    int status = -1;

    if (H5Tset_size(type, size) >= 0 && H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0) {
        attribute = H5Acreate2(place, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    }
    if (attribute >= 0 && H5Awrite(attribute, type, values) >= 0) status = 0;
    if (attribute >= 0) H5Aclose(attribute);
    H5Tclose(type);
    H5Sclose(space);
    return status;
}

/* A text that is too long for the header of an object. */
static int write_long(hid_t place, const char *name, const char *text)
{
    const hid_t space = H5Screate(H5S_SCALAR), type = H5Tcopy(H5T_C_S1);
    hid_t attribute = -1;
    int status = -1;

    if (H5Tset_size(type, H5T_VARIABLE) >= 0) {
        attribute = H5Acreate2(place, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    }
    if (attribute >= 0 && H5Awrite(attribute, type, &text) >= 0) status = 0;
    if (attribute >= 0) H5Aclose(attribute);
    H5Tclose(type);
    H5Sclose(space);
    return status;
}

static int write_text(const writer *w, hid_t place, const char *name, const char *text)
{
    const size_t size = strlen(text);
    const int status = size > ATTRIBUTE_LIMIT
            ? write_long(place, name, text)
            : write_strings(place, name, text, -1, TMB_MAX(size, 1));

    return status < 0 ? fail(w, "attribute", name) : 0;
}

/* An empty list of names: NumPy makes a float64 array of it. */
static int write_none(hid_t place, const char *name)
{
    const hsize_t dim = 0;
    const hid_t space = H5Screate_simple(1, &dim, NULL);
    const hid_t attribute =
            H5Acreate2(place, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT);

    H5Sclose(space);
    if (attribute < 0) return -1;
    H5Aclose(attribute);
    return 0;
}

/* The packed strings in `n_chunks` attributes, as even as possible: the first ones get one more. */
static int write_chunks(
        hid_t place, const char *name, const char *values, int64_t n, size_t size, int64_t n_chunks)
{
    char chunk_name[64];

    if (n_chunks == 1) return write_strings(place, name, values, n, size);
    for (int64_t i = 0; i < n_chunks; i++) {
        const int64_t count = n / n_chunks + (i < n % n_chunks);

        snprintf(chunk_name, sizeof chunk_name, "%s%lld", name, (long long)i);
        if (write_strings(place, chunk_name, values, count, size) < 0) return -1;
        values += (size_t)count * size;
    }
    return 0;
}

static int write_names(
        const writer *w, hid_t place, const char *name, const char *const *names, int64_t n)
{
    size_t size = 1;
    int64_t n_chunks = 1;
    char *values;
    int status;

    if (n == 0) return write_none(place, name) < 0 ? fail(w, "attribute", name) : 0;
    for (int64_t i = 0; i < n; i++)
        size = TMB_MAX(size, strlen(names[i]));
    if (size > ATTRIBUTE_LIMIT) return fail(w, "attribute", name);
    while ((size_t)((n + n_chunks - 1) / n_chunks) * size > ATTRIBUTE_LIMIT)
        n_chunks++;
    values = w->host->alloc((size_t)n, size);
    if (!values) return TMB_ENOMEM;
    for (int64_t i = 0; i < n; i++)
        memcpy(values + (size_t)i * size, names[i], strlen(names[i]));
    status = write_chunks(place, name, values, n, size, n_chunks);
    w->host->free(values);
    return status < 0 ? fail(w, "attribute", name) : 0;
}

static int write_tensor(const writer *w, const char *place, const tmb__array *array)
{
    const bool whole = array->dtype == TMB__I64;
    const hid_t type = whole ? H5T_STD_I64LE : H5T_IEEE_F32LE;
    const hid_t memory = whole ? H5T_NATIVE_INT64 : H5T_NATIVE_FLOAT;
    hsize_t dims[TMB__MAX_RANK] = {0};
    hid_t space, data;
    int status = -1;

    for (int d = 0; d < array->shape.rank; d++)
        dims[d] = (hsize_t)array->shape.dim[d];
    space = array->shape.rank ? H5Screate_simple(array->shape.rank, dims, NULL)
                              : H5Screate(H5S_SCALAR);
    data = H5Dcreate2(w->file, place, type, space, w->links, w->data, H5P_DEFAULT);
    if (data >= 0 && H5Dwrite(data, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, array->data) >= 0) {
        status = 0;
    }
    if (data >= 0) H5Dclose(data);
    if (space >= 0) H5Sclose(space);
    return status < 0 ? fail(w, "dataset", place) : 0;
}

static int write_group(const writer *w, const char *place)
{
    const hid_t group = H5Gcreate2(w->file, place, w->links, H5P_DEFAULT, H5P_DEFAULT);

    if (group < 0) return fail(w, "group", place);
    H5Gclose(group);
    return 0;
}

static int write_attribute(const writer *w, const tmb__h5_item *item)
{
    const hid_t place = H5Oopen(w->file, item->place[0] ? item->place : "/", H5P_DEFAULT);
    int status;

    if (place < 0) return fail(w, "attribute", item->name);
    status = item->n < 0 ? write_text(w, place, item->name, item->owned)
                         : write_names(w, place, item->name, item->names, item->n);
    H5Oclose(place);
    return status;
}

static int write_all(const writer *w, const tmb__h5_list *list)
{
    int status = 0;

    for (int64_t i = 0; i < list->n && status == 0; i++) {
        const tmb__h5_item *item = &list->items[i];

        if (item->name)
            status = write_attribute(w, item);
        else if (item->array.data)
            status = write_tensor(w, item->place, &item->array);
        else
            status = write_group(w, item->place);
    }
    return status;
}

/* The bytes of the open file. */
static int take_image(const writer *w, tmb__bytes *out)
{
    ssize_t size = -1;

    if (H5Fflush(w->file, H5F_SCOPE_GLOBAL) >= 0) size = H5Fget_file_image(w->file, NULL, 0);
    if (size < 0) return fail(w, "the image of", "the file");
    out->data = w->host->alloc((size_t)size, 1);
    if (!out->data) return TMB_ENOMEM;
    out->size = (size_t)size;
    if (H5Fget_file_image(w->file, out->data, out->size) == size) return 0;
    w->host->free(out->data);
    *out = (tmb__bytes){0};
    return fail(w, "the image of", "the file");
}

/* Dataset headers carry no times: the same weights give the same bytes. */
static int open_file(writer *w)
{
    w->access = H5Pcreate(H5P_FILE_ACCESS);
    w->links = H5Pcreate(H5P_LINK_CREATE);
    w->data = H5Pcreate(H5P_DATASET_CREATE);
    w->file = -1;
    if (H5Pset_fapl_core(w->access, INCREMENT, false) >= 0 &&
            H5Pset_create_intermediate_group(w->links, 1) >= 0 &&
            H5Pset_obj_track_times(w->data, false) >= 0) {
        w->file = H5Fcreate("weights.h5", H5F_ACC_TRUNC, H5P_DEFAULT, w->access);
    }
    return w->file < 0 ? fail(w, "the file", "in memory") : 0;
}

static void close_file(writer *w)
{
    if (w->file >= 0) H5Fclose(w->file);
    H5Pclose(w->data);
    H5Pclose(w->links);
    H5Pclose(w->access);
}

int tmb_h5_image(tmb__bytes *out, const tmb__h5_list *list, const tmb__h5_host *host, char why[256])
{
    writer w = {.host = host, .why = why};
    H5E_auto2_t print;
    void *print_user;
    int status;

    *out = (tmb__bytes){0};
    pthread_mutex_lock(&lock);
    /* libhdf5 would print its errors; a caller who uses it too gets his setting back. */
    H5Eget_auto2(H5E_DEFAULT, &print, &print_user);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    status = open_file(&w);
    if (status == 0) status = write_all(&w, list);
    if (status == 0) status = take_image(&w, out);
    close_file(&w);
    H5Eset_auto2(H5E_DEFAULT, print, print_user);
    pthread_mutex_unlock(&lock);
    return status;
}
