/* axes.c - features standardised, and the principal axes of their rows
 *
 * x = u diag(s) v, from the eigenvectors of the smaller of x^T x and x x^T. Axes shorter than rounding
 * are left out: there the rows do not differ. */
#include "head/head.h"

#include <math.h>

#define SMALLEST 1e-11 /* squared length of an axis, as a share of the largest */
#define STILL    1e-6  /* deviation as a share of the mean: float32 that does not vary */

static int standardise(tmb__axes *a, const float *raw)
{
    const size_t n = (size_t)a->n, d = (size_t)a->d;
    double *sum = tmb__calloc(d, sizeof *sum);

    if (!sum) return TMB_ENOMEM;
    for (size_t i = 0; i < n * d; i++)
        a->mean[i % d] += raw[i] / (double)n;
    for (size_t i = 0; i < n * d; i++) {
        a->x[i] = raw[i] - a->mean[i % d];
        sum[i % d] += a->x[i] * a->x[i];
    }
    for (size_t j = 0; j < d; j++) {
        const double deviation = sqrt(sum[j] / (double)n);

        a->scale[j] = deviation > STILL * fabs(a->mean[j]) ? 1 / deviation : 0;
    }
    for (size_t i = 0; i < n * d; i++)
        a->x[i] *= a->scale[i % d];
    tmb__free(sum);
    return 0;
}

/* Eigenvectors `row` (r of them in rows of m) belong to a->values: fill u, and v where it is small. */
static int fill_axes(tmb__axes *a, double *row, int m)
{
    const size_t n = (size_t)a->n, r = (size_t)a->r;

    a->u = tmb__calloc(n * r, sizeof *a->u);
    if (!a->u) return TMB_ENOMEM;
    if (m == a->n && a->d > a->n) {
        for (size_t i = 0; i < n * r; i++)
            a->u[i] = row[i % r * n + i / r];
        return 0;
    }
    a->v = tmb__calloc(r * (size_t)a->d, sizeof *a->v);
    if (!a->v) return TMB_ENOMEM;
    for (size_t i = 0; i < r * (size_t)a->d; i++)
        a->v[i] = row[i];
    a->la->product(&(tmb__product){a->x, a->v, a->u, a->n, a->r, a->d, .b_t = true, .alpha = 1});
    for (size_t i = 0; i < n * r; i++)
        a->u[i] /= sqrt(a->values[i % r]);
    return 0;
}

/* Turn LAPACK's ascending order round, and drop what is nothing. */
static void descend(tmb__axes *a, double *row, int m)
{
    const size_t size = (size_t)m;

    for (size_t i = 0; i < size / 2; i++) {
        const double value = a->values[i];

        a->values[i] = a->values[size - 1 - i];
        a->values[size - 1 - i] = value;
        for (size_t j = 0; j < size; j++) {
            const double x = row[i * size + j];

            row[i * size + j] = row[(size - 1 - i) * size + j];
            row[(size - 1 - i) * size + j] = x;
        }
    }
    a->r = 0;
    while (a->r < m && a->values[a->r] > SMALLEST * a->values[0])
        a->r++;
}

static int find_axes(tmb__axes *a)
{
    const int m = TMB_MIN(a->n, a->d);
    double *square = tmb__calloc((size_t)m * (size_t)m, sizeof *square);
    int status = square ? 0 : TMB_ENOMEM;

    a->values = tmb__calloc((size_t)m, sizeof *a->values);
    if (!a->values) status = TMB_ENOMEM;
    if (status == 0) {
        a->la->gram(square, a->x, a->n, a->d, a->d > a->n, 0);
        status = tmb__linalg_eigen(a->values, square, m);
    }
    if (status == 0) {
        descend(a, square, m);
        if (a->r == 0) status = tmb__fail(TMB_EDATA, "features: all %d rows are the same", a->n);
    }
    if (status == 0) status = fill_axes(a, square, m);
    tmb__free(square);
    return status;
}

int tmb__axes_new(tmb__axes *out, const tmb_features *f)
{
    const int64_t d = (int64_t)f->shape[0] * TMB_MAX(f->shape[1], 1) * TMB_MAX(f->shape[2], 1);
    size_t total;
    int status = 0;

    *out = (tmb__axes){0};
    if (f->n > INT32_MAX || d > INT32_MAX || TMB_MIN(f->n, d) > TMB__LINALG_LIMIT)
        return tmb__fail(TMB_EINVAL, "features: %lld rows of %lld, one of both at most %d expected",
                (long long)f->n, (long long)d, TMB__LINALG_LIMIT);
    if (!tmb__mul((size_t)f->n, (size_t)d, &total)) return TMB_ENOMEM;
    TMB_TRY(tmb__linalg_get(&out->la));
    out->n = (int)f->n;
    out->d = (int)d;
    out->mean = tmb__calloc((size_t)d, sizeof *out->mean);
    out->scale = tmb__calloc((size_t)d, sizeof *out->scale);
    out->x = tmb__calloc(total, sizeof *out->x);
    if (!out->mean || !out->scale || !out->x) status = TMB_ENOMEM;
    if (status == 0) status = standardise(out, f->x);
    if (status == 0) status = find_axes(out);
    if (status < 0) tmb__axes_free(out);
    return status;
}

void tmb__axes_free(tmb__axes *axes)
{
    tmb__free(axes->mean);
    tmb__free(axes->scale);
    tmb__free(axes->x);
    tmb__free(axes->values);
    tmb__free(axes->u);
    tmb__free(axes->v);
    *axes = (tmb__axes){0};
}

/* Without v: w v = (w diag(values)^-1/2 u^T) x. */
int tmb__axes_back(const tmb__axes *a, double *out, const double *w, int rows)
{
    const size_t r = (size_t)a->r, n = (size_t)a->n;
    double *shrunk, *of_rows;
    int status = TMB_ENOMEM;

    if (a->v) {
        a->la->product(&(tmb__product){w, a->v, out, rows, a->d, a->r, .alpha = 1});
        return 0;
    }
    shrunk = tmb__calloc((size_t)rows * r, sizeof *shrunk);
    of_rows = tmb__calloc((size_t)rows * n, sizeof *of_rows);
    if (shrunk && of_rows) {
        for (size_t i = 0; i < (size_t)rows * r; i++)
            shrunk[i] = w[i] / sqrt(a->values[i % r]);
        a->la->product(
                &(tmb__product){shrunk, a->u, of_rows, rows, a->n, a->r, .b_t = true, .alpha = 1});
        a->la->product(&(tmb__product){of_rows, a->x, out, rows, a->d, a->n, .alpha = 1});
        status = 0;
    }
    tmb__free(shrunk);
    tmb__free(of_rows);
    return status;
}
