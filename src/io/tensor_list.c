/* tensor_list.c - the tensors of any weights file, one by one, with their mean and deviation */
#include "io/io.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 1024 };

/* Two sums in double: the values are floats, and their mean is small against their range. */
static void measure(const tmb__array *array, tmb_tensor_info *info)
{
    const char *data = array->data;
    float values[CHUNK];
    double sum = 0, squares = 0, n;

    for (int64_t done = 0; done < info->count; done += CHUNK) {
        const int64_t part = TMB_MIN(info->count - done, CHUNK);

        tmb__convert(values, TMB__F32, data + (size_t)done * tmb__dtype_size(array->dtype),
                array->dtype, part);
        for (int64_t i = 0; i < part; i++) {
            const double value = (double)values[i];

            info->nonfinite += !isfinite(values[i]);
            if (!isfinite(values[i])) continue;
            sum += value;
            squares += value * value;
        }
    }
    n = (double)TMB_MAX(info->count - info->nonfinite, 1);
    info->mean = sum / n;
    info->std = sqrt(fmax(squares / n - info->mean * info->mean, 0));
}

static int show(const char *name, const tmb__array *array,
        int (*each)(void *user, const tmb_tensor_info *tensor), void *user)
{
    tmb_tensor_info info = {.name = name,
            .dtype = tmb__dtype_name(array->dtype),
            .rank = array->shape.rank,
            .count = tmb__shape_count(&array->shape)};

    for (int d = 0; d < info.rank; d++)
        info.dim[d] = array->shape.dim[d];
    measure(array, &info);
    return each(user, &info);
}

/* ---- files ---- */

static int read_keras(tmb__tensors *out, const char *path)
{
    tmb__h5_file file;

    int status;

    TMB_TRY(tmb__keras_read(&file, path));
    status = tmb__keras_describe(&file, path);
    if (status == 0) {
        *out = file.tensors;
        file.tensors = (tmb__tensors){0};
    }
    tmb__h5_file_free(&file);
    return status;
}

static int read_npy(tmb__tensors *out, const char *path)
{
    tmb__array array;
    int status;

    *out = (tmb__tensors){.owns = true};
    TMB_TRY(tmb__npy_read(&array, path));
    status = tmb__tensors_add(out, "array", &array);
    if (status < 0) tmb__free(array.data);
    return status;
}

static int read_pack(tmb__tensors *out, const char *path)
{
    tmb__pack pack;

    TMB_TRY(tmb__pack_read(&pack, path));
    *out = pack.tensors;
    tmb__free(pack.json);
    return 0;
}

int tmb__tensors_read(tmb__tensors *out, const char *path)
{
    static const struct {
        const char *ending;
        int (*read)(tmb__tensors *out, const char *path);
    } kinds[] = {{".h5", read_keras}, {".hdf5", read_keras}, {".keras", read_keras},
            {".weights.json", read_keras}, {".npz", tmb__npz_read}, {".npy", read_npy},
            {".safetensors", tmb__safetensors_read}, {".thimble", read_pack}};

    *out = (tmb__tensors){0};
    for (size_t i = 0; i < TMB_COUNT(kinds); i++) {
        if (tmb__ends_with(path, kinds[i].ending)) return kinds[i].read(out, path);
    }
    return tmb__fail(TMB_EINVAL,
            "%s: tensors are read from .h5, .keras, .weights.json, .npz, .npy, .safetensors and "
            ".thimble",
            tmb__printable(path));
}

int tmb_tensors_visit(
        const char *path, int (*each)(void *user, const tmb_tensor_info *tensor), void *user)
{
    tmb__tensors tensors;
    int status = 0;

    if (!path || !each) return tmb__fail(TMB_EINVAL, "%s is NULL", path ? "each" : "path");
    TMB_TRY(tmb__tensors_read(&tensors, path));
    for (int64_t i = 0; i < tensors.n && status == 0; i++)
        status = show(tensors.items[i].name, &tensors.items[i].array, each, user);
    tmb__tensors_free(&tensors);
    return status;
}

int tmb_tensors_convert(const char *from, const char *to)
{
    tmb__tensors tensors;
    int status;

    if (!from || !to) return tmb__fail(TMB_EINVAL, "%s is NULL", from ? "to" : "from");
    if (!tmb__ends_with(to, ".npz") && !tmb__ends_with(to, ".safetensors")) {
        return tmb__fail(TMB_EINVAL,
                "%s: tensors without a net are written as .npz or .safetensors",
                tmb__printable(to));
    }
    TMB_TRY(tmb__tensors_read(&tensors, from));
    if (tmb__ends_with(to, ".npz"))
        status = tmb__npz_write(&tensors, to);
    else
        status = tmb__safetensors_write(&tensors, to);
    tmb__tensors_free(&tensors);
    return status;
}
