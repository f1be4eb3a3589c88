/* generator.c - ImageDataGenerator's methods on one picture of floats, by the road of data sets */
#include "data/images.h"

enum { MAX_SIDE = 4096 };

struct tmb_rng {
    tmb__rng words;
    tmb__mt19937 numpy; /* where they come from, if so */
};

int tmb__check_picture(const int shape[3])
{
    for (int i = 0; i < 2; i++) {
        if (shape[i] >= 1 && shape[i] <= MAX_SIDE) continue;
        return tmb__fail(TMB_EINVAL, "picture of %d x %d, expected sides of 1 to %d", shape[0],
                shape[1], (int)MAX_SIDE);
    }
    if (shape[2] >= 1 && shape[2] <= 4) return 0;
    return tmb__fail(TMB_EINVAL, "picture of %d channels, expected 1 to 4", shape[2]);
}

/* ---- random values ---- */

int tmb_rng_new(tmb_rng **out, tmb_rng_kind kind, uint64_t seed)
{
    if (!out) return tmb__fail(TMB_EINVAL, "out is NULL");
    *out = NULL;
    if ((int)kind < 0 || kind > TMB_RNG_NUMPY)
        return tmb__fail(TMB_EINVAL, "random values: kind %d is unknown", (int)kind);
    if (kind == TMB_RNG_NUMPY && seed > UINT32_MAX)
        return tmb__fail(TMB_EINVAL, "NumPy's seed: %llu, expected 0 to %u",
                (unsigned long long)seed, UINT32_MAX);
    *out = tmb__calloc(1, sizeof **out);
    if (!*out) return TMB_ENOMEM;
    (*out)->words = tmb__rng_at(seed, TMB_STREAM_AUGMENT, 0, 0);
    if (kind != TMB_RNG_NUMPY) return 0;
    tmb__mt_seed(&(*out)->numpy, (uint32_t)seed);
    (*out)->words = tmb__mt_rng(&(*out)->numpy);
    return 0;
}

void tmb_rng_free(tmb_rng *rng)
{
    tmb__free(rng);
}

tmb__rng *tmb__rng_of(tmb_rng *rng)
{
    return &rng->words;
}

/* ---- transforms ---- */

int tmb_transform_draw(
        tmb_transform *out, const tmb_augment *augment, tmb_rng *rng, const int shape[3])
{
    if (!out || !augment || !rng || !shape)
        return tmb__fail(TMB_EINVAL, "draw: out, augment, rng and shape expected");
    TMB_TRY(tmb__check_picture(shape));
    TMB_TRY(tmb__augment_check(augment));
    tmb__transform_draw_from(out, augment, &rng->words, shape);
    return 0;
}

static tmb_preprocess plain(const int shape[3])
{
    return (tmb_preprocess){
            .size = {shape[0], shape[1]}, .channels = shape[2], .scale = {1, 1, 1, 1}};
}

int tmb_transform_apply(const tmb_transform *t, const tmb_augment *augment, const int shape[3],
        const float *x, float *out)
{
    static const tmb_augment none;
    tmb__resizer scratch = {0};
    tmb_preprocess pre;
    int status;

    if (!t || !shape || !x || !out || x == out)
        return tmb__fail(TMB_EINVAL, "apply: transform, shape, x and another array expected");
    TMB_TRY(tmb__check_picture(shape));
    if (augment) TMB_TRY(tmb__augment_check(augment));
    pre = plain(shape);
    status = tmb__transform_apply_floats(t, augment ? augment : &none, x, out, &pre, &scratch);
    tmb__resizer_free(&scratch);
    return status;
}

int tmb_transform_random(
        const tmb_augment *augment, tmb_rng *rng, const int shape[3], const float *x, float *out)
{
    tmb_transform t;

    TMB_TRY(tmb_transform_draw(&t, augment, rng, shape));
    return tmb_transform_apply(&t, augment, shape, x, out);
}

/* ---- standardizing ---- */

int tmb_standardize(const tmb_preprocess *given, const int shape[3], float *x)
{
    tmb_preprocess pre;

    if (!given || !shape || !x)
        return tmb__fail(TMB_EINVAL, "standardize: pre, shape and x expected");
    TMB_TRY(tmb__check_picture(shape));
    if (given->bgr && shape[2] != 3)
        return tmb__fail(TMB_EINVAL, "BGR order with %d channels, expected 3", shape[2]);
    if (given->statistics) TMB_TRY(tmb__statistics_suit(given->statistics, shape));
    pre = *given;
    pre.size[0] = shape[0];
    pre.size[1] = shape[1];
    pre.channels = shape[2];
    for (int k = 0; k < 4; k++)
        if (pre.scale[k] == 0) pre.scale[k] = 1;
    tmb__preprocess_floats(&pre, x);
    return 0;
}

/* imagenet_utils.py: _preprocess_numpy_input; scale and offset are by the net's channels. */
int tmb_preprocess_rule(tmb_preprocess *pre, tmb_pixel_rule rule)
{
    static const float bgr_mean[3] = {103.939F, 116.779F, 123.68F};
    static const double mean[3] = {0.485, 0.456, 0.406}, std[3] = {0.229, 0.224, 0.225};

    if (!pre) return tmb__fail(TMB_EINVAL, "pre is NULL");
    if ((int)rule < 0 || rule > TMB_PIXELS_TORCH)
        return tmb__fail(TMB_EINVAL, "pixel rule: number %d is unknown", (int)rule);
    if (rule != TMB_PIXELS_TF && pre->channels != 0 && pre->channels != 3)
        return tmb__fail(
                TMB_EINVAL, "pixel rule of ImageNet: %d channels, expected 3", pre->channels);
    pre->bgr = rule == TMB_PIXELS_CAFFE;
    for (int k = 0; k < 4; k++) {
        pre->scale[k] = rule == TMB_PIXELS_TF ? 1 / 127.5F : 1;
        pre->offset[k] = rule == TMB_PIXELS_TF ? -1 : 0;
    }
    for (int k = 0; k < 3 && rule != TMB_PIXELS_TF; k++) {
        const bool torch = rule == TMB_PIXELS_TORCH;

        pre->scale[k] = torch ? (float)(1 / (255 * std[k])) : 1;
        pre->offset[k] = torch ? (float)(-mean[k] / std[k]) : -bgr_mean[k];
    }
    return 0;
}
