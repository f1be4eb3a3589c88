/* logistic.c - logistic and softmax regression with a penalty, chosen by k folds
 *
 *     mean of log(1 + exp(-y s)), or of log sum_j exp(s_j - s_label),  +  penalty / 2 |w|^2
 *
 * with s = w z + b and z = u diag(sqrt(values)), the rows in their axes. There the Hessian is near
 * diagonal: at most values / (4 n) + penalty, which minimise() gets as its first guess. Penalties go
 * from strong to weak, each fold's fit beginning where its last one ended. The folds' fits are made at
 * once, as the minimum of their sum: the rows, by far the most memory, are then read once for all. */
#include "head/head.h"

#include <math.h>
#include <string.h>

enum { PER_DECADE = 2, MOST_STEPS = 500, WORSE = 2, MOST_COLUMNS = 16, ROWS = 64 };

#define HIGHEST 10.0
#define LOWEST  1e-4

/* The largest element of the gradient at the end. */
#define CHOOSING 1e-4
#define FITTING  1e-8

typedef struct problem {
    const tmb__task *task;
    int k;               /* outputs */
    int leave, together; /* the first fold that is not learnt from, -1: none; fits made at once */
    int most;            /* of these */
    double penalty, learnt[MOST_COLUMNS]; /* rows that each fit learns from */
    double *z;                            /* (n, r) */
    double *scale;                        /* ((r + 1) columns) first guess of the inverse Hessian */
    double *scores; /* (n, together, k) of all rows, at the last point asked for */
    double *push;   /* (n, together, k) loss by score */
    double *photos; /* (n, k) */
    double *start;  /* (folds + 1, (r + 1) k) where each fold's fit stands */
} problem;

/* Minus the log likelihood of one row, and push = its gradient by the scores. */
static double row_loss(const double *s, int k, int label, double *push)
{
    double most = s[0], sum = 0;

    if (k == 1) {
        const double margin = label ? s[0] : -s[0];
        const double e = exp(-fabs(margin));

        push[0] = (margin > 0 ? e / (1 + e) : 1 / (1 + e)) * (label ? -1 : 1);
        return log1p(e) + (margin > 0 ? 0 : -margin);
    }
    for (int c = 1; c < k; c++)
        most = TMB_MAX(most, s[c]);
    for (int c = 0; c < k; c++)
        sum += push[c] = exp(s[c] - most);
    for (int c = 0; c < k; c++)
        push[c] = push[c] / sum - (c == label);
    return log(sum) + most - s[label];
}

/* Scores of `rows` rows from `first` on at x: w (columns, r), then b (columns). */
static void score(problem *p, const double *x, int first, int rows)
{
    const tmb__axes *a = p->task->axes;
    const int columns = p->together * p->k;
    const double *z = p->z + (size_t)first * (size_t)a->r;
    double *scores = p->scores + first * columns;

    a->la->product(&(tmb__product){z, x, scores, rows, columns, a->r, .b_t = true, .alpha = 1});
    for (int i = 0; i < rows * columns; i++)
        scores[i] += x[columns * a->r + i % columns];
}

/* The loss of row i in the fit without fold `leave`, and its push. */
static double learn(const problem *p, int i, int leave, const double *s, double *push)
{
    const double share = 1 / p->learnt[leave - p->leave];
    double loss;

    memset(push, 0, (size_t)p->k * sizeof *push);
    if (p->task->fold[i] == leave) return 0;
    loss = row_loss(s, p->k, p->task->label[i], push);
    for (int c = 0; c < p->k; c++)
        push[c] *= share;
    return loss * share;
}

/* The loss of some rows, and what they add to the gradient. */
static double add_rows(problem *p, const double *x, double *gradient, int first, int rows)
{
    const int r = p->task->axes->r, k = p->k, columns = p->together * k;
    const double *z = p->z + (size_t)first * (size_t)r;
    double *push = p->push + first * columns, loss = 0;

    score(p, x, first, rows);
    for (int i = first * p->together; i < (first + rows) * p->together; i++)
        loss += learn(
                p, i / p->together, p->leave + i % p->together, p->scores + i * k, p->push + i * k);
    for (int i = 0; i < rows * columns; i++)
        gradient[columns * r + i % columns] += push[i];
    p->task->axes->la->product(&(tmb__product){
            push, z, gradient, columns, r, rows, .a_t = true, .alpha = 1, .beta = 1});
    return loss;
}

/* The sum over the fits that are made together: each has its own columns. Rows are taken so few at a
 * time that they are still in the cache when the gradient asks for them. */
static double objective(void *user, const double *x, double *gradient)
{
    problem *p = user;
    const int n = p->task->axes->n, size = p->together * p->k * p->task->axes->r;
    double loss = 0, squares = 0;

    memset(gradient, 0, (size_t)(size + p->together * p->k) * sizeof *gradient);
    for (int i = 0; i < n; i += ROWS)
        loss += add_rows(p, x, gradient, i, TMB_MIN(ROWS, n - i));
    for (int i = 0; i < size; i++) {
        squares += x[i] * x[i];
        gradient[i] += p->penalty * x[i];
    }
    return loss + p->penalty / 2 * squares;
}

