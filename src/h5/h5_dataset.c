/* h5_dataset.c - one dataset as a tensor
 *
 * All is checked before memory is taken: where the bytes are, by which filters they go, their type,
 * their shape, and that the file holds about as many bytes as it declares. The type in memory is ours,
 * never the file's. */
#include "h5/h5_program.h"

#include <stdlib.h>
#include <string.h>

/* What a dataset says of itself. */
typedef struct shape {
    int rank;
    hsize_t dim[TMB_H5_RANK_LIMIT];
    uint64_t count;
} shape;

static void check_storage(const walk *w, hid_t dataset)
{
    static const char *const filters = "1 (deflate), 2 (shuffle), 3 (fletcher32)";
    const hid_t made = H5Dget_create_plist(dataset);
    H5D_layout_t layout;
    int n;

    if (made < 0) out_refuse("damaged: dataset \"%s\" has no layout", w->path);
    layout = H5Pget_layout(made);
    if (layout == H5D_VIRTUAL) out_refuse("virtual dataset \"%s\" refused", w->path);
    if (layout != H5D_CONTIGUOUS && layout != H5D_COMPACT && layout != H5D_CHUNKED) {
        out_refuse("dataset \"%s\" has an unknown layout", w->path);
    }
    if (H5Pget_external_count(made) != 0) {
        out_refuse("dataset \"%s\" uses external storage, refused", w->path);
    }
    n = H5Pget_nfilters(made);
    if (n < 0 || n > 3) out_refuse("dataset \"%s\" has %d filters, at most 3", w->path, n);
    for (int i = 0; i < n; i++) {
        unsigned flags, config;
        size_t n_values = 0;
        const int id =
                (int)H5Pget_filter2(made, (unsigned)i, &flags, &n_values, NULL, 0, NULL, &config);

        if (id >= 1 && id <= 3) continue;
        out_refuse("dataset \"%s\" needs filter %d, expected %s", w->path, id, filters);
    }
    H5Pclose(made);
}

static shape shape_of(const walk *w, hid_t dataset)
{
    const hid_t space = H5Dget_space(dataset);
    shape s = {.count = 1};

    if (space < 0) out_refuse("damaged: dataset \"%s\" has no shape", w->path);
    s.rank = H5Sget_simple_extent_ndims(space);
    if (H5Sget_simple_extent_type(space) == H5S_NULL) {
        out_refuse("dataset \"%s\" has no elements", w->path);
    }
    if (s.rank < 0 || s.rank > TMB_H5_RANK_LIMIT) {
        out_refuse(
                "dataset \"%s\" has %d dimensions, at most %d", w->path, s.rank, TMB_H5_RANK_LIMIT);
    }
    if (H5Sget_simple_extent_dims(space, s.dim, NULL) < 0) {
        out_refuse("damaged: dataset \"%s\" has no shape", w->path);
    }
    for (int d = 0; d < s.rank; d++) {
        if (s.dim[d] == 0) out_refuse("dataset \"%s\" has no elements", w->path);
        if (s.count > TMB_H5_BYTES_LIMIT / s.dim[d]) {
            out_refuse("dataset \"%s\" declares more than %llu elements", w->path,
                    (unsigned long long)TMB_H5_BYTES_LIMIT);
        }
        s.count *= s.dim[d];
    }
    H5Sclose(space);
    return s;
}

/* HDF5 has no name for a float of 16 bits: sign, 5 bits of exponent, 10 of mantissa. */
static hid_t float16_type(void)
{
    const hid_t type = H5Tcopy(H5T_IEEE_F32LE);

    if (H5Tset_fields(type, 15, 10, 5, 0, 10) < 0 || H5Tset_size(type, 2) < 0 ||
            H5Tset_ebias(type, 15) < 0) {
        out_refuse("libhdf5 knows no float16");
    }
    return type;
}

static bool same_type(hid_t a, hid_t b)
{
    const hid_t swapped = H5Tcopy(b);
    bool same = H5Tequal(a, b) > 0;

    H5Tset_order(swapped, H5T_ORDER_BE);
    same = same || H5Tequal(a, swapped) > 0;
    H5Tclose(swapped);
    return same;
}

