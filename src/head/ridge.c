/* ridge.c - least squares on -1 and 1 with a penalty, and what leaving each photo out would give
 *
 * With x = u diag(s) v, n rows and penalty p, the fitted values are H y,
 *     H = 1/n + u diag(l) u^T,   l = s^2 / (s^2 + n p),
 * where 1/n is the intercept, which is not penalised. A group g left out of the fit gets exactly
 *     y_g - (I - H_gg)^-1 (y - H y)_g
 * (Allen 1974 for one row; the same algebra for several), so that one decomposition serves every
 * penalty and every photo. */
#include "head/head.h"

#include <math.h>
#include <string.h>

enum { PER_DECADE = 4 };

#define LOWEST 1e-3

typedef struct solver {
    const tmb__task *task;
    double *y, *mean, *q; /* (n, k) -1 and 1; (k); u^T (y - mean) (r, k) */
    double *l, *scaled;   /* (r); l q (r, k) */
    double *left, *block; /* a group: (k, rows) residuals, (rows, rows) I - H_gg */
    double *photos;       /* (n, k) */
} solver;

static void free_solver(solver *s)
{
    double *const all[] = {s->y, s->mean, s->q, s->l, s->scaled, s->left, s->block, s->photos};

    for (size_t i = 0; i < TMB_COUNT(all); i++)
        tmb__free(all[i]);
}

/* Targets, and their part along each axis. */
static void project(solver *s)
{
    const tmb__axes *a = s->task->axes;
    const int n = a->n, k = s->task->k;

    for (int i = 0; i < n * k; i++) {
        const int class = k == 1 ? 1 : i % k;

        s->y[i] = s->task->label[i / k] == class ? 1 : -1;
        s->mean[i % k] += s->y[i] / n;
    }
    for (int i = 0; i < n * k; i++)
        s->photos[i] = s->y[i] - s->mean[i % k];
    a->la->product(&(tmb__product){a->u, s->photos, s->q, a->r, k, n, .a_t = true, .alpha = 1});
}

static int new_solver(solver *s, const tmb__task *task)
{
    const tmb__groups *g = task->groups;
    const size_t n = (size_t)task->axes->n, r = (size_t)task->axes->r, k = (size_t)task->k;
    size_t most = 1;

    for (int i = 0; i < g->n; i++)
        most = TMB_MAX(most, (size_t)(g->first[i + 1] - g->first[i]));
    *s = (solver){.task = task,
            .y = tmb__calloc(n * k, sizeof(double)),
            .mean = tmb__calloc(k, sizeof(double)),
            .q = tmb__calloc(r * k, sizeof(double)),
            .l = tmb__calloc(r, sizeof(double)),
            .scaled = tmb__calloc(r * k, sizeof(double)),
            .left = tmb__calloc(most * k, sizeof(double)),
            .block = tmb__calloc(most * most, sizeof(double)),
            .photos = tmb__calloc(n * k, sizeof(double))};
    if (!s->y || !s->mean || !s->q || !s->l || !s->scaled || !s->left || !s->block || !s->photos) {
        free_solver(s);
        return TMB_ENOMEM;
    }
    project(s);
    return 0;
}

/* Element (i, j) of H. */
static double hat(const solver *s, int i, int j)
{
    const tmb__axes *a = s->task->axes;
    const double *x = a->u + (size_t)i * (size_t)a->r, *y = a->u + (size_t)j * (size_t)a->r;
    double sum = 1.0 / a->n;

    for (int c = 0; c < a->r; c++)
        sum += s->l[c] * x[c] * y[c];
    return sum;
}

/* The rows of a group: fitted scores become those of a fit without the group. */
static int leave_out(solver *s, int group, double *scores)
{
    const tmb__groups *g = s->task->groups;
    const int *row = g->row + g->first[group], m = g->first[group + 1] - g->first[group];
    const int k = s->task->k;

    for (int i = 0; i < m; i++) {
        for (int j = 0; j <= i; j++)
            s->block[i * m + j] = (i == j) - hat(s, row[i], row[j]);
        for (int c = 0; c < k; c++)
            s->left[c * m + i] = s->y[row[i] * k + c] - scores[row[i] * k + c];
    }
    if (s->task->axes->la->factor(s->block, m) != 0)
        return tmb__fail(
                TMB_EDATA, "a group of %d rows cannot be left out: nothing else is there", m);
    s->task->axes->la->solve(s->block, m, s->left, k);
    for (int i = 0; i < m; i++) {
        for (int c = 0; c < k; c++)
            scores[row[i] * k + c] = s->y[row[i] * k + c] - s->left[c * m + i];
    }
    return 0;
}

/* Everything at model->penalty. */
static int unseen(solver *s, tmb__linear *model)
{
    const tmb__axes *a = s->task->axes;
    const int n = a->n, r = a->r, k = s->task->k;
    double loss = 0;

    for (int j = 0; j < r; j++)
        s->l[j] = a->values[j] / (a->values[j] + n * model->penalty);
    for (int i = 0; i < r * k; i++) {
        s->scaled[i] = s->l[i / k] * s->q[i];
        model->w[i % k * r + i / k] = s->scaled[i] / sqrt(a->values[i / k]);
    }
    memcpy(model->b, s->mean, (size_t)k * sizeof *model->b);
    a->la->product(&(tmb__product){a->u, s->scaled, model->unseen, n, k, r, .alpha = 1});
    for (int i = 0; i < n * k; i++)
        model->unseen[i] += s->mean[i % k];
    for (int g = 0; g < s->task->groups->n; g++)
        TMB_TRY(leave_out(s, g, model->unseen));
    for (int i = 0; i < n * k; i++)
        loss += (s->y[i] - model->unseen[i]) * (s->y[i] - model->unseen[i]);
    model->loss = loss / ((double)n * k);
    model->errors = tmb__count_errors(s->task, model->unseen, s->photos);
    return 0;
}

int tmb__ridge_unseen(const tmb__task *task, tmb__linear *model)
{
    solver s;
    int status;

    TMB_TRY(new_solver(&s, task));
    status = unseen(&s, model);
    free_solver(&s);
    return status;
}

/* The mean squared length of an axis of standardised rows is n, the largest n d: the grid ends there. */
static int choose(solver *s, tmb__linear *model)
{
    const double highest = 10.0 * s->task->axes->d;
    tmb__linear other;
    int status;

    TMB_TRY(tmb__linear_new(&other, s->task));
    model->errors = -1;
    status = 0;
    for (int i = 0; status == 0; i++) {
        other.penalty = LOWEST * pow(10, (double)i / PER_DECADE);
        if (other.penalty > highest) break;
        status = s->task->opts->stop && *s->task->opts->stop ? TMB_ESTOPPED : unseen(s, &other);
        if (status == 0) tmb__linear_better(model, &other, s->task);
    }
    tmb__linear_free(&other);
    return status;
}

int tmb__ridge_fit(const tmb__task *task, tmb__linear *model)
{
    solver s;
    int status;

    TMB_TRY(new_solver(&s, task));
    model->penalty = task->opts->penalty;
    status = model->penalty > 0 ? unseen(&s, model) : choose(&s, model);
    free_solver(&s);
    return status;
}
