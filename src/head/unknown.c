/* unknown.c - how far features lie from those of the fit: Mahalanobis on rows of length one
 *
 * A photo is the mean of its views, divided by its length (Mueller and Hein 2025: the length of a network's
 * features says much about the photo and nothing about its kind), then standardised; deviations s are taken
 * as sqrt(s^2 + (median s / 2)^2), or features that hardly vary in few photos would outweigh all others.
 * With S the scatter about the class means, per photo,
 *     distance^2 = min over classes of f^T (S + a I)^-1 f,   f = x - class mean,
 * where a shrinks S toward a multiple of the identity by as much as its own sampling error asks (Ledoit
 * and Wolf 2004). The TMB__UNKNOWN_AXES largest directions of S are kept apart; all others count as
 * equal, and cost nothing to store. They are found from random ones by one power of S (Halko, Martinsson
 * and Tropp 2011), exactly if they are all there are, which needs no (d, d) and no (n, n) matrix.
 * The limit is set on distances of photos whose fold was left out of everything above. A formula that
 * takes one photo out of S alone is not enough: the directions have seen the photo too. Where the network
 * itself has learned the photos no fold is left out of that, and the limit is set on others. */
#include "head/head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FOLDS = 5, MOST_PHOTOS = 4096 };

#define SMALLEST 1e-11  /* squared length of a direction, as a share of the largest */
#define STILL    1e-9   /* deviation of a feature that does not vary, in rows of length one */
#define MARGIN   1.0001 /* the last bits of features differ from one batch to another */

typedef struct builder {
    const tmb__linalg *la;
    int n, d, classes, m;  /* photos, features, classes; photos learnt from */
    int views, apart;      /* rows of a photo; every so many-th photo is taken */
    float *x;              /* (n, d) */
    int32_t *label, *fold; /* (n) */
    int32_t *of;           /* (m) labels of these */
    double *e;             /* (m, d) minus the class mean */
    float *mean, *scale;   /* (d) */
    double *sum;           /* (1 + classes, d): class means */
    double *axis, *turned; /* (TMB__UNKNOWN_AXES, d): orthonormal rows; room for their next state */
    double *y;             /* (m, TMB__UNKNOWN_AXES): e along them */
    double *square;        /* (TMB__UNKNOWN_AXES, TMB__UNKNOWN_AXES) */
    double *values;        /* (TMB__UNKNOWN_AXES) of S, ascending */
    double *distance;      /* (n), or those judged: of photos that were left out */
} builder;

static int allocate(builder *b, int64_t judged)
{
    const size_t n = (size_t)b->n, d = (size_t)b->d;

    b->x = tmb__calloc(n, d * sizeof *b->x);
    b->label = tmb__calloc(n, sizeof *b->label);
    b->fold = tmb__calloc(n, sizeof *b->fold);
    b->of = tmb__calloc(n, sizeof *b->of);
    b->mean = tmb__calloc(d, sizeof *b->mean);
    b->scale = tmb__calloc(d, sizeof *b->scale);
    b->sum = tmb__calloc((size_t)b->classes + 1, d * sizeof *b->sum);
    b->e = tmb__calloc(n, d * sizeof *b->e);
    b->axis = tmb__calloc(TMB__UNKNOWN_AXES * d, sizeof *b->axis);
    b->turned = tmb__calloc(TMB__UNKNOWN_AXES * d, sizeof *b->turned);
    b->y = tmb__calloc(n, TMB__UNKNOWN_AXES * sizeof *b->y);
    b->square = tmb__calloc((size_t)TMB__UNKNOWN_AXES * TMB__UNKNOWN_AXES, sizeof *b->square);
    b->values = tmb__calloc(TMB__UNKNOWN_AXES, sizeof *b->values);
    b->distance = tmb__calloc((size_t)judged, sizeof *b->distance);
    return b->x && b->label && b->fold && b->of && b->mean && b->scale && b->sum && b->e &&
                    b->axis && b->turned && b->y && b->square && b->values && b->distance
            ? 0
            : TMB_ENOMEM;
}

