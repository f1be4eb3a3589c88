/* keras_load.c - weights of Keras' files into a net: .h5 of every age, .weights.h5, .keras
 *
 * How the numbers lie is decided for the whole file and reported (keras/src/legacy/saving, Keras 2's
 * preprocess_weights_for_loading, and conv_utils.convert_kernel of 2016):
 * - kernels (out, in, height, width), Theano's order, where only that shape fits, or the file is from
 *   2016; all others (height, width, in, out);
 * - turned by 180 degrees, since Theano convolves and everyone else correlates, if the file says it is
 *   Theano's by its backend, its age or its name ("th_kernels");
 * - rows of a dense layer behind a flatten (c, h, w), if the net had its channels first and Keras was
 *   older than 2.2, whose Flatten puts them last itself.
 * PITFALL: a wrong turn or order raises nothing, the shapes are equal; only the accuracy suffers. */
#include "io/keras_h5.h"

#include <stdlib.h>
#include <string.h>

/* What is done with the numbers of one file. */
typedef struct loading {
    tmb__keras_file file;
    tmb_model *model;
    const tmb__keras_place *places; /* of the net's layers; NULL: not known */
    tmb_load_opts opts;             /* decided: none is 0 */
    int *source;                    /* the file's layer for each of the net's */
    float *values;                  /* room for the largest weight */
} loading;

/* ---- deciding ---- */

static bool is_kernel(const tmb__weight *weight)
{
    return weight->shape.rank == 4;
}

/* The shape that a kernel (h, w, in, out) has as (out, in, h, w). */
static tmb__shape oihw_shape(const tmb__shape *s)
{
    return (tmb__shape){4, {s->dim[3], s->dim[2], s->dim[0], s->dim[1]}};
}

static const tmb__array *array_of(const loading *l, int layer, int weight)
{
    return l->file.weights[l->file.layers[l->source[layer]].first + weight].array;
}

/* Votes of the kernels whose shape fits in one order only. */
static void count_orders(const loading *l, int *hwio, int *oihw)
{
    *hwio = *oihw = 0;
    for (int k = 0; k < l->model->n_layers; k++) {
        const tmb__layer *layer = &l->model->layers[k];

        for (int i = 0; i < layer->n_weights && l->source[k] >= 0; i++) {
            const tmb__shape *found = &array_of(l, k, i)->shape;
            const tmb__shape turned = oihw_shape(&layer->weight[i].shape);
            const bool plain = tmb__shape_equal(found, &layer->weight[i].shape);

            if (!is_kernel(&layer->weight[i])) continue;
            *hwio += plain && !tmb__shape_equal(found, &turned);
            *oihw += !plain && tmb__shape_equal(found, &turned);
        }
    }
}

static bool config_says(const tmb__keras_file *file, const char *text)
{
    return file->config && strstr(file->config, text);
}

static tmb_kernel_order decide_order(const loading *l)
{
    int hwio, oihw;

    count_orders(l, &hwio, &oihw);
    if (hwio || oihw) return oihw > hwio ? TMB_KERNEL_OIHW : TMB_KERNEL_HWIO;
    if (l->file.layout == TMB__KERAS_2016) return TMB_KERNEL_OIHW;
    return l->file.version[0] == 1 && config_says(&l->file, "\"dim_ordering\": \"th\"")
            ? TMB_KERNEL_OIHW
            : TMB_KERNEL_HWIO;
}

static tmb_kernel_flip decide_flip(const loading *l)
{
    const tmb__keras_file *file = &l->file;
    const char *slash = strrchr(file->what, '/'), *name = slash ? slash + 1 : file->what;

    if (file->layout == TMB__KERAS_3) return TMB_FLIP_NO;
    if (file->layout == TMB__KERAS_2016) return TMB_FLIP_YES;
    if (file->backend) return strcmp(file->backend, "theano") == 0 ? TMB_FLIP_YES : TMB_FLIP_NO;
    if (strstr(name, "th_kernels")) return TMB_FLIP_YES;
    if (strstr(name, "tf_kernels")) return TMB_FLIP_NO;
    if (l->opts.kernel_order == TMB_KERNEL_HWIO) return TMB_FLIP_NO;
    TMB_LOG(WARN,
            "%s: kernels in Theano's order, and no word on who made them: they are turned as "
            "Theano's are",
            tmb__printable(file->what));
    return TMB_FLIP_YES;
}

