/* statistics.c - what is known of a data set, and standardizing a picture with it
 *
 * Keras' standardize, in float as there and in its order, after scale and offset:
 *   samplewise    x = (x - mean(x)) / (std(x) + e)
 *   featurewise   x = (x - mean) / (std + e)
 *   ZCA           x W, the picture as one row
 * with deviations over n and e = 1e-6. Until 2.0.8 samplewise meant each pixel's channels, e = 1e-7.
 * Statistics are one block of memory with a count of who holds it, so that data sets, models and their
 * callers share a whitening matrix of many megabytes. */
#include "data/images.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

struct tmb_statistics {
    _Atomic int shares;
    tmb_statistics_info info; /* arrays in `values` */
    float values[];
};

/* ---- making and sharing ---- */

static size_t moments_of(const tmb_statistics_info *info)
{
    const size_t c = (size_t)info->shape[2];

    return info->per_pixel ? (size_t)info->shape[0] * (size_t)info->shape[1] * c : c;
}

static size_t pixels_of(const int shape[3])
{
    return (size_t)shape[0] * (size_t)shape[1] * (size_t)shape[2];
}

static int check_values(const char *name, const float *values, size_t n, float least)
{
    for (size_t i = 0; values && i < n; i++) {
        if (isfinite(values[i]) && values[i] >= least) continue;
        return tmb__fail(TMB_EINVAL, "statistics: %s %zu is %g", name, i, (double)values[i]);
    }
    return 0;
}

static int check_info(const tmb_statistics_info *info)
{
    const int *s = info->shape;
    const bool sized = s[0] > 0 && s[1] > 0;

    if (s[2] < 1 || s[2] > 4 || s[0] < 0 || s[1] < 0 || s[0] > 4096 || s[1] > 4096 ||
            (!sized && (s[0] != s[1] || info->per_pixel || info->whitening)))
        return tmb__fail(TMB_EINVAL, "statistics for pictures of (%d, %d, %d)", s[0], s[1], s[2]);
    if (info->whitening && pixels_of(s) > TMB_ZCA_MAX)
        return tmb__fail(TMB_EINVAL, "whitening of (%d, %d, %d): %zu values, expected at most %d",
                s[0], s[1], s[2], pixels_of(s), (int)TMB_ZCA_MAX);
    if (!(info->epsilon >= 0 && info->epsilon <= 1))
        return tmb__fail(
                TMB_EINVAL, "statistics: epsilon %g, expected 0 to 1", (double)info->epsilon);
    TMB_TRY(check_values("mean", info->mean, moments_of(info), -INFINITY));
    TMB_TRY(check_values("std", info->std, moments_of(info), 0));
    return check_values("whitening value", info->whitening,
            info->whitening ? pixels_of(s) * pixels_of(s) : 0, -INFINITY);
}

static const float *put(float **at, const float *values, size_t n)
{
    float *const to = *at;

    if (!values) return NULL;
    memcpy(to, values, n * sizeof *to);
    *at += n;
    return to;
}

int tmb_statistics_new(tmb_statistics **out, const tmb_statistics_info *info)
{
    size_t moments, square;
    tmb_statistics *s;
    float *at;

    if (!out || !info) return tmb__fail(TMB_EINVAL, "%s is NULL", out ? "info" : "out");
    *out = NULL;
    TMB_TRY(check_info(info));
    moments = moments_of(info);
    square = info->whitening ? pixels_of(info->shape) * pixels_of(info->shape) : 0;
    s = tmb__calloc(1, sizeof *s + (2 * moments + square) * sizeof(float));
    if (!s) return TMB_ENOMEM;
    at = s->values;
    s->shares = 1;
    s->info = *info;
    if (info->epsilon == 0) s->info.epsilon = 1e-6F;
    s->info.mean = put(&at, info->mean, moments);
    s->info.std = put(&at, info->std, moments);
    s->info.whitening = put(&at, info->whitening, square);
    *out = s;
    return 0;
}

void tmb_statistics_free(tmb_statistics *s)
{
    if (s && atomic_fetch_sub(&s->shares, 1) == 1) tmb__free(s);
}

int tmb_statistics_get(const tmb_statistics *s, tmb_statistics_info *out)
{
    if (!s || !out) return tmb__fail(TMB_EINVAL, "%s is NULL", s ? "out" : "statistics");
    *out = s->info;
    return 0;
}

int tmb__statistics_suit(const tmb_statistics *s, const int shape[3])
{
    const int *own = s->info.shape;

    if (own[2] == shape[2] && (own[0] == 0 || (own[0] == shape[0] && own[1] == shape[1]))) return 0;
    return tmb__fail(TMB_EINVAL, "statistics of pictures of (%d, %d, %d), expected (%d, %d, %d)",
            own[0], own[1], own[2], shape[0], shape[1], shape[2]);
}

