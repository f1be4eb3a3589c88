/* unknown.c - how far features lie from those of the fit: Mahalanobis, with little data in mind
 *
 * Photos, the mean of their views, minus the mean of their class have the scatter W. The covariance is
 * shrunk toward a multiple of the identity by as much as its own sampling error asks (Ledoit and Wolf
 * 2004), so that more features than photos are no obstacle:
 *     M = W + a I,   distance^2 = min over classes of f^T M^-1 f,   f = x - class mean.
 * The limit is set on distances of photos left out of means and scatter: without photo x, e = x - mean,
 * q = e^T M^-1 e and c = m / (m - 1) of its class of m, M loses c e e^T, and by Sherman and Morrison
 *     own class: c^2 q / (1 - c q),   others: f^T M^-1 f + c (e^T M^-1 f)^2 / (1 - c q).
 * The largest TMB__UNKNOWN_AXES directions are kept apart; all others count as equal, and cost nothing to store. */
#include "head/head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct builder {
    const tmb__task *task;
    int n, r, classes, kept;
    double *z, *mean;           /* (n, r) photos in axes; (classes, r) */
    int32_t *label, *count;     /* (n), (classes) */
    double *e;                  /* (n, r) minus the class mean */
    double *scatter, *values;   /* (r, r) then its eigenvectors; (r) ascending */
    double *weight;             /* (kept + 1): one over the elements of M */
    double *part;               /* (2, r + kept): a photo minus means */
    double *along, *mean_along; /* (n, kept), (classes, kept): along the kept directions */
    double *distance;           /* (n) */
} builder;

static int allocate(builder *b)
{
    const size_t n = (size_t)b->n, r = (size_t)b->r, k = (size_t)b->classes;

    b->z = tmb__calloc(n * r, sizeof *b->z);
    b->mean = tmb__calloc(k * r, sizeof *b->mean);
    b->label = tmb__calloc(n, sizeof *b->label);
    b->count = tmb__calloc(k, sizeof *b->count);
    b->e = tmb__calloc(n * r, sizeof *b->e);
    b->scatter = tmb__calloc(r * r, sizeof *b->scatter);
    b->values = tmb__calloc(r, sizeof *b->values);
    b->weight = tmb__calloc(r + 1, sizeof *b->weight);
    b->part = tmb__calloc(4 * r, sizeof *b->part);
    b->along = tmb__calloc(n * (size_t)b->kept, sizeof *b->along);
    b->mean_along = tmb__calloc(k * (size_t)b->kept, sizeof *b->mean_along);
    b->distance = tmb__calloc(n, sizeof *b->distance);
    return b->z && b->mean && b->label && b->count && b->e && b->scatter && b->values &&
                    b->weight && b->part && b->along && b->mean_along && b->distance
            ? 0
            : TMB_ENOMEM;
}

static void release(builder *b)
{
    void *const all[] = {b->z, b->mean, b->label, b->count, b->e, b->scatter, b->values, b->weight,
            b->part, b->along, b->mean_along, b->distance};

    for (size_t i = 0; i < TMB_COUNT(all); i++)
        tmb__free(all[i]);
}

/* Photos in axes, class means, and what is left of each photo. */
static void centre(builder *b)
{
    const tmb__axes *a = b->task->axes;
    const int views = b->task->views, r = b->r;

    for (int i = 0; i < b->n * r; i++) {
        for (int v = 0; v < views; v++)
            b->z[i] += a->u[(size_t)(i / r * views + v) * (size_t)r + (size_t)(i % r)] *
                    sqrt(a->values[i % r]) / views;
    }
    for (int i = 0; i < b->n; i++) {
        b->label[i] = b->task->label[i * views];
        b->count[b->label[i]]++;
    }
    for (int i = 0; i < b->n * r; i++)
        b->mean[b->label[i / r] * r + i % r] += b->z[i] / b->count[b->label[i / r]];
    for (int i = 0; i < b->n * r; i++)
        b->e[i] = b->z[i] - b->mean[b->label[i / r] * r + i % r];
}

/* The multiple a of the identity, from eigenvalues of the scatter: with S = W / n, d features, m the
 * mean eigenvalue of S, shrink = (sum |e|^4 / n - |S|^2) / n / |S - m I|^2, and
 * (1 - shrink) S + shrink m I is M up to a factor. */
static double identity_share(const builder *b)
{
    const double d = b->task->axes->d, n = b->n;
    double fourth = 0, squares = 0, trace = 0, spread, shrink;

    for (int i = 0; i < b->n; i++) {
        double square = 0;

        for (int j = 0; j < b->r; j++)
            square += b->e[i * b->r + j] * b->e[i * b->r + j];
        fourth += square * square / n;
    }
    for (int j = 0; j < b->r; j++) {
        const double value = TMB_MAX(b->values[j], 0) / n;

        trace += value;
        squares += value * value;
    }
    spread = squares - trace * trace / d;
    shrink = spread > 0 ? (fourth - squares) / n / spread : 1;
    shrink = TMB_MIN(TMB_MAX(shrink, 0.01), 0.99);
    return TMB_MAX(n * shrink / (1 - shrink) * trace / d, 1e-12);
}

/* b->weight: the kept directions are the last rows of the eigenvectors. What the others have in W is
 * spread evenly over all of them. */
static void weigh(builder *b)
{
    const double a = identity_share(b), others = b->task->axes->d - b->kept;
    double rest = 0;

    for (int j = 0; j < b->r - b->kept; j++)
        rest += TMB_MAX(b->values[j], 0);
    for (int j = 0; j < b->kept; j++)
        b->weight[j] = 1 / (TMB_MAX(b->values[b->r - b->kept + j], 0) + a);
    b->weight[b->kept] = 1 / (a + (others > 0 ? rest / others : 0));
}

