/* statistics_fit.c - mean, deviation and whitening matrix of a data set, in one pass
 *
 * Pictures come one at a time, from an array or from the photos of a data set, or random versions of
 * them. Sums of x - k and of its square are kept for each value in double, with k the first picture's
 * mean of that channel, so that little cancels:
 *   mean = k + s1 / n,   variance = s2 / n - (s1 / n)^2
 * For whitening so is the matrix S of the products of x - k, from which the covariance is
 *   C = (S - v d^T - d v^T) / n + d d^T,   v the sums of x - k, d = mean - k, mean by channel as in fit.
 * With C = U diag(l) U^T the matrix is W = U diag(f) U^T (image_data_generator.py: fit),
 *   since Keras 2.9   f = sqrt(n) / (sqrt(n l) + e), for the min(n, D) largest l (the thin SVD)
 *   before            f = 1 / sqrt(l + e)
 *   in 2016           the same with l n / D for l. */
#include "data/images.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 64 };

/* Where pictures come from: number i, unchanged or changed by what `rng` draws. */
typedef struct source {
    const float *x; /* (n, h, w, c); NULL: the images */
    tmb_images *images;
    tmb_preprocess pre; /* of one picture, with nothing after scale and offset */
    const tmb_augment *augment;
    tmb__rng *rng;
    tmb__resizer *scratch;
    float *plain; /* (h, w, c): scaled, before augmentation */
    int64_t n;
    int rounds;
} source;

typedef struct sums {
    int64_t n;     /* pictures so far */
    int d, c;      /* values a picture, channels */
    double k[4];   /* by channel */
    double *s1;    /* (d) */
    double *s2;    /* (d) */
    double *gram;  /* (d, d); NULL: not asked for */
    double *block; /* (BLOCK, d), filled from the start */
    const tmb__linalg *linalg;
} sums;

/* ---- pictures ---- */

static void draw(const source *from, tmb_transform *t)
{
    const int shape[3] = {from->pre.size[0], from->pre.size[1], from->pre.channels};

    *t = (tmb_transform){0};
    if (from->augment) tmb__transform_draw_from(t, from->augment, from->rng, shape);
}

static int get_photo(const source *from, int64_t i, float *x)
{
    tmb_transform t;

    draw(from, &t);
    return tmb__store_apply(
            from->images, &from->pre, i, from->augment ? &t : NULL, &from->images->scratch, x);
}

/* Arrays are scaled first and changed then, as in fit. */
static int get_array(const source *from, int64_t i, float *x)
{
    const int64_t d = (int64_t)from->pre.size[0] * from->pre.size[1] * from->pre.channels;
    float *const scaled = from->augment ? from->plain : x;
    const tmb_preprocess raw = tmb__preprocess_raw(&from->pre);
    tmb_transform t;

    memcpy(scaled, from->x + i * d, (size_t)d * sizeof *x);
    tmb__preprocess_floats(&from->pre, scaled);
    if (!from->augment) return 0;
    draw(from, &t);
    return tmb__transform_apply_floats(&t, from->augment, scaled, x, &raw, from->scratch);
}

/* ---- sums ---- */

static void begin(sums *s, const float *x)
{
    for (int i = 0; i < s->d; i++)
        s->k[i % s->c] += (double)x[i] * s->c / s->d;
}

static void flush(sums *s, int rows)
{
    if (s->gram && rows > 0) s->linalg->gram(s->gram, s->block, rows, s->d, false, 1);
}

static void add(sums *s, const float *x)
{
    double *row = s->block + (s->gram ? s->n % BLOCK : 0) * s->d;

    if (s->n == 0) begin(s, x);
    for (int i = 0; i < s->d; i++) {
        row[i] = (double)x[i] - s->k[i % s->c];
        s->s1[i] += row[i];
        s->s2[i] += row[i] * row[i];
    }
    if (++s->n % BLOCK == 0) flush(s, BLOCK);
}

static int add_all(sums *s, const source *from, float *x)
{
    for (int round = 0; round < from->rounds; round++) {
        for (int64_t i = 0; i < from->n; i++) {
            TMB_TRY(from->x ? get_array(from, i, x) : get_photo(from, i, x));
            if (tmb__count_nonfinite(x, s->d, NULL) > 0)
                return tmb__fail(
                        TMB_EDATA, "picture %lld has values that are not finite", (long long)i);
            add(s, x);
        }
    }
    flush(s, (int)(s->n % BLOCK));
    return 0;
}

/* ---- results ---- */