/* Fit without each of `together` folds from `leave` on, from `x`; all scores are in p->scores then. */
static int fit_folds(problem *p, int leave, int together, double *x, double tolerance)
{
    const tmb__axes *a = p->task->axes;
    tmb__minimum m = {.n = (a->r + 1) * p->k * together,
            .most = MOST_STEPS,
            .scale = p->scale,
            .tolerance = tolerance,
            .f = objective,
            .user = p};

    p->leave = leave;
    p->together = together;
    for (int f = 0; f < together; f++) {
        p->learnt[f] = 0;
        for (int i = 0; i < a->n; i++)
            p->learnt[f] += p->task->fold[i] != leave + f;
    }
    for (int i = 0; i < m.n; i++)
        p->scale[i] = i < p->k * a->r * together
                ? 1 / (a->values[i % a->r] / (4 * a->n) + p->penalty)
                : 4;
    TMB_TRY(tmb__minimise(&m, x));
    score(p, x, 0, a->n);
    return 0;
}

/* Unseen scores by folds at p->penalty, their errors and log loss. */
static int unseen(problem *p, tmb__linear *model)
{
    const int n = p->task->axes->n, k = p->k, size = (p->task->axes->r + 1) * k;
    double push[TMB__MOST_CLASSES];

    for (int f = 0; f < p->task->folds; f += p->most) {
        const int together = TMB_MIN(p->most, p->task->folds - f);

        if (p->task->opts->stop && *p->task->opts->stop) return TMB_ESTOPPED;
        TMB_TRY(fit_folds(p, f, together, p->start + (size_t)f * (size_t)size, CHOOSING));
        for (int i = 0; i < n; i++) {
            const int own = p->task->fold[i] - f;

            if (own < 0 || own >= together) continue;
            memcpy(model->unseen + i * k, p->scores + (i * together + own) * k,
                    (size_t)k * sizeof *p->scores);
        }
    }
    model->penalty = p->penalty;
    model->loss = 0;
    for (int i = 0; i < n; i++)
        model->loss += row_loss(model->unseen + i * k, k, p->task->label[i], push) / n;
    model->errors = tmb__count_errors(p->task, model->unseen, p->photos);
    return 0;
}

/* Down the path until the loss has risen for a while. */
static int choose(problem *p, tmb__linear *model)
{
    double lowest = INFINITY;
    tmb__linear other;
    int status = 0, worse = 0;

    TMB_TRY(tmb__linear_new(&other, p->task));
    model->errors = -1;
    for (int i = 0; status == 0 && worse < WORSE; i++) {
        p->penalty = HIGHEST * pow(10, -(double)i / PER_DECADE);
        if (p->penalty < 0.99 * LOWEST) break;
        status = unseen(p, &other);
        worse = other.loss < lowest ? 0 : worse + 1;
        lowest = TMB_MIN(lowest, other.loss);
        if (status == 0) tmb__linear_better(model, &other, p->task);
    }
    tmb__linear_free(&other);
    return status;
}

static int fit(problem *p, tmb__linear *model)
{
    const int r = p->task->axes->r, k = p->k, size = (r + 1) * k;
    double *x = p->start + (size_t)p->task->folds * (size_t)size;
    int status;

    p->penalty = p->task->opts->penalty;
    status = p->penalty > 0 ? unseen(p, model) : choose(p, model);
    if (status < 0) return status;
    p->penalty = model->penalty;
    TMB_TRY(fit_folds(p, -1, 1, x, FITTING));
    memcpy(model->w, x, (size_t)(k * r) * sizeof *x);
    memcpy(model->b, x + k * r, (size_t)k * sizeof *x);
    return 0;
}

int tmb__logistic_fit(const tmb__task *task, tmb__linear *model)
{
    const tmb__axes *a = task->axes;
    const size_t n = (size_t)a->n, r = (size_t)a->r, k = (size_t)task->k, size = (r + 1) * k;
    const int most = TMB_MIN(TMB_MAX(MOST_COLUMNS / task->k, 1), task->folds);
    const size_t wide = (size_t)most;
    problem p = {.task = task,

            .k = task->k,
            .most = most,
            .z = tmb__calloc(n * r, sizeof(double)),
            .scale = tmb__calloc(size * wide, sizeof(double)),
            .scores = tmb__calloc(n * k * wide, sizeof(double)),
            .push = tmb__calloc(n * k * wide, sizeof(double)),
            .photos = tmb__calloc(n * k, sizeof(double)),
            .start = tmb__calloc(((size_t)task->folds + 1) * size, sizeof(double))};
    double *const all[] = {p.z, p.scale, p.scores, p.push, p.photos, p.start};
    int status = 0;

    for (size_t i = 0; i < TMB_COUNT(all); i++)
        if (!all[i]) status = TMB_ENOMEM;
    for (size_t i = 0; status == 0 && i < n * r; i++)
        p.z[i] = a->u[i] * sqrt(a->values[i % r]);
    if (status == 0) status = fit(&p, model);
    for (size_t i = 0; i < TMB_COUNT(all); i++)
        tmb__free(all[i]);
    return status;
}
