/* replay_pairs.c - the inputs and outputs stored in a model file, and their replay
 *
 * The inputs are photos of noise, 4 of (h, w, c) bytes p from the stream TEST, brought into the range
 * that the preprocessing gives: x = p * scale + offset for each channel, without one x = p / 255. With
 * the scores that the net gave when it was saved they show on any machine that file, loader and device
 * do what they did then. Both are computed in f32, whatever the device's precision. */
#include "io/json_get.h"

#include <math.h>

enum { PAIRS = 4 };

tmb__shape tmb__pairs_shape(const tmb__shape *sample)
{
    tmb__shape shape = {.rank = sample->rank + 1, .dim = {PAIRS}};

    for (int d = 0; d < sample->rank; d++)
        shape.dim[d + 1] = sample->dim[d];
    return shape;
}

static void to_inputs(float *x, const uint8_t *pixels, int64_t n, const tmb_model *model)
{
    const tmb__shape *in = &model->layers[0].out;
    const int64_t channels = in->dim[in->rank - 1];

    for (int64_t i = 0; i < n; i++) {
        const float p = (float)pixels[i];
        const int64_t c = i % channels;

        x[i] = model->has_preprocess ? p * model->preprocess.scale[c] + model->preprocess.offset[c]
                                     : p / 255;
    }
}

static int predict(tmb_model *model, const float *x, float *outputs, int64_t n_outputs)
{
    int64_t first;

    TMB_TRY(tmb__model_predict_f32(model, x, PAIRS, outputs));
    if (tmb__count_nonfinite(outputs, PAIRS * n_outputs, &first) == 0) return 0;
    return tmb__fail(TMB_EDIVERGED, "the net's score %lld for a photo of noise is %g, not finite",
            (long long)(first % n_outputs), (double)outputs[first]);
}

int tmb__pairs_make(tmb_model *model, uint8_t **pixels, float **outputs)
{
    const int64_t n_in = tmb__shape_count(&model->layers[0].out);
    const int64_t n_out = tmb_model_outputs(model);
    tmb__rng rng = tmb__rng_at(0, TMB_STREAM_TEST, 0, 0);
    float *x = tmb__calloc((size_t)n_in, PAIRS * sizeof *x);
    int status = TMB_ENOMEM;

    *pixels = tmb__calloc((size_t)n_in, PAIRS);
    *outputs = tmb__calloc((size_t)n_out, PAIRS * sizeof **outputs);
    if (x && *pixels && *outputs) {
        for (int64_t i = 0; i < PAIRS * n_in; i++)
            (*pixels)[i] = (uint8_t)tmb__rng_u32(&rng);
        to_inputs(x, *pixels, PAIRS * n_in, model);
        status = predict(model, x, *outputs, n_out);
    }
    tmb__free(x);
    if (status == 0) return 0;
    tmb__free(*pixels);
    tmb__free(*outputs);
    *pixels = NULL;
    *outputs = NULL;
    return status;
}

/* The tensor has the type and shape of the pairs of this net. */
static int check_tensor(const tmb__array *array, tmb__dtype dtype, const tmb__shape *sample,
        const char *name, const char *what)
{
    const tmb__shape expected = tmb__pairs_shape(sample);

    if (array && array->dtype == dtype && tmb__shape_equal(&array->shape, &expected)) return 0;
    return tmb__fail(TMB_EMODEL, "%s: tensor \"%s\" is %s %s, expected %s %s", tmb__printable(what),
            name, array ? tmb__dtype_name(array->dtype) : "not there",
            array ? tmb__shape_text(&array->shape) : "", tmb__dtype_name(dtype),
            tmb__shape_text(&expected));
}

int tmb__pairs_load(tmb_model *model, const tmb__tensors *tensors, const char *what)
{
    const tmb__array *in = tmb__tensors_find(tensors, "golden/pixels");
    const tmb__array *out = tmb__tensors_find(tensors, "golden/outputs");
    const int64_t n_in = PAIRS * tmb__shape_count(&model->layers[0].out);
    const int64_t n_out = PAIRS * tmb_model_outputs(model);

    if (!in && !out) return 0;
    TMB_TRY(check_tensor(in, TMB__U8, &model->layers[0].out, "golden/pixels", what));
    TMB_TRY(check_tensor(
            out, TMB__F32, &model->layers[model->n_layers - 1].out, "golden/outputs", what));
    if (tmb__count_nonfinite(out->data, n_out, NULL)) {
        return tmb__fail(TMB_EMODEL, "%s: tensor \"golden/outputs\" has values that are not finite",
                tmb__printable(what));
    }
    model->golden = tmb__calloc((size_t)(n_in + n_out), sizeof *model->golden);
    if (!model->golden) return TMB_ENOMEM;
    model->n_golden = PAIRS;
    to_inputs(model->golden, in->data, n_in, model);
    tmb__convert(model->golden + n_in, TMB__F32, out->data, TMB__F32, n_out);
    return 0;
}

/* Compare the scores of now with those stored. */
static int compare(const tmb_model *model, const float *scores, double allowed, double *worst)
{
    const int64_t n_in = model->n_golden * tmb__shape_count(&model->layers[0].out);
    const int64_t n_out = tmb_model_outputs(model);
    const float *stored = model->golden + n_in;
    int64_t at = 0;

    *worst = tmb__worst_difference(scores, stored, model->n_golden * n_out, &at);
    if (*worst <= allowed) return 0;
    tmb__fail(TMB_EGATE, "stored input %lld: score %lld is %.9g, expected %.9g",
            (long long)(at / n_out), (long long)(at % n_out), (double)scores[at],
            (double)stored[at]);
    tmb__detail("off by %.3g, allowed %.3g", *worst, allowed);
    return TMB_EGATE;
}

int tmb_model_verify(tmb_model *model, float tolerance, double *worst, int *n)
{
    const double allowed = tolerance > 0 ? (double)tolerance : 1e-4;
    double difference = 0;
    float *scores;
    int status;

    if (worst) *worst = 0;
    if (n) *n = 0;
    TMB_TRY(tmb_model_check(model));
    if (n) *n = model->n_golden;
    if (model->n_golden == 0) return 0;
    scores =
            tmb__calloc((size_t)model->n_golden, (size_t)tmb_model_outputs(model) * sizeof *scores);
    if (!scores) return TMB_ENOMEM;
    status = tmb__model_predict_f32(model, model->golden, model->n_golden, scores);
    if (status == 0) status = compare(model, scores, allowed, &difference);
    if (worst) *worst = difference;
    tmb__free(scores);
    return status;
}