static tmb_dense_order decide_dense(const loading *l)
{
    const tmb__keras_file *file = &l->file;
    const bool old = file->version[0] < 2 || (file->version[0] == 2 && file->version[1] < 2);

    if (l->model->file_rows) return l->model->file_rows;
    if (file->layout == TMB__KERAS_3) return TMB_DENSE_HWC;
    if (l->opts.kernel_order == TMB_KERNEL_OIHW) return TMB_DENSE_CHW;
    return old && config_says(file, "channels_first") ? TMB_DENSE_CHW : TMB_DENSE_HWC;
}

static void decide(loading *l)
{
    tmb_load_opts *opts = &l->opts;

    if (!opts->kernel_order) opts->kernel_order = decide_order(l);
    if (!opts->flip) opts->flip = decide_flip(l);
    if (!opts->dense_order) opts->dense_order = decide_dense(l);
    TMB_LOG(INFO, "%s: %s, kernels %s, %s, rows behind a flatten (%s)",
            tmb__printable(l->file.what), l->file.label,
            opts->kernel_order == TMB_KERNEL_OIHW ? "(out, in, height, width)"
                                                  : "(height, width, in, out)",
            opts->flip == TMB_FLIP_YES ? "turned by 180 degrees" : "not turned",
            opts->dense_order == TMB_DENSE_CHW ? "c, h, w" : "h, w, c");
}

/* ---- checking ---- */

/* Layers whose output has its values where its input had them. */
static bool moves_nothing(tmb__layer_kind kind)
{
    switch (kind) {
    case TMB__LAYER_ACTIVATION:
    case TMB__LAYER_RELU:
    case TMB__LAYER_LEAKY_RELU:
    case TMB__LAYER_ELU:
    case TMB__LAYER_SOFTMAX:
    case TMB__LAYER_DROPOUT:
    case TMB__LAYER_GAUSSIAN_DROPOUT:
    case TMB__LAYER_GAUSSIAN_NOISE:
    case TMB__LAYER_BATCHNORM:
        return true;
    default:
        return false;
    }
}

/* What a layer's rows are counted by: the (h, w, c) that a flatten before it read; NULL: no flatten, or
 * one that moves nothing. */
static const tmb__shape *flattened(const tmb_model *model, int layer)
{
    const tmb__layer *at = &model->layers[layer];
    const tmb__shape *s;

    if (at->kind != TMB__LAYER_DENSE && at->kind != TMB__LAYER_BATCHNORM) return NULL;
    do {
        if (at->n_from != 1) return NULL;
        at = &model->layers[at->from[0] - 1];
    } while (moves_nothing(at->kind));
    if (at->kind != TMB__LAYER_FLATTEN || at->n_from != 1) return NULL;
    s = &model->layers[at->from[0] - 1].out;
    return s->rank == 3 && s->dim[2] > 1 && s->dim[0] * s->dim[1] > 1 ? s : NULL;
}