/* f^T M^-1 g, from f and g in axes (r) and along the kept directions. */
static double product(const builder *b, const double *f, const double *f_kept, const double *g,
        const double *g_kept)
{
    double sum = 0, rest = 0;

    for (int i = 0; i < b->r; i++)
        rest += f[i] * g[i];
    for (int j = 0; j < b->kept; j++) {
        const double both = f_kept[j] * g_kept[j];

        sum += b->weight[j] * both;
        rest -= both;
    }
    return sum + b->weight[b->kept] * rest;
}

/* Photo i minus the mean of class k, in axes and along the kept directions. */
static void against(const builder *b, int i, int k, double *f, double *f_kept)
{
    for (int j = 0; j < b->r; j++)
        f[j] = b->z[i * b->r + j] - b->mean[k * b->r + j];
    for (int j = 0; j < b->kept; j++)
        f_kept[j] = b->along[i * b->kept + j] - b->mean_along[k * b->kept + j];
}

/* The squared distance of photo i to the nearest mean, had it not been there. */
static double left_out(const builder *b, int i)
{
    const int own = b->label[i];
    const double m = b->count[own], c = m > 1 ? m / (m - 1) : 0;
    double *e = b->part, *e_kept = e + b->r, *f = e_kept + b->kept, *f_kept = f + b->r;
    double q, left, best;

    against(b, i, own, e, e_kept);
    q = product(b, e, e_kept, e, e_kept);
    left = TMB_MAX(1 - c * q, 1e-9);
    best = m > 1 ? c * c * q / left : INFINITY;
    for (int k = 0; k < b->classes; k++) {
        double cross;

        if (k == own || b->count[k] == 0) continue;
        against(b, i, k, f, f_kept);
        cross = product(b, e, e_kept, f, f_kept);
        best = TMB_MIN(best, product(b, f, f_kept, f, f_kept) + c * cross * cross / left);
    }
    return best;
}

/* Photos and means along the kept directions. */
static void look_along(builder *b)
{
    const tmb__linalg *la = b->task->axes->la;
    const double *axis = b->scatter + (size_t)(b->r - b->kept) * (size_t)b->r;

    la->product(
            &(tmb__product){b->z, axis, b->along, b->n, b->kept, b->r, .b_t = true, .alpha = 1});
    la->product(&(tmb__product){
            b->mean, axis, b->mean_along, b->classes, b->kept, b->r, .b_t = true, .alpha = 1});
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The smallest distance that keeps its share of photos yet to come: of n + 1 in exchange for n. */
static double limit(builder *b, double keep)
{
    const int at = TMB_MIN((int)ceil(keep * (b->n + 1)), b->n);

    for (int i = 0; i < b->n; i++)
        b->distance[i] = left_out(b, i);
    qsort(b->distance, (size_t)b->n, sizeof *b->distance, compare);
    return TMB_MAX(b->distance[TMB_MAX(at, 1) - 1], 1e-12);
}

/* Into features: rows (n, r) in axes -> floats (n, d), or (d, n) if `turned`. */
static int to_features(const tmb__axes *a, float *out, const double *rows, int n, bool turned)
{
    const size_t d = (size_t)a->d;
    const size_t count = (size_t)n * (size_t)a->d;
    double *wide = tmb__calloc(TMB_MAX(count, 1), sizeof *wide);
    int status = wide ? tmb__axes_back(a, wide, rows, n) : TMB_ENOMEM;

    for (size_t i = 0; status == 0 && i < count; i++)
        out[turned ? i % d * (size_t)n + i / d : i] = (float)wide[i];
    tmb__free(wide);
    return status;
}

static int fill(tmb_unknown *u, builder *b, double keep)
{
    const tmb__axes *a = b->task->axes;
    const size_t d = (size_t)a->d, kept = (size_t)b->kept;
    const double far = limit(b, keep);

    for (size_t i = 0; i < d; i++) {
        u->mean[i] = (float)a->mean[i];
        u->scale[i] = (float)a->scale[i];
    }
    for (size_t i = 0; i < (size_t)b->classes * kept; i++)
        u->along[i] = (float)b->mean_along[i];
    for (size_t i = 0; i <= kept; i++)
        u->weight[i] = (float)(b->weight[i] / far);
    TMB_TRY(to_features(a, u->centre, b->mean, b->classes, false));
    return to_features(
            a, u->axis, b->scatter + (size_t)(b->r - b->kept) * (size_t)b->r, b->kept, true);
}

int tmb__unknown_new(tmb_unknown **out, const tmb__task *task, double keep)
{
    const tmb__axes *a = task->axes;
    builder b = {.task = task,
            .n = a->n / task->views,
            .r = a->r,
            .classes = task->classes,
            .kept = TMB_MIN(a->r, TMB__UNKNOWN_AXES)};
    tmb_unknown *u;
    int status = tmb__unknown_alloc(&u, a->d, b.classes, b.kept);

    *out = NULL;
    if (status == 0) status = allocate(&b);
    if (status == 0) {
        centre(&b);
        a->la->gram(b.scatter, b.e, b.n, b.r, false, 0);
        status = tmb__linalg_eigen(b.values, b.scatter, b.r);
    }
    if (status == 0) {
        weigh(&b);
        look_along(&b);
        status = fill(u, &b, keep);
    }
    release(&b);
    if (status < 0)
        tmb__unknown_free(u);
    else
        *out = u;
    return status;
}
