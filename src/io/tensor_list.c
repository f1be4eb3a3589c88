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

static int show_all(const tmb__tensors *tensors,
        int (*each)(void *user, const tmb_tensor_info *tensor), void *user)
{
    int status = 0;

    for (int64_t i = 0; i < tensors->n && status == 0; i++)
        status = show(tensors->items[i].name, &tensors->items[i].array, each, user);
    return status;
}

static int visit_keras(
        const char *path, int (*each)(void *user, const tmb_tensor_info *tensor), void *user)
{
    tmb__h5_file file;
    int status;

    TMB_TRY(tmb__keras_read(&file, path));
    status = show_all(&file.tensors, each, user);
    tmb__h5_file_free(&file);
    return status;
}

static int visit_npy(
        const char *path, int (*each)(void *user, const tmb_tensor_info *tensor), void *user)
{
    tmb__array array;
    int status;

    TMB_TRY(tmb__npy_read(&array, path));
    status = show("array", &array, each, user);
    tmb__free(array.data);
    return status;
}

static int visit_npz(
        const char *path, int (*each)(void *user, const tmb_tensor_info *tensor), void *user)
{
    tmb__tensors tensors;
    int status;

    TMB_TRY(tmb__npz_read(&tensors, path));
    status = show_all(&tensors, each, user);
    tmb__tensors_free(&tensors);
    return status;
}

static int visit_pack(
        const char *path, int (*each)(void *user, const tmb_tensor_info *tensor), void *user)
{
    tmb__pack pack;
    int status;

    TMB_TRY(tmb__pack_read(&pack, path));
    status = show_all(&pack.tensors, each, user);
    tmb__pack_free(&pack);
    return status;
}

int tmb_tensors_visit(
        const char *path, int (*each)(void *user, const tmb_tensor_info *tensor), void *user)
{
    static const struct {
        const char *ending;
        int (*visit)(const char *path, int (*each)(void *user, const tmb_tensor_info *tensor),
                void *user);
    } kinds[] = {{".h5", visit_keras}, {".hdf5", visit_keras}, {".keras", visit_keras},
            {".npz", visit_npz}, {".npy", visit_npy}, {".thimble", visit_pack}};

    if (!path || !each) return tmb__fail(TMB_EINVAL, "%s is NULL", path ? "each" : "path");
    for (size_t i = 0; i < TMB_COUNT(kinds); i++) {
        if (tmb__ends_with(path, kinds[i].ending)) return kinds[i].visit(path, each, user);
    }
    return tmb__fail(TMB_EINVAL, "%s: tensors are listed of .h5, .keras, .npz, .npy and .thimble",
            tmb__printable(path));
}