static int check_weight(const loading *l, int k, int i)
{
    const tmb__weight *weight = &l->model->layers[k].weight[i];
    const tmb__array *array = array_of(l, k, i);
    const tmb__keras_layer *from = &l->file.layers[l->source[k]];
    const tmb__shape turned = oihw_shape(&weight->shape);
    const tmb__shape *expected =
            is_kernel(weight) && l->opts.kernel_order == TMB_KERNEL_OIHW ? &turned : &weight->shape;
    int64_t first, bad;

    if (array->dtype == TMB__I64 && weight->shape.rank > 0) { /* a count may be one */
        return tmb__fail(TMB_EMODEL,
                "%s: layer \"%s\" (\"%s\" in the file): %s holds integers, "
                "expected float32",
                tmb__printable(l->file.what), tmb__printable(l->model->layers[k].name),
                tmb__printable(from->name), weight->name);
    }
    if (!tmb__shape_equal(&array->shape, expected)) {
        return tmb__keras_mismatch(&l->file, l->model, k, i, l->source[k]);
    }
    bad = tmb__array_nonfinite(array, &first);
    if (bad == 0) return 0;
    return tmb__fail(TMB_EMODEL,
            "%s: layer \"%s\" (\"%s\" in the file): %lld of %lld values of %s are not finite, the "
            "first at %lld",
            tmb__printable(l->file.what), tmb__printable(l->model->layers[k].name),
            tmb__printable(from->name), (long long)bad, (long long)tmb__shape_count(&array->shape),
            weight->name, (long long)first);
}

/* All is checked, and all memory taken, before the first weight changes. */
static int check_all(loading *l)
{
    int64_t most = 1;

    for (int k = 0; k < l->model->n_layers; k++) {
        const tmb__layer *layer = &l->model->layers[k];

        for (int i = 0; i < layer->n_weights && l->source[k] >= 0; i++) {
            TMB_TRY(check_weight(l, k, i));
            most = TMB_MAX(most, tmb__shape_count(&layer->weight[i].shape));
        }
    }
    l->values = tmb__realloc(NULL, (size_t)most, sizeof *l->values);
    return l->values ? 0 : TMB_ENOMEM;
}

/* ---- moving ---- */

/* dst (h, w, in, out) from src, that or (out, in, h, w), turned or not. */
static void move_kernel(
        float *dst, const float *src, const tmb__shape *s, const tmb_load_opts *opts)
{
    const int64_t kh = s->dim[0], kw = s->dim[1], in = s->dim[2], out = s->dim[3];
    const bool flip = opts->flip == TMB_FLIP_YES, oihw = opts->kernel_order == TMB_KERNEL_OIHW;
    const int64_t step[4] = {oihw ? kw : kw * in * out, oihw ? 1 : in * out, oihw ? kh * kw : out,
            oihw ? in * kh * kw : 1};

    for (int64_t t = 0; t < kh * kw; t++) {
        const int64_t y = flip ? kh - 1 - t / kw : t / kw, x = flip ? kw - 1 - t % kw : t % kw;

        for (int64_t i = 0; i < in; i++) {
            for (int64_t o = 0; o < out; o++)
                *dst++ = src[y * step[0] + x * step[1] + i * step[2] + o * step[3]];
        }
    }
}

/* Row (h, w, c) of dst is row (c, h, w) of src. */
static void move_rows(float *dst, const float *src, const tmb__shape *hwc, int64_t units)
{
    const int64_t area = hwc->dim[0] * hwc->dim[1], c_n = hwc->dim[2];

    for (int64_t at = 0; at < area; at++) {
        for (int64_t c = 0; c < c_n; c++, dst += units)
            memcpy(dst, src + (c * area + at) * units, (size_t)units * sizeof *dst);
    }
}

static void move_weight(const loading *l, int k, int i)
{
    const tmb__layer *layer = &l->model->layers[k];
    const tmb__weight *weight = &layer->weight[i];
    const tmb__array *array = array_of(l, k, i);
    const int64_t n = tmb__shape_count(&weight->shape);
    const tmb__shape *hwc = flattened(l->model, k);
    float *dst = l->model->weights + weight->offset;

    tmb__convert(l->values, TMB__F32, array->data, array->dtype, n);
    if (is_kernel(weight))
        move_kernel(dst, l->values, &weight->shape, &l->opts);
    else if (l->opts.dense_order == TMB_DENSE_CHW && hwc &&
            weight->shape.dim[0] == hwc->dim[0] * hwc->dim[1] * hwc->dim[2])
        move_rows(dst, l->values, hwc, n / weight->shape.dim[0]);
    else
        memcpy(dst, l->values, (size_t)n * sizeof *dst);
}