void tmb__statistics_digest(const tmb_statistics *s, uint8_t digest[32])
{
    const tmb_statistics_info *info = &s->info;
    const size_t d = info->whitening ? pixels_of(info->shape) : 0;
    tmb__sha256 sha;

    tmb__sha256_start(&sha);
    tmb__sha256_add(&sha, info->shape, sizeof info->shape);
    tmb__sha256_add(&sha, &info->epsilon, sizeof info->epsilon);
    if (info->mean) tmb__sha256_add(&sha, info->mean, moments_of(info) * sizeof(float));
    if (info->std) tmb__sha256_add(&sha, info->std, moments_of(info) * sizeof(float));
    if (d > 0) tmb__sha256_add(&sha, info->whitening, d * d * sizeof(float));
    tmb__sha256_end(&sha, digest);
}

/* The count alone changes, and it is not part of what is constant. */
static tmb_statistics *shared(const tmb_preprocess *pre)
{
    return (tmb_statistics *)(uintptr_t)pre->statistics;
}

void tmb__preprocess_share(tmb_preprocess *to, const tmb_preprocess *from)
{
    tmb_statistics *const before = shared(to);

    if (from->statistics) atomic_fetch_add(&shared(from)->shares, 1);
    *to = *from;
    tmb_statistics_free(before);
}

void tmb__preprocess_drop(tmb_preprocess *pre)
{
    tmb_statistics_free(shared(pre));
    pre->statistics = NULL;
}

int tmb_images_standardize(tmb_images *images, const tmb_statistics *statistics)
{
    tmb_preprocess with;

    if (!images || !statistics)
        return tmb__fail(TMB_EINVAL, "%s is NULL", images ? "statistics" : "images");
    if (images->loader)
        return tmb__fail(TMB_EINVAL, "standardize: the first epoch has begun already");
    with = images->pre;
    with.statistics = statistics;
    TMB_TRY(tmb__preprocess_check(&with));
    tmb__preprocess_share(&images->pre, &with);
    return 0;
}

/* ---- standardizing ---- */

static void center(float *x, int64_t n)
{
    double sum = 0;
    float mean;

    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i];
    mean = (float)(sum / (double)n);
    for (int64_t i = 0; i < n; i++)
        x[i] -= mean;
}

/* numpy.std: about the mean of what it is given, which is nearly 0 here. */
static void divide_by_deviation(float *x, int64_t n, float epsilon)
{
    double sum = 0, squares = 0;
    float by;

    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i];
    for (int64_t i = 0; i < n; i++)
        squares += ((double)x[i] - sum / (double)n) * ((double)x[i] - sum / (double)n);
    by = (float)sqrt(squares / (double)n) + epsilon;
    for (int64_t i = 0; i < n; i++)
        x[i] /= by;
}

static void samplewise(const tmb_preprocess *pre, float *x, int64_t n)
{
    const int64_t step = pre->samplewise_pixel ? pre->channels : n;

    for (int64_t i = 0; i < n; i += step) {
        center(x + i, step);
        if (pre->samplewise_std)
            divide_by_deviation(x + i, step, pre->samplewise_pixel ? 1e-7F : 1e-6F);
    }
}

static void whiten(const float *w, float *x, int d)
{
    float sum[TMB_ZCA_MAX];

    memset(sum, 0, (size_t)d * sizeof *sum);
    for (int i = 0; i < d; i++) {
        const float *row = w + (size_t)i * (size_t)d, by = x[i];

        for (int j = 0; j < d; j++)
            sum[j] += by * row[j];
    }
    memcpy(x, sum, (size_t)d * sizeof *x);
}

static void featurewise(const tmb_statistics_info *info, float *x, int64_t n)
{
    const int64_t period = info->per_pixel ? n : info->shape[2];

    for (int64_t i = 0; info->mean && i < n; i++)
        x[i] -= info->mean[i % period];
    for (int64_t i = 0; info->std && i < n; i++)
        x[i] /= info->std[i % period] + info->epsilon;
    if (info->whitening) whiten(info->whitening, x, (int)n);
}

void tmb__standardize(const tmb_preprocess *pre, float *x)
{
    const int64_t n = (int64_t)pre->size[0] * pre->size[1] * pre->channels;

    if (pre->samplewise_center || pre->samplewise_std) samplewise(pre, x, n);
    if (pre->statistics) featurewise(&pre->statistics->info, x, n);
}