static const char *class_words(H5T_class_t class)
{
    static const char *const words[H5T_NCLASSES] = {"integers", "floats of an unknown form",
            "times", "strings", "bit fields", "opaque bytes", "compounds", "references",
            "enumerations", "strings of any length or lists", "arrays"};

    return class >= 0 && class < H5T_NCLASSES ? words[class] : "an unknown type";
}

/* The type on the stream, and in *memory the one to read with: little-endian. */
static uint32_t element_type(const walk *w, hid_t dataset, hid_t *memory, size_t *size)
{
    const hid_t type = H5Dget_type(dataset), half = float16_type();
    const H5T_class_t class = H5Tget_class(type);
    const size_t bytes = H5Tget_size(type);
    uint32_t found = 0;

    if (class == H5T_FLOAT && same_type(type, H5T_IEEE_F32LE)) {
        *memory = H5T_IEEE_F32LE;
        found = TMB_H5_F32;
    } else if (class == H5T_FLOAT && same_type(type, H5T_IEEE_F64LE)) {
        *memory = H5T_IEEE_F64LE;
        found = TMB_H5_F64;
    } else if (class == H5T_FLOAT && same_type(type, half)) {
        *memory = half;
        found = TMB_H5_F16;
    } else if (class == H5T_INTEGER && bytes == 2 && attribute_is(dataset, "dtype", "bfloat16")) {
        *memory = H5T_STD_U16LE;
        found = TMB_H5_BF16;
    } else if (class == H5T_INTEGER && bytes <= 8) {
        *memory = H5T_STD_I64LE;
        found = TMB_H5_I64;
    } else {
        out_refuse("dataset \"%s\": expected float32, found %s", w->path, class_words(class));
    }
    *size = H5Tget_size(*memory);
    H5Tclose(type);
    return found;
}

/* Few bytes can declare many: each tensor, and all together, must be about as large as what is there.
 * What is not packed must be there byte by byte; integers come out wider than they are. */
static void check_size(walk *w, hid_t dataset, const shape *s, size_t size)
{
    const hid_t type = H5Dget_type(dataset);
    const uint64_t in_file = s->count * H5Tget_size(type), stored = H5Dget_storage_size(dataset);
    const hid_t made = H5Dget_create_plist(dataset);
    const bool chunked = H5Pget_layout(made) == H5D_CHUNKED;

    if (chunked ? in_file / TMB_H5_RATIO > stored + 1024 || stored > w->file_size
                : stored != in_file || stored > w->file_size) {
        out_refuse("dataset \"%s\" declares %llu bytes, stores %llu", w->path,
                (unsigned long long)in_file, (unsigned long long)stored);
    }
    w->bytes += s->count * size;
    if (w->bytes > TMB_H5_BYTES_LIMIT ||
            w->bytes / TMB_H5_RATIO > w->file_size + TMB_H5_FREE / 64) {
        out_refuse("the datasets up to \"%s\" declare %llu bytes, the file has %llu", w->path,
                (unsigned long long)w->bytes, (unsigned long long)w->file_size);
    }
    if (++w->n_tensors > TMB_H5_TENSOR_LIMIT) {
        out_refuse("more than %d datasets", TMB_H5_TENSOR_LIMIT);
    }
    H5Pclose(made);
    H5Tclose(type);
}

void send_dataset(walk *w, hid_t dataset)
{
    hid_t memory = -1;
    uint32_t type;
    size_t size = 0;
    uint64_t bytes;
    void *data;
    shape s;

    check_storage(w, dataset);
    type = element_type(w, dataset, &memory, &size);
    s = shape_of(w, dataset);
    check_size(w, dataset, &s, size);
    bytes = s.count * size;
    data = malloc((size_t)bytes);
    if (!data) {
        out_refuse("dataset \"%s\" of %llu bytes needs more memory than a file of this size may",
                w->path, (unsigned long long)bytes);
    }
    if (H5Dread(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) {
        out_refuse("damaged: the values of dataset \"%s\" cannot be read", w->path);
    }
    out_record(TMB_H5_TENSOR, 4 + w->path_len + 8 + 8 * (uint64_t)s.rank + 8 + bytes);
    out_text(w->path, w->path_len);
    out_u32(type);
    out_u32((uint32_t)s.rank);
    for (int d = 0; d < s.rank; d++)
        out_u64(s.dim[d]);
    out_u64(bytes);
    out_bytes(data, (size_t)bytes);
    free(data);
}
