/* weights_file.c - weights alone: files into a net, and a net's weights to .npz, .safetensors and .h5 */
#include "io/json_get.h"

#include <stdio.h>
#include <string.h>

enum { CHUNK = 1024, NAME_SIZE = 160 };

/* "weight/conv2d/kernel" */
static void tensor_name(char name[NAME_SIZE], const char *prefix, const tmb__layer *layer, int i)
{
    snprintf(name, NAME_SIZE, "%s%s/%s", prefix, layer->name, layer->weight[i].name);
}

/* ---- into a net ---- */

int64_t tmb__array_nonfinite(const tmb__array *array, int64_t *first)
{
    const int64_t n = tmb__shape_count(&array->shape);
    const char *data = array->data;
    float values[CHUNK];
    int64_t count = 0, at = -1;

    if (array->dtype == TMB__F32) return tmb__count_nonfinite(array->data, n, first);
    for (int64_t done = 0; done < n; done += CHUNK) {
        const int64_t part = TMB_MIN(n - done, CHUNK);
        int64_t here, bad;

        tmb__convert(values, TMB__F32, data + (size_t)done * tmb__dtype_size(array->dtype),
                array->dtype, part);
        bad = tmb__count_nonfinite(values, part, &here);
        if (bad && count == 0) at = done + here;
        count += bad;
    }
    *first = at;
    return count;
}

static bool is_float(tmb__dtype dtype)
{
    return dtype == TMB__F32 || dtype == TMB__F64 || dtype == TMB__F16 || dtype == TMB__BF16;
}

static int fail_missing(
        const tmb__tensors *tensors, const tmb__weight *weight, const char *name, const char *what)
{
    tmb__fail(TMB_EMODEL, "%s: tensor \"%s\" is missing, expected %s", tmb__printable(what),
            tmb__printable(name), tmb__shape_text(&weight->shape));
    for (int64_t t = 0; t < tensors->n; t++) {
        if (!tmb__shape_equal(&tensors->items[t].array.shape, &weight->shape)) continue;
        tmb__detail("the file's \"%s\" has that shape", tmb__printable(tensors->items[t].name));
        break;
    }
    return TMB_EMODEL;
}

static int check_weight(
        const tmb__tensors *tensors, const tmb__weight *weight, const char *name, const char *what)
{
    const tmb__array *found = tmb__tensors_find(tensors, name);
    int64_t first, bad;

    if (!found) return fail_missing(tensors, weight, name, what);
    if (!is_float(found->dtype)) {
        return tmb__fail(TMB_EMODEL, "%s: tensor \"%s\" is %s, expected float32",
                tmb__printable(what), tmb__printable(name), tmb__dtype_name(found->dtype));
    }
    if (!tmb__shape_equal(&found->shape, &weight->shape)) {
        tmb__fail(TMB_EMODEL, "%s: tensor \"%s\" is %s, expected %s", tmb__printable(what),
                tmb__printable(name), tmb__shape_text(&found->shape),
                tmb__shape_text(&weight->shape));
        tmb__hint("%s", tmb__likely_cause(&found->shape, &weight->shape));
        return TMB_EMODEL;
    }
    bad = tmb__array_nonfinite(found, &first);
    if (bad == 0) return 0;
    return tmb__fail(TMB_EMODEL,
            "%s: tensor \"%s\": %lld of %lld values are not finite, the first at %lld",
            tmb__printable(what), tmb__printable(name), (long long)bad,
            (long long)tmb__shape_count(&found->shape), (long long)first);
}

/* There are more tensors than weights: name one that is nobody's. */
static int fail_extra(
        const tmb_model *model, const tmb__tensors *tensors, const char *prefix, const char *what)
{
    for (int64_t t = 0; t < tensors->n; t++) {
        const char *name = tensors->items[t].name;
        bool known = strncmp(name, prefix, strlen(prefix)) != 0;

        for (int k = 0; k < model->n_layers && !known; k++) {
            for (int i = 0; i < model->layers[k].n_weights && !known; i++) {
                char expected[NAME_SIZE];

                tensor_name(expected, prefix, &model->layers[k], i);
                known = strcmp(name, expected) == 0;
            }
        }
        if (known) continue;
        return tmb__fail(TMB_EMODEL, "%s: tensor \"%s\" belongs to no layer of the net",
                tmb__printable(what), tmb__printable(name));
    }
    return 0;
}

static int check_all(
        const tmb_model *model, const tmb__tensors *tensors, const char *prefix, const char *what)
{
    int64_t n_weights = 0, n_tensors = 0;

    for (int k = 0; k < model->n_layers; k++) {
        const tmb__layer *layer = &model->layers[k];

        for (int i = 0; i < layer->n_weights; i++) {
            char name[NAME_SIZE];

            tensor_name(name, prefix, layer, i);
            TMB_TRY(check_weight(tensors, &layer->weight[i], name, what));
        }
        n_weights += layer->n_weights;
    }
    for (int64_t t = 0; t < tensors->n; t++)
        n_tensors += strncmp(tensors->items[t].name, prefix, strlen(prefix)) == 0;
    return n_tensors > n_weights ? fail_extra(model, tensors, prefix, what) : 0;
}

/* All is checked before the first weight is changed. Stored pairs belong to the old weights. */
int tmb__weights_from_tensors(
        tmb_model *model, const tmb__tensors *tensors, const char *prefix, const char *what)
{
    TMB_TRY(check_all(model, tensors, prefix, what));
    for (int k = 0; k < model->n_layers; k++) {
        const tmb__layer *layer = &model->layers[k];

        for (int i = 0; i < layer->n_weights; i++) {
            const tmb__array *found;
            char name[NAME_SIZE];

            tensor_name(name, prefix, layer, i);
            found = tmb__tensors_find(tensors, name);
            tmb__convert(model->weights + layer->weight[i].offset, TMB__F32, found->data,
                    found->dtype, tmb__shape_count(&found->shape));
        }
    }
    tmb__weights_changed(model);
    return 0;
}

