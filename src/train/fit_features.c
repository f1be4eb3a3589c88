/* fit_features.c - rows of features as a source of samples, and training on them
 *
 * What fit.c does with photos it does with these: order of (seed, epoch), batches, validation,
 * checkpoint, history. The seed is the one the net was compiled with. */
#include "train/train.h"

#include <math.h>
#include <string.h>

enum { BATCH = 32 };

typedef struct rows {
    const tmb_features *features;
    int64_t width, at; /* floats of a row; rows of this epoch given */
    int batch;
    uint64_t seed;
    int64_t *order; /* (n) */
    float *x;       /* (batch, width) */
    int32_t *label; /* (batch) */
    uint8_t digest[32];
} rows;

static int epoch(void *data, int64_t number, int64_t first)
{
    rows *r = data;
    const int64_t n = r->features->n;

    if (number >= 0) {
        tmb__rng rng = tmb__rng_at(r->seed, TMB_STREAM_SHUFFLE, (uint64_t)number, 0);

        tmb__rng_permute(&rng, r->order, n);
    } else {
        for (int64_t i = 0; i < n; i++)
            r->order[i] = i;
    }
    r->at = TMB_MIN(first * r->batch, n);
    return 0;
}

static int next(void *data, tmb_batch *out)
{
    rows *r = data;
    const int n = (int)TMB_MIN(r->batch, r->features->n - r->at);

    if (n == 0) return 0;
    *out = (tmb_batch){.count = n, .x = r->x, .label = r->label, .index = r->order + r->at};
    for (int i = 0; i < n; i++) {
        const int64_t from = r->order[r->at + i];

        memcpy(r->x + i * r->width, r->features->x + from * r->width,
                (size_t)r->width * sizeof *r->x);
        r->label[i] = r->features->label[from];
    }
    r->at += n;
    return 1;
}

static int label(const void *data, int64_t i)
{
    return ((const rows *)data)->features->label[i];
}

static const char *class_name(const void *data, int k)
{
    const tmb_features *f = ((const rows *)data)->features;

    return f->class_names ? f->class_names[k] : NULL;
}

/* Of a row, as a net takes it. */
static tmb__shape shape_of(const tmb_features *f)
{
    if (f->shape[1] == 0) return (tmb__shape){3, {1, 1, f->shape[0]}};
    return (tmb__shape){3, {f->shape[0], f->shape[1], f->shape[2]}};
}

int tmb__features_check(const tmb_features *f)
{
    const tmb__shape shape = shape_of(f);
    const int64_t width = tmb__shape_count(&shape);
    int64_t where;
    size_t total;

    if (f->n < 1 || width < 1 || f->classes < 1 || !f->x || !f->label)
        return tmb__fail(TMB_EINVAL, "features: %lld rows of %s, %d classes; all expected",
                (long long)f->n, tmb__shape_text(&shape), f->classes);
    if (!tmb__mul((size_t)f->n, (size_t)width, &total) || total > INT64_MAX / sizeof *f->x)
        return tmb__fail(TMB_EINVAL, "features: %lld rows of %s are too many", (long long)f->n,
                tmb__shape_text(&shape));
    if (f->views > 1 && f->n % f->views != 0)
        return tmb__fail(TMB_EDATA, "features: %lld rows, expected a multiple of the %d views",
                (long long)f->n, f->views);
    if (tmb__count_nonfinite(f->x, (int64_t)total, &where) > 0)
        return tmb__fail(TMB_EDATA, "features: number %lld of row %lld is %g",
                (long long)(where % width), (long long)(where / width), (double)f->x[where]);
    for (int64_t i = 0; i < f->n; i++) {
        if (f->label[i] < 0 || f->label[i] >= f->classes)
            return tmb__fail(TMB_EDATA, "features: label %d in row %lld, expected 0 to %d",
                    f->label[i], (long long)i, f->classes - 1);
    }
    return 0;
}

static void rows_free(rows *r)
{
    tmb__free(r->order);
    tmb__free(r->x);
    tmb__free(r->label);
}

static int rows_open(tmb__source *out, rows *r, const tmb_features *f, int batch, uint64_t seed)
{
    const tmb__shape shape = shape_of(f);
    tmb__sha256 sha;

    TMB_TRY(tmb__features_check(f));
    *r = (rows){f, .width = tmb__shape_count(&shape), .batch = batch, .seed = seed};
    r->order = tmb__calloc((size_t)f->n, sizeof *r->order);
    r->x = tmb__calloc((size_t)batch * (size_t)r->width, sizeof *r->x);
    r->label = tmb__calloc((size_t)batch, sizeof *r->label);
    if (!r->order || !r->x || !r->label) return TMB_ENOMEM;
    tmb__sha256_start(&sha);
    tmb__sha256_add(&sha, f->x, (size_t)f->n * (size_t)r->width * sizeof *f->x);
    tmb__sha256_add(&sha, f->label, (size_t)f->n * sizeof *f->label);
    tmb__sha256_end(&sha, r->digest);
    *out = (tmb__source){.data = r,
            .what = "features",
            .n = f->n,
            .batch = batch,
            .classes = f->classes,
            .shape = shape,
            .fingerprint = r->digest,
            .epoch = epoch,
            .next = next,
            .label = label,
            .class_name = class_name};
    return 0;
}

int tmb_model_fit_features(tmb_model *model, const tmb_features *train,
        const tmb_features *validation, const tmb_fit_opts *opts)
{
    const tmb_fit_opts none = {0};
    const tmb__training *training = model ? tmb__training_of(model) : NULL;
    const uint64_t seed = training ? training->opts.seed : 0;
    tmb__source samples = {0}, held_out = {0};
    rows r[2] = {{0}};
    int status, batch;

    if (!model || !train) return tmb__fail(TMB_EINVAL, "fit: model or features is NULL");
    if (!opts) opts = &none;
    batch = opts->batch ? opts->batch : BATCH;
    if (batch < 1) return tmb__fail(TMB_EINVAL, "fit: batch is %d, below 1", batch);
    if (opts->validation)
        return tmb__fail(TMB_EINVAL, "fit: the options name photos to validate features with");
    status = rows_open(&samples, &r[0], train, batch, seed);
    if (status == 0 && validation) status = rows_open(&held_out, &r[1], validation, batch, seed);
    if (status == 0) status = tmb__fit_run(model, &samples, validation ? &held_out : NULL, opts);
    rows_free(&r[0]);
    rows_free(&r[1]);
    return status;
}