/* Mean and deviation of each channel, or of each value; in double, as differences from k. */
static void find_moments(const sums *s, bool per_pixel, double *d, double *deviation)
{
    const int n_out = per_pixel ? s->d : s->c;
    const double count = (double)s->n * s->d / n_out;

    for (int i = 0; i < n_out; i++) {
        double s1 = 0, s2 = 0;

        for (int j = i; j < s->d; j += n_out) {
            s1 += s->s1[j];
            s2 += s->s2[j];
        }
        d[i] = s1 / count;
        deviation[i] = sqrt(fmax(s2 / count - d[i] * d[i], 0));
    }
}

static void make_covariance(const sums *s, const double *d, int n_moments)
{
    const double n = (double)s->n;

    for (int i = 0; i < s->d; i++) {
        double *row = s->gram + (size_t)i * (size_t)s->d;
        const double di = d[i % n_moments];

        for (int j = 0; j < s->d; j++) {
            const double dj = d[j % n_moments];

            row[j] = (row[j] - s->s1[i] * dj - di * s->s1[j]) / n + di * dj;
        }
    }
}

static double factor_of(const sums *s, const tmb_statistics_opts *opts, double l, int rank)
{
    const double e = opts->zca_epsilon != 0 ? opts->zca_epsilon : 1e-6, n = (double)s->n;

    l = fmax(l, 0);
    if (opts->preset == TMB_PRESET_KERAS2016) return 1 / sqrt(l * n / s->d + 1e-6);
    if (opts->preset == TMB_PRESET_KERAS2) return 1 / sqrt(l + e);
    return rank < s->n ? sqrt(n) / (sqrt(n * l) + e) : 0;
}

/* The covariance becomes W: rows of eigenvectors times the roots of their factors, their products. */
static int make_whitening(const sums *s, const tmb_statistics_opts *opts, float *w)
{
    const size_t d = (size_t)s->d;
    double *values = tmb__calloc(d, sizeof *values);
    double *product = tmb__calloc(d * d, sizeof *product);
    int status = values && product ? tmb__linalg_eigen(values, s->gram, s->d) : TMB_ENOMEM;

    for (size_t i = 0; i < d && status == 0; i++) {
        const double root = sqrt(factor_of(s, opts, values[i], (int)(d - 1 - i)));

        for (size_t j = 0; j < d; j++)
            s->gram[i * d + j] *= root;
    }
    if (status == 0) s->linalg->gram(product, s->gram, s->d, s->d, false, 0);
    for (size_t i = 0; i < d * d && status == 0; i++)
        w[i] = (float)product[i];
    tmb__free(product);
    tmb__free(values);
    return status;
}

/* d, deviation, mean and std have as many values as a picture, which is enough either way. */
static int finish(tmb_statistics **out, const sums *s, const source *from,
        const tmb_statistics_opts *opts, double *d)
{
    const bool per_pixel = opts->preset == TMB_PRESET_KERAS2016;
    const int n_moments = per_pixel ? s->d : s->c;
    double *const deviation = d + s->d;
    float *const mean = (float *)(void *)(d + 2 * s->d), *const std = mean + s->d;
    float *w = NULL;
    tmb_statistics_info info = {.shape = {from->pre.size[0], from->pre.size[1], s->c},
            .per_pixel = per_pixel,
            .epsilon = per_pixel ? 1e-7F : 1e-6F,
            .mean = mean,
            .std = opts->std && !opts->zca ? std : NULL};
    int status = 0;

    find_moments(s, per_pixel, d, deviation);
    for (int i = 0; i < n_moments; i++) {
        mean[i] = (float)(d[i] + s->k[i % s->c]);
        std[i] = (float)deviation[i];
    }
    if (s->gram) {
        w = tmb__calloc((size_t)s->d * (size_t)s->d, sizeof *w);
        make_covariance(s, d, n_moments);
        status = w ? make_whitening(s, opts, w) : TMB_ENOMEM;
        info.whitening = w;
    } else if (!per_pixel) {
        info.shape[0] = info.shape[1] = 0;
    }
    if (status == 0) status = tmb_statistics_new(out, &info);
    tmb__free(w);
    return status;
}

/* ---- both ways in ---- */

