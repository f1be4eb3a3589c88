/* statistics_file.c - the preprocessing's statistics in a model file: JSON and tensors, and back */
#include "io/json_get.h"

#include <stdio.h>
#include <string.h>

enum { ARRAYS = 3 };

static const char *const names[ARRAYS] = {"mean", "std", "whitening"};

/* The three arrays of `info`, and their shapes: (c) or (h, w, c), and (d, d). */
static void list_arrays(const tmb_statistics_info *info, const float **values[ARRAYS],
        tmb__shape shape[ARRAYS], tmb_statistics_info *into)
{
    const int64_t h = info->shape[0], w = info->shape[1], c = info->shape[2], d = h * w * c;
    const int64_t all[3] = {h, w, c}, square[2] = {d, d};

    values[0] = &into->mean;
    values[1] = &into->std;
    values[2] = &into->whitening;
    shape[0] = shape[1] = info->per_pixel ? tmb__shape_of(3, all) : tmb__shape_of(1, &c);
    shape[2] = tmb__shape_of(2, square);
}

void tmb__statistics_text(tmb__strbuf *sb, const tmb_statistics *statistics)
{
    tmb_statistics_info info = {0};

    tmb_statistics_get(statistics, &info);
    tmb__strbuf_add(sb, ",\"statistics\":{\"shape\":[%d,%d,%d],\"per_pixel\":%s,\"epsilon\":%.9g}",
            info.shape[0], info.shape[1], info.shape[2], info.per_pixel ? "true" : "false",
            (double)info.epsilon);
}

int tmb__statistics_tensors(tmb__tensors *list, const tmb_statistics *statistics)
{
    tmb_statistics_info info = {0};
    const float **values[ARRAYS];
    tmb__shape shape[ARRAYS];

    if (!statistics) return 0;
    TMB_TRY(tmb_statistics_get(statistics, &info));
    list_arrays(&info, values, shape, &info);
    for (int i = 0; i < ARRAYS; i++) {
        /* Lists borrow what they write. */
        const tmb__array array = {TMB__F32, shape[i], (void *)(uintptr_t)*values[i]};
        char name[32];

        if (!*values[i]) continue;
        snprintf(name, sizeof name, "preprocess/%s", names[i]);
        TMB_TRY(tmb__tensors_add(list, name, &array));
    }
    return 0;
}

static int take_array(
        const float **values, const tmb__named *item, const tmb__shape *shape, const char *what)
{
    if (item->array.dtype != TMB__F32 || !tmb__shape_equal(&item->array.shape, shape))
        return tmb__fail(TMB_EMODEL, "%s: \"%s\" is %s of %s, expected float32 of %s",
                tmb__printable(what), item->name, tmb__dtype_name(item->array.dtype),
                tmb__shape_text(&item->array.shape), tmb__shape_text(shape));
    *values = item->array.data;
    return 0;
}

/* Each tensor below preprocess/ is one of the three, and none is there without the member. */
static int take_tensors(
        tmb_statistics_info *info, const tmb__tensors *tensors, bool any, const char *what)
{
    const float **values[ARRAYS];
    tmb__shape shape[ARRAYS];

    list_arrays(info, values, shape, info);
    for (int64_t i = 0; i < tensors->n; i++) {
        const tmb__named *item = &tensors->items[i];
        int k = 0;

        if (strncmp(item->name, "preprocess/", 11) != 0) continue;
        while (k < ARRAYS && strcmp(item->name + 11, names[k]) != 0)
            k++;
        if (k == ARRAYS || !any)
            return tmb__fail(TMB_EMODEL, "%s: nothing asks for the tensor \"%s\"",
                    tmb__printable(what), tmb__printable(item->name));
        TMB_TRY(take_array(values[k], item, &shape[k], what));
    }
    return 0;
}

int tmb__statistics_load(
        tmb_statistics **out, const json_t *json, const tmb__tensors *tensors, const char *what)
{
    tmb_statistics_info info = {0};
    int status;

    *out = NULL;
    if (json &&
            (json_object_size(json) != 3 ||
                    !tmb__json_ints(json_object_get(json, "shape"), info.shape, 3) ||
                    !tmb__json_bool(json_object_get(json, "per_pixel"), &info.per_pixel) ||
                    !tmb__json_float(json_object_get(json, "epsilon"), &info.epsilon)))
        return tmb__fail(TMB_EMODEL,
                "%s: preprocess: \"statistics\" is not shape, per_pixel, epsilon",
                tmb__printable(what));
    for (int i = 0; i < 3; i++)
        if (info.shape[i] < 0 || info.shape[i] > 65535) info.shape[i] = 0; /* refused below */
    if (tensors) TMB_TRY(take_tensors(&info, tensors, json != NULL, what));
    if (!json) return 0;
    if (!info.mean)
        return tmb__fail(TMB_EMODEL, "%s: the statistics of \"preprocess\" are not there",
                tmb__printable(what));
    status = tmb_statistics_new(out, &info);
    return status < 0 ? tmb__refuse(status, what) : 0;
}