void tmb__weights_changed(tmb_model *model)
{
    tmb__free(model->golden);
    model->golden = NULL;
    model->n_golden = 0;
    tmb__model_touch(model);
}

bool tmb__ends_with(const char *text, const char *ending)
{
    const size_t m = strlen(ending);
    size_t n = strlen(text);

    while (n > 0 && text[n - 1] == '/')
        n--;
    return n >= m && memcmp(text + n - m, ending, m) == 0;
}

static int load_own(
        tmb_model *model, const char *path, const tmb_load_opts *opts, tmb_load_report *report)
{
    const bool pack = tmb__ends_with(path, ".thimble");
    tmb__tensors tensors;
    int status;

    if (!pack && !tmb__ends_with(path, ".npz") && !tmb__ends_with(path, ".safetensors")) {
        return tmb__fail(TMB_EINVAL,
                "%s: weights are read from .thimble, .npz, .safetensors, .h5, .keras and "
                ".weights.json",
                tmb__printable(path));
    }
    if (opts->by_name || opts->prefix || opts->kernel_order || opts->flip || opts->dense_order) {
        return tmb__fail(TMB_EINVAL,
                "%s: by_name, prefix and the orders are for Keras' .h5 and .keras",
                tmb__printable(path));
    }
    TMB_TRY(tmb__tensors_read(&tensors, path));
    status = tmb__weights_from_tensors(model, &tensors, pack ? "weight/" : "", path);
    tmb__tensors_free(&tensors);
    if (status < 0) return status;
    for (int k = 0; k < model->n_layers; k++)
        report->loaded += model->layers[k].n_weights > 0;
    return 0;
}

int tmb_model_load_weights_as(
        tmb_model *model, const char *path, const tmb_load_opts *opts, tmb_load_report *report)
{
    const tmb_load_opts given = opts ? *opts : (tmb_load_opts){0};
    tmb_load_report done = {0};

    if (report) *report = done;
    TMB_TRY(tmb_model_check(model));
    if (!path) return tmb__fail(TMB_EINVAL, "path is NULL");
    if (given.kernel_order > TMB_KERNEL_OIHW || given.flip > TMB_FLIP_YES ||
            given.dense_order > TMB_DENSE_CHW) {
        return tmb__fail(TMB_EINVAL, "kernel_order, flip and dense_order are 0, 1 or 2");
    }
    if (tmb__keras_takes(path))
        TMB_TRY(tmb__keras_load(model, path, &given, &done));
    else
        TMB_TRY(load_own(model, path, &given, &done));
    tmb__model_forget(model, 1);
    if (report) *report = done;
    return 0;
}

int tmb_model_load_weights(tmb_model *model, const char *path)
{
    return tmb_model_load_weights_as(model, path, NULL, NULL);
}

/* ---- out of a net ---- */

/* What no reader would take is not written. */
static int check_finite(const tmb__layer *layer, const tmb__weight *weight, const float *values)
{
    const int64_t n = tmb__shape_count(&weight->shape);
    int64_t first, bad = tmb__count_nonfinite(values, n, &first);

    if (bad == 0) return 0;
    return tmb__fail(TMB_EDIVERGED,
            "weight %s/%s: %lld of %lld values are not finite, the first at %lld",
            tmb__printable(layer->name), weight->name, (long long)bad, (long long)n,
            (long long)first);
}

int tmb__weights_finite(const tmb_model *model)
{
    for (int k = 0; k < model->n_layers; k++) {
        const tmb__layer *layer = &model->layers[k];

        for (int i = 0; i < layer->n_weights; i++)
            TMB_TRY(check_finite(
                    layer, &layer->weight[i], model->weights + layer->weight[i].offset));
    }
    return 0;
}

int tmb__weights_to_tensors(tmb__tensors *list, const tmb_model *model, const char *prefix)
{
    for (int k = 0; k < model->n_layers; k++) {
        const tmb__layer *layer = &model->layers[k];

        for (int i = 0; i < layer->n_weights; i++) {
            const tmb__weight *weight = &layer->weight[i];
            float *values = model->weights + weight->offset;
            const tmb__array array = {TMB__F32, weight->shape, values};
            char name[NAME_SIZE];

            tensor_name(name, prefix, layer, i);
            TMB_TRY(check_finite(layer, weight, values));
            TMB_TRY(tmb__tensors_add(list, name, &array));
        }
    }
    return 0;
}

static int save_tensors(const tmb_model *model, const char *path)
{
    tmb__tensors list = {0};
    int status = tmb__weights_to_tensors(&list, model, "");

    if (status == 0 && tmb__ends_with(path, ".npz"))
        status = tmb__npz_write(&list, path);
    else if (status == 0)
        status = tmb__safetensors_write(&list, path);
    tmb__tensors_free(&list);
    return status;
}

int tmb_model_save_weights(const tmb_model *model, const char *path)
{
    if (!model || !path) return tmb__fail(TMB_EINVAL, "%s is NULL", model ? "path" : "model");
    if (model->failure.status < 0) return tmb__failure_raise(&model->failure);
    if (tmb__ends_with(path, ".npz") || tmb__ends_with(path, ".safetensors"))
        return save_tensors(model, path);
    if (tmb__ends_with(path, ".h5")) return tmb_model_export(model, path, NULL);
    return tmb__fail(TMB_EINVAL,
            "%s: the ending picks the format, expected .h5, .npz or .safetensors",
            tmb__printable(path));
}