static void move_all(const loading *l, tmb_load_report *report)
{
    for (int k = 0; k < l->model->n_layers; k++) {
        const tmb__layer *layer = &l->model->layers[k];

        report->loaded += layer->n_weights > 0 && l->source[k] >= 0;
        report->kept += layer->n_weights > 0 && l->source[k] < 0;
        for (int i = 0; i < layer->n_weights && l->source[k] >= 0; i++)
            move_weight(l, k, i);
    }
    l->model->file_rows = 0;
    tmb__weights_changed(l->model);
}

/* ---- files ---- */

bool tmb__keras_takes(const char *path)
{
    return tmb__ends_with(path, ".h5") || tmb__ends_with(path, ".hdf5") ||
            tmb__ends_with(path, ".keras") || tmb__ends_with(path, ".weights.json");
}

/* .keras is a zip archive, or the folder that one was unpacked to. */
int tmb__keras_read(tmb__h5_file *out, const char *path)
{
    static const char member[] = "model.weights.h5";
    tmb__bytes bytes;
    char *inside;
    int status;

    if (tmb__ends_with(path, ".json")) return tmb__keras_shards(out, path);
    if (!tmb__ends_with(path, ".keras")) return tmb__h5_read(out, path);
    *out = (tmb__h5_file){0};
    if (tmb__file_exists(path) == 2) {
        inside = tmb__path_join(path, member);
        status = inside ? tmb__h5_read(out, inside) : TMB_ENOMEM;
        tmb__free(inside);
        return status;
    }
    TMB_TRY(tmb__zip_member(&bytes, path, member));
    status = tmb__h5_parse(out, bytes.data, bytes.size, path);
    tmb__free(bytes.data);
    return status;
}

/* Slots are not turned, nor found by names: that they are plain is all that is asked of newer files. */
static int load_slots(const loading *l)
{
    const tmb_load_opts *o = &l->opts;
    const bool plain = o->kernel_order == TMB_KERNEL_HWIO && o->flip == TMB_FLIP_NO &&
            o->dense_order == TMB_DENSE_HWC;
    const char *why = o->by_name || o->prefix ? "not the whole net is loaded" : NULL;

    if (!why && !plain) why = "its kernels are turned, or its axes swapped";
    return tmb__keras_slots_load(l->model, &l->file, l->places, why);
}

static int load(loading *l, tmb_load_report *report)
{
    TMB_TRY(tmb__keras_list(&l->file));
    l->source = tmb__calloc((size_t)l->model->n_layers, sizeof *l->source);
    if (!l->source) return TMB_ENOMEM;
    TMB_TRY(tmb__keras_match(&l->file, l->model, l->places, &l->opts, l->source, &report->unused));
    decide(l);
    TMB_TRY(check_all(l));
    move_all(l, report);
    TMB_TRY(load_slots(l));
    report->layout = l->file.label;
    report->kernel_order = l->opts.kernel_order;
    report->flip = l->opts.flip;
    report->dense_order = l->opts.dense_order;
    return 0;
}

int tmb__keras_load_from(tmb_model *model, const tmb__h5_file *h5, const char *what,
        const tmb__keras_place *places, const tmb_load_opts *opts, tmb_load_report *report)
{
    loading l = {
            .file = {.what = what, .h5 = *h5}, .model = model, .places = places, .opts = *opts};
    int status = load(&l, report);

    tmb__free(l.values);
    tmb__free(l.source);
    tmb__free(l.file.layers);
    tmb__free(l.file.weights);
    return status;
}

int tmb__keras_load(
        tmb_model *model, const char *path, const tmb_load_opts *opts, tmb_load_report *report)
{
    tmb__h5_file h5;
    int status;

    TMB_TRY(tmb__keras_read(&h5, path));
    status = tmb__keras_load_from(model, &h5, path, NULL, opts, report);
    tmb__h5_file_free(&h5);
    return status;
}