static int check(const tmb_statistics_opts *opts, const tmb_preprocess *pre, int64_t n)
{
    const int64_t d = (int64_t)pre->size[0] * pre->size[1] * pre->channels;
    int status;

    if (!opts->center && !opts->std && !opts->zca)
        return tmb__fail(TMB_EINVAL, "statistics: none of center, std and zca is asked for");
    if (n < 1) return tmb__fail(TMB_EINVAL, "statistics of %lld pictures", (long long)n);
    if ((int)opts->preset < 0 || opts->preset > TMB_PRESET_KERAS3)
        return tmb__fail(TMB_EINVAL, "statistics preset: number %d is unknown", (int)opts->preset);
    if (!(opts->zca_epsilon >= 0 && opts->zca_epsilon < INFINITY))
        return tmb__fail(TMB_EINVAL, "zca epsilon: %g, expected 0 or more", opts->zca_epsilon);
    if (opts->rounds < 0 || (opts->rounds > 1 && !opts->augment))
        return tmb__fail(TMB_EINVAL, "rounds: %d without augmentation", opts->rounds);
    if (opts->augment) TMB_TRY(tmb__augment_check(opts->augment));
    if (!opts->zca || d <= TMB_ZCA_MAX) return 0;
    status = tmb__fail(TMB_EINVAL, "whitening of %d x %d x %d: %lld values, expected at most %d",
            pre->size[0], pre->size[1], pre->channels, (long long)d, (int)TMB_ZCA_MAX);
    tmb__hint("take smaller pictures, for instance 36 x 36");
    return status;
}

static int sums_new(sums *s, const tmb_statistics_opts *opts)
{
    const size_t d = (size_t)s->d;

    s->s1 = tmb__calloc(d, sizeof *s->s1);
    s->s2 = tmb__calloc(d, sizeof *s->s2);
    s->block = tmb__calloc(d, (opts->zca ? BLOCK : 1) * sizeof *s->block);
    if (opts->zca) {
        TMB_TRY(tmb__linalg_get(&s->linalg));
        s->gram = tmb__calloc(d * d, sizeof *s->gram);
    }
    return s->s1 && s->s2 && s->block && (s->gram || !opts->zca) ? 0 : TMB_ENOMEM;
}

static int fit(tmb_statistics **out, source *from, const tmb_statistics_opts *opts)
{
    tmb__rng philox = tmb__rng_at(0, TMB_STREAM_AUGMENT, 0, 0);
    tmb__resizer scratch = {0};
    sums s = {.c = from->pre.channels};
    float *x;
    double *room;
    int status;

    TMB_TRY(check(opts, &from->pre, from->n));
    s.d = from->pre.size[0] * from->pre.size[1] * s.c;
    from->augment = opts->augment;
    from->rounds = TMB_MAX(opts->rounds, 1);
    from->rng = opts->rng ? tmb__rng_of(opts->rng) : &philox;
    from->scratch = &scratch;
    x = tmb__calloc((size_t)s.d, 2 * sizeof *x);
    room = tmb__calloc((size_t)s.d, 3 * sizeof *room); /* two of doubles, two of floats */
    from->plain = x ? x + s.d : NULL;
    status = x && room ? sums_new(&s, opts) : TMB_ENOMEM;
    if (status == 0) status = add_all(&s, from, x);
    if (status == 0) status = finish(out, &s, from, opts, room);
    tmb__resizer_free(&scratch);
    tmb__free(s.gram);
    tmb__free(s.block);
    tmb__free(s.s2);
    tmb__free(s.s1);
    tmb__free(room);
    tmb__free(x);
    return status;
}

int tmb_statistics_fit(tmb_statistics **out, const float *x, int64_t n, const int shape[3],
        const tmb_statistics_opts *opts)
{
    const bool rescaled = opts && opts->rescale != 0 && opts->preset != TMB_PRESET_KERAS2016;
    source from = {.x = x, .n = n};

    if (!out) return tmb__fail(TMB_EINVAL, "out is NULL");
    *out = NULL;
    if (!x || !shape || !opts) return tmb__fail(TMB_EINVAL, "x, shape or opts is NULL");
    TMB_TRY(tmb__check_picture(shape));
    from.pre.size[0] = shape[0];
    from.pre.size[1] = shape[1];
    from.pre.channels = shape[2];
    for (int k = 0; k < 4; k++)
        from.pre.scale[k] = rescaled ? opts->rescale : 1;
    return fit(out, &from, opts);
}

int tmb_statistics_fit_images(
        tmb_statistics **out, tmb_images *images, const tmb_statistics_opts *opts)
{
    source from = {.images = images};

    if (!out) return tmb__fail(TMB_EINVAL, "out is NULL");
    *out = NULL;
    if (!images || !opts) return tmb__fail(TMB_EINVAL, "%s is NULL", images ? "opts" : "images");
    from.n = images->n;
    from.pre = images->pre;
    from.pre.samplewise_center = from.pre.samplewise_std = false;
    from.pre.statistics = NULL;
    return fit(out, &from, opts);
}