static void release(builder *b)
{
    void *const all[] = {b->x, b->label, b->fold, b->of, b->mean, b->scale, b->sum, b->e, b->axis,
            b->turned, b->y, b->square, b->values, b->distance};

    for (size_t i = 0; i < TMB_COUNT(all); i++)
        tmb__free(all[i]);
}

/* Photos as a prediction gets them: the mean of their views. */
static void load(builder *b, const tmb_features *f, const int32_t *fold)
{
    const size_t d = (size_t)b->d;

    for (size_t i = 0; i < (size_t)b->n; i++) {
        const size_t row = i * (size_t)b->apart * (size_t)b->views;

        tmb__mean_row(b->x + i * d, f->x + row * d, b->d, b->views);
        b->label[i] = f->label[row];
        if (fold) b->fold[i] = fold[row] % MOST_FOLDS;
    }
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* ---- one fit ---- */

/* Photos of length one into b->e, but those of fold `leave`. */
static void take(builder *b, int leave)
{
    const size_t d = (size_t)b->d;

    b->m = 0;
    for (int i = 0; i < b->n; i++) {
        const float *x = b->x + (size_t)i * d;
        const double one = 1 / tmb__unknown_length(x, b->d);

        if (b->fold[i] == leave) continue;
        for (size_t j = 0; j < d; j++)
            b->e[(size_t)b->m * d + j] = x[j] * one;
        b->of[b->m++] = b->label[i];
    }
}

/* b->mean and b->scale; b->e with both. */
static void standardise(builder *b)
{
    const size_t d = (size_t)b->d, m = (size_t)b->m;
    double *mean = b->sum, *deviation = b->axis, *sorted = b->turned, least;

    memset(mean, 0, d * sizeof *mean);
    memset(deviation, 0, d * sizeof *deviation);
    for (size_t i = 0; i < m * d; i++)
        mean[i % d] += b->e[i] / b->m;
    for (size_t i = 0; i < m * d; i++) {
        b->e[i] -= mean[i % d];
        deviation[i % d] += b->e[i] * b->e[i] / b->m;
    }
    for (size_t j = 0; j < d; j++)
        deviation[j] = sorted[j] = sqrt(deviation[j]);
    qsort(sorted, d, sizeof *sorted, compare);
    least = (sorted[(d - 1) / 2] + sorted[d / 2]) / 4;
    for (size_t j = 0; j < d; j++) {
        const double s = hypot(deviation[j], least);

        b->mean[j] = (float)mean[j];
        b->scale[j] = s > STILL ? (float)(1 / s) : 0;
    }
    for (size_t i = 0; i < m * d; i++)
        b->e[i] *= b->scale[i % d];
}

/* Class means, that of a class without photos the mean of all; b->e minus them. Returns how many classes
 * have photos. */
static int centre(builder *b)
{
    const size_t d = (size_t)b->d, k = (size_t)b->classes, m = (size_t)b->m;
    double *count = b->sum + k * d; /* a row of its own */
    int there = 0;

    memset(b->sum, 0, (k + 1) * d * sizeof *b->sum);
    for (size_t i = 0; i < m * d; i++)
        b->sum[(size_t)b->of[i / d] * d + i % d] += b->e[i];
    for (size_t c = 0; c < k; c++) {
        *count = 0;
        for (size_t i = 0; i < m; i++)
            *count += (size_t)b->of[i] == c;
        there += *count > 0;
        for (size_t j = 0; j < d; j++)
            b->sum[c * d + j] /= TMB_MAX(*count, 1);
    }
    for (size_t i = 0; i < m * d; i++)
        b->e[i] -= b->sum[(size_t)b->of[i / d] * d + i % d];
    return there;
}

/* The eigenvectors of b->square turn the `kept` rows of b->axis. With `orthonormal` square is that of
 * these rows, and they become of length one, those that rounding made up left out. Returns how many there
 * are then. */
static int turn(builder *b, int kept, bool orthonormal)
{
    const size_t d = (size_t)b->d;
    double *swap = b->axis;
    int first = 0;

    TMB_TRY(tmb__linalg_eigen(b->values, b->square, kept));
    while (orthonormal && first < kept && b->values[first] <= SMALLEST * b->values[kept - 1])
        first++;
    if (first == kept) return 0;
    b->la->product(&(tmb__product){b->square + (size_t)first * (size_t)kept, b->axis, b->turned,
            kept - first, b->d, kept, .alpha = 1});
    for (size_t i = 0; orthonormal && i < (size_t)(kept - first) * d; i++)
        b->turned[i] /= sqrt(b->values[(size_t)first + i / d]);
    b->axis = b->turned;
    b->turned = swap;
    return kept - first;
}

/* b->axis and b->values, the largest of at most `rank` that S has. Returns how many. */
static int find_axes(builder *b, int rank)
{
    const tmb__linalg *la = b->la;
    const size_t d = (size_t)b->d;
    tmb__rng rng = tmb__rng_at(0, TMB_STREAM_INIT, UINT32_MAX, 0);
    int kept = TMB_MIN(TMB_MIN(rank, b->d), TMB__UNKNOWN_AXES);

    if (kept < 1) return 0;
    for (size_t i = 0; i < (size_t)kept * d; i++)
        b->axis[i] = tmb__rng_uniform(&rng, -1, 1);
    la->product(&(tmb__product){b->e, b->axis, b->y, b->m, kept, b->d, .b_t = true, .alpha = 1});
    la->product(&(tmb__product){b->y, b->e, b->axis, kept, b->d, b->m, .a_t = true, .alpha = 1});
    la->gram(b->square, b->axis, kept, b->d, true, 0);
    kept = turn(b, kept, true);
    if (kept < 1) return kept;
    la->product(&(tmb__product){b->e, b->axis, b->y, b->m, kept, b->d, .b_t = true, .alpha = 1});
    la->gram(b->square, b->y, b->m, kept, false, 0);
    TMB_TRY(turn(b, kept, false));
    for (int j = 0; j < kept; j++)
        b->values[j] = TMB_MAX(b->values[j], 0) / b->m;
    return kept;
}

/* u->weight. With m the mean eigenvalue of S and |S|^2 the sum of their squares,
 *     shrink = (mean |e|^4 - |S|^2) / n / |S - m I|^2,
 * and (1 - shrink) S + shrink m I is S + a I up to a factor. */
static void weigh(const builder *b, tmb_unknown *u)
{
    const double n = b->m, d = b->d, others = TMB_MAX(d - u->axes, 1);
    double trace = 0, fourth = 0, squares, rest, spread, shrink, a;

    for (size_t i = 0; i < (size_t)b->m; i++) {
        const double *e = b->e + i * (size_t)b->d;
        double square = 0;

        for (int j = 0; j < b->d; j++)
            square += e[j] * e[j];
        trace += square / n;
        fourth += square * square / n;
    }
    rest = trace;
    for (int j = 0; j < u->axes; j++)
        rest -= b->values[j];
    rest = TMB_MAX(rest, 0) / others;
    squares = rest * rest * others;
    for (int j = 0; j < u->axes; j++)
        squares += b->values[j] * b->values[j];
    spread = squares - trace * trace / d;
    shrink = spread > 0 ? (fourth - squares) / n / spread : 1;
    shrink = TMB_MIN(TMB_MAX(shrink, 0.01), 0.99);
    a = TMB_MAX(shrink / (1 - shrink) * trace / d, 1e-6);
    for (int j = 0; j < u->axes; j++)
        u->weight[j] = (float)(1 / (b->values[j] + a));
    u->weight[u->axes] = (float)(1 / (rest + a));
}

/* All but the weights. */
static void store(const builder *b, tmb_unknown *u)
{
    const size_t d = (size_t)b->d, kept = (size_t)u->axes;

    memcpy(u->mean, b->mean, d * sizeof *u->mean);
    memcpy(u->scale, b->scale, d * sizeof *u->scale);
    for (size_t i = 0; i < (size_t)b->classes * d; i++)
        u->centre[i] = (float)b->sum[i];
    for (size_t i = 0; i < kept * d; i++)
        u->axis[i % d * kept + i / d] = (float)b->axis[i];
    for (size_t i = 0; i < (size_t)b->classes * kept; i++) {
        const double *mean = b->sum + i / kept * d;
        double sum = 0;

        for (size_t j = 0; j < d; j++)
            sum += mean[j] * b->axis[i % kept * d + j];
        u->along[i] = (float)sum;
    }
}

/* Everything but the limit, without the photos of fold `leave`; -1: with all. */
static int fit(builder *b, int leave, tmb_unknown **out)
{
    int kept;

    take(b, leave);
    if (b->m == 0) return tmb__fail(TMB_EDATA, "all photos are in one fold");
    standardise(b);
    kept = find_axes(b, b->m - centre(b));
    TMB_TRY(kept);
    TMB_TRY(tmb__unknown_alloc(out, b->d, b->classes, kept));
    store(b, *out);
    weigh(b, *out);
    return 0;
}

/* What is within the limit is at a distance of 1 or less: the smallest limit that keeps its share of photos
 * yet to come, of n + 1 in exchange for n; if these are few, the largest distance. */
static void set_limit(builder *b, int64_t n, double keep, tmb_unknown *u)
{
    const int64_t at = TMB_MIN((int64_t)ceil(keep * (double)(n + 1)), n);
    double far;

    qsort(b->distance, (size_t)n, sizeof *b->distance, compare);
    far = TMB_MAX(b->distance[TMB_MAX(at, 1) - 1], 1e-12);
    for (int j = 0; j <= u->axes; j++)
        u->weight[j] = (float)(u->weight[j] / (far * far));
}

static int judge_folds(builder *b, int folds)
{
    for (int f = 0; f < folds; f++) {
        tmb_unknown *other;

        TMB_TRY(fit(b, f, &other));
        for (int i = 0; i < b->n; i++) {
            if (b->fold[i] != f) continue;
            b->distance[i] = tmb__unknown_distance(other, b->x + (size_t)i * (size_t)b->d);
        }
        tmb__unknown_free(other);
    }
    return 0;
}

/* b->x has been learned from and may go. */
static void judge_others(builder *b, const tmb_features *f, const tmb_unknown *u)
{
    const int64_t views = TMB_MAX(f->views, 1);

    for (int64_t i = 0; i < f->n / views; i++) {
        tmb__mean_row(b->x, f->x + i * views * b->d, b->d, (int)views);
        b->distance[i] = MARGIN * tmb__unknown_distance(u, b->x);
    }
}

static builder builder_for(const tmb__linalg *la, const tmb_features *f)
{
    const int views = TMB_MAX(f->views, 1), photos = (int)(f->n / views);
    const int apart = (photos + MOST_PHOTOS - 1) / MOST_PHOTOS;

    return (builder){.la = la,
            .n = photos / apart,
            .d = f->shape[0] * TMB_MAX(f->shape[1], 1) * TMB_MAX(f->shape[2], 1),
            .classes = f->classes,
            .views = views,
            .apart = apart};
}

static int end(builder *b, tmb_unknown **out, int status)
{
    release(b);
    if (status == 0) return 0;
    tmb__unknown_free(*out);
    *out = NULL;
    return status;
}

int tmb__unknown_new(tmb_unknown **out, const tmb__task *task, double keep)
{
    builder b = builder_for(task->axes->la, task->features);
    int status = allocate(&b, b.n);

    *out = NULL;
    if (status == 0) {
        load(&b, task->features, task->fold);
        status = fit(&b, -1, out);
    }
    if (status == 0) status = judge_folds(&b, TMB_MIN(task->folds, MOST_FOLDS));
    if (status == 0) set_limit(&b, b.n, keep, *out);
    return end(&b, out, status);
}

int tmb__unknown_judged(
        tmb_unknown **out, const tmb_features *features, const tmb_features *held_out, double keep)
{
    const int64_t judged = held_out->n / TMB_MAX(held_out->views, 1);
    const tmb__linalg *la;
    builder b;
    int status;

    *out = NULL;
    TMB_TRY(tmb__linalg_get(&la));
    b = builder_for(la, features);
    status = allocate(&b, judged);
    if (status == 0) {
        load(&b, features, NULL);
        status = fit(&b, -1, out);
    }
    if (status == 0) {
        judge_others(&b, held_out, *out);
        set_limit(&b, judged, keep, *out);
    }
    return end(&b, out, status);
}
