/* head.c - fits a head: kind and penalty chosen on unseen photos, temperature, the limit of the known */
#include "head/head.h"

#include <math.h>
#include <string.h>

enum { FOLDS = 5 };

/* ---- what the fits share ---- */

int tmb__linear_new(tmb__linear *out, const tmb__task *task)
{
    const size_t n = (size_t)task->axes->n, r = (size_t)task->axes->r, k = (size_t)task->k;

    *out = (tmb__linear){.w = tmb__calloc(k * r, sizeof *out->w),
            .b = tmb__calloc(k, sizeof *out->b),
            .unseen = tmb__calloc(n * k, sizeof *out->unseen)};
    if (out->w && out->b && out->unseen) return 0;
    tmb__linear_free(out);
    return TMB_ENOMEM;
}

void tmb__linear_free(tmb__linear *model)
{
    tmb__free(model->w);
    tmb__free(model->b);
    tmb__free(model->unseen);
    *model = (tmb__linear){0};
}

bool tmb__linear_better(tmb__linear *model, const tmb__linear *other, const tmb__task *task)
{
    const size_t n = (size_t)task->axes->n, r = (size_t)task->axes->r, k = (size_t)task->k;

    if (model->errors >= 0 &&
            (other->errors > model->errors ||
                    (other->errors == model->errors && other->loss >= model->loss)))
        return false;
    memcpy(model->w, other->w, k * r * sizeof *model->w);
    memcpy(model->b, other->b, k * sizeof *model->b);
    memcpy(model->unseen, other->unseen, n * k * sizeof *model->unseen);
    model->penalty = other->penalty;
    model->errors = other->errors;
    model->loss = other->loss;
    return true;
}

void tmb__mean_views(double *out, const double *scores, int n, int k, int views)
{
    memset(out, 0, (size_t)(n / views) * (size_t)k * sizeof *out);
    for (int i = 0; i < n * k; i++)
        out[i / k / views * k + i % k] += scores[i] / views;
}

static int answer(const double *scores, int k)
{
    int best = 0;

    if (k == 1) return scores[0] > 0;
    for (int c = 1; c < k; c++)
        if (scores[c] > scores[best]) best = c;
    return best;
}

int64_t tmb__count_errors(const tmb__task *task, const double *scores, double *photos)
{
    const int views = task->views, n = task->axes->n, k = task->k;
    int64_t errors = 0;

    tmb__mean_views(photos, scores, n, k, views);
    for (int i = 0; i < n / views; i++)
        errors += answer(photos + i * k, k) != task->label[i * views];
    return errors;
}

/* ---- one fit ---- */

typedef struct fitter {
    tmb__axes axes;
    tmb__groups groups;
    tmb__task task;
    int32_t *fold, *label; /* (rows), (photos) */
    tmb__linear model[2];  /* ridge, logistic */
    double *photos;        /* (n, k) unseen scores */
} fitter;

static int check(const tmb_features *f, const tmb_head_opts *o)
{
    if ((int)o->kind < 0 || o->kind > TMB_HEAD_LOGISTIC)
        return tmb__fail(TMB_EINVAL, "head: there is no kind number %d", (int)o->kind);
    if (!(o->penalty >= 0) || !isfinite(o->penalty) || o->folds < 0 || o->folds == 1)
        return tmb__fail(TMB_EINVAL, "head: penalty is %g and folds %d; 0 or more, not 1, expected",
                o->penalty, o->folds);
    if (!(o->keep >= 0 && o->keep <= 1))
        return tmb__fail(TMB_EINVAL, "head: keep is %g, 0 to 1 expected", o->keep);
    TMB_TRY(tmb__features_check(f));
    if (f->classes < 2 || f->classes > TMB__MOST_CLASSES)
        return tmb__fail(
                TMB_EDATA, "head: %d classes, 2 to %d expected", f->classes, TMB__MOST_CLASSES);
    return 0;
}

/* A class whose photos are all in one group cannot be judged unseen. */
static int check_classes(const fitter *fit, const tmb_features *f)
{
    int32_t *seen = tmb__calloc((size_t)f->classes, sizeof *seen);
    int32_t *last = tmb__calloc((size_t)f->classes, sizeof *last);
    int status = seen && last ? 0 : TMB_ENOMEM;

    for (int i = 0; status == 0 && i < fit->groups.n_rows; i++) {
        const int row = fit->groups.row[i], label = f->label[row], group = fit->groups.of[row] + 1;

        if (last[label] != group) seen[label]++;
        last[label] = group;
    }
    for (int k = 0; status == 0 && k < f->classes; k++) {
        if (seen[k] < 2)
            status = tmb__fail(TMB_EDATA,
                    "class %d \"%s\" has %d photos or groups of photos, 2 or more expected", k,
                    f->class_names ? tmb__printable(f->class_names[k]) : "", (int)seen[k]);
    }
    tmb__free(seen);
    tmb__free(last);
    return status;
}

static int prepare(fitter *fit, const tmb_features *f, const tmb_head_opts *o)
{
    const int views = TMB_MAX(f->views, 1), k = f->classes == 2 ? 1 : f->classes;
    int folds = o->folds ? o->folds : FOLDS;

    TMB_TRY(tmb__groups_new(&fit->groups, f));
    TMB_TRY(check_classes(fit, f));
    folds = TMB_MIN(folds, fit->groups.n);
    fit->fold = tmb__calloc((size_t)f->n, sizeof *fit->fold);
    fit->label = tmb__calloc((size_t)(f->n / views), sizeof *fit->label);
    fit->photos = tmb__calloc((size_t)f->n, (size_t)k * sizeof *fit->photos);
    if (!fit->fold || !fit->label || !fit->photos) return TMB_ENOMEM;
    TMB_TRY(tmb_features_folds(fit->fold, f, folds, 0, o->seed));
    for (int64_t i = 0; i < f->n / views; i++)
        fit->label[i] = f->label[i * views];
    TMB_TRY(tmb__axes_new(&fit->axes, f));
    fit->task = (tmb__task){.features = f,
            .axes = &fit->axes,
            .groups = &fit->groups,
            .label = f->label,
            .fold = fit->fold,
            .classes = f->classes,
            .k = k,
            .views = views,
            .folds = folds,
            .opts = o};
    for (int i = 0; i < 2; i++)
        TMB_TRY(tmb__linear_new(&fit->model[i], &fit->task));
    return 0;
}

/* Probabilities of unseen photos, and what they come to. */
static int judge(fitter *fit, const tmb__linear *model, tmb_head *out)
{
    const int k = fit->task.k, classes = fit->task.classes;
    double loss = 0;

    out->n = fit->axes.n / fit->task.views;
    tmb__free(out->probabilities);
    out->probabilities = tmb__calloc((size_t)out->n * (size_t)classes, sizeof(float));
    if (!out->probabilities) return TMB_ENOMEM;
    tmb__mean_views(fit->photos, model->unseen, fit->axes.n, k, fit->task.views);
    out->temperature = tmb__temperature(fit->photos, fit->label, (int)out->n, k);
    for (int64_t i = 0; i < out->n; i++) {
        float *p = out->probabilities + i * classes;

        tmb__probabilities(p, fit->photos + i * k, k, out->temperature);
        loss -= log(TMB_MAX((double)p[fit->label[i]], 1e-30)) / (double)out->n;
    }
    out->loss = loss;
    out->penalty = model->penalty;
    out->accuracy = tmb_share_of(out->n - model->errors, out->n);
    out->calibration_error =
            tmb__metric_calibration(out->probabilities, fit->label, out->n, classes);
    return 0;
}

/* The one that `kind` names, or the better of both; judged. */
static int choose(fitter *fit, tmb_head *out, const tmb__linear **chosen)
{
    tmb__linear *ridge = &fit->model[0], *logistic = &fit->model[1];
    const tmb_head_kind kind = fit->task.opts->kind;
    double loss;

    if (kind != TMB_HEAD_LOGISTIC) TMB_TRY(tmb__ridge_fit(&fit->task, ridge));
    if (kind != TMB_HEAD_RIDGE) TMB_TRY(tmb__logistic_fit(&fit->task, logistic));
    *chosen = kind == TMB_HEAD_LOGISTIC ? logistic : ridge;
    out->kind = kind == TMB_HEAD_LOGISTIC ? TMB_HEAD_LOGISTIC : TMB_HEAD_RIDGE;
    TMB_TRY(judge(fit, *chosen, out));
    if (kind != TMB_HEAD_AUTO || logistic->errors > ridge->errors) return 0;
    loss = out->loss;
    TMB_TRY(judge(fit, logistic, out));
    if (logistic->errors == ridge->errors && out->loss >= loss) return judge(fit, ridge, out);
    *chosen = logistic;
    out->kind = TMB_HEAD_LOGISTIC;
    return 0;
}

/* Scores of raw features: w of standardised ones with their scale, temperature in both. */
static int fold_in(const fitter *fit, const tmb__linear *model, tmb_head *out)
{
    const tmb__axes *a = &fit->axes;
    const int d = a->d, k = fit->task.k;
    double *w = tmb__calloc((size_t)k * (size_t)d, sizeof *w);
    int status = w ? tmb__axes_back(a, w, model->w, k) : TMB_ENOMEM;

    out->kernel = tmb__calloc((size_t)d * (size_t)k, sizeof *out->kernel);
    out->bias = tmb__calloc((size_t)k, sizeof *out->bias);
    if (!out->kernel || !out->bias) status = TMB_ENOMEM;
    for (int c = 0; status == 0 && c < k; c++) {
        double bias = model->b[c];

        for (int j = 0; j < d; j++) {
            const double x = w[(size_t)c * (size_t)d + (size_t)j] * a->scale[j];

            out->kernel[(size_t)j * (size_t)k + (size_t)c] = (float)(x / out->temperature);
            bias -= x * a->mean[j];
        }
        out->bias[c] = (float)(bias / out->temperature);
    }
    tmb__free(w);
    return status;
}

static int fit_all(fitter *fit, const tmb_features *f, const tmb_head_opts *o, tmb_head *out)
{
    const tmb__linear *chosen = NULL;

    TMB_TRY(prepare(fit, f, o));
    out->inputs = fit->axes.d;
    out->classes = f->classes;
    out->outputs = fit->task.k;
    TMB_TRY(choose(fit, out, &chosen));
    TMB_TRY(fold_in(fit, chosen, out));
    return tmb__unknown_new(&out->unknown, &fit->task, o->keep > 0 ? o->keep : 0.99);
}

int tmb_head_fit(tmb_head **out, const tmb_features *features, const tmb_head_opts *opts)
{
    const tmb_head_opts none = {0};
    fitter fit = {0};
    tmb_head *head;
    int status;

    if (!out) return tmb__fail(TMB_EINVAL, "head: out is NULL");
    *out = NULL;
    if (!features) return tmb__fail(TMB_EINVAL, "head: features are NULL");
    if (!opts) opts = &none;
    TMB_TRY(check(features, opts));
    head = tmb__calloc(1, sizeof *head);
    if (!head) return TMB_ENOMEM;
    status = fit_all(&fit, features, opts, head);
    if (status == TMB_ESTOPPED) tmb__fail(status, "head: stopped");
    for (int i = 0; i < 2; i++)
        tmb__linear_free(&fit.model[i]);
    tmb__axes_free(&fit.axes);
    tmb__groups_free(&fit.groups);
    tmb__free(fit.fold);
    tmb__free(fit.label);
    tmb__free(fit.photos);
    if (status < 0)
        tmb_head_free(head);
    else
        *out = head;
    return status;
}

void tmb_head_free(tmb_head *head)
{
    if (!head) return;
    tmb__free(head->kernel);
    tmb__free(head->bias);
    tmb__free(head->probabilities);
    tmb__unknown_free(head->unknown);
    tmb__free(head);
}

/* ---- prediction ---- */

void tmb__mean_row(float *out, const float *x, int d, int views)
{
    for (int j = 0; j < d; j++) {
        double sum = 0;

        for (int v = 0; v < views; v++)
            sum += x[(size_t)v * (size_t)d + (size_t)j];
        out[j] = (float)(sum / views);
    }
}

static void score_row(const tmb_head *head, const float *x, double *scores)
{
    const int k = head->outputs;

    for (int c = 0; c < k; c++)
        scores[c] = head->bias[c];
    for (int i = 0; i < head->inputs * k; i++)
        scores[i % k] += (double)x[i / k] * head->kernel[i];
}

int tmb_head_predict(
        const tmb_head *head, const tmb_features *f, float *probabilities, float *distance)
{
    const int views = f ? TMB_MAX(f->views, 1) : 1;
    int64_t d;
    float *row;
    double *scores;
    int status = 0;

    if (!head || !f || !f->x || !probabilities)
        return tmb__fail(TMB_EINVAL, "head: an argument is NULL");
    d = (int64_t)f->shape[0] * TMB_MAX(f->shape[1], 1) * TMB_MAX(f->shape[2], 1);
    if (d != head->inputs || f->n % views != 0)
        return tmb__fail(TMB_EDATA, "head: %lld rows of %lld features, %d expected",
                (long long)f->n, (long long)d, head->inputs);
    row = tmb__calloc((size_t)d, sizeof *row);
    scores = tmb__calloc((size_t)head->outputs, sizeof *scores);
    if (!row || !scores) status = TMB_ENOMEM;
    for (int64_t i = 0; status == 0 && i < f->n / views; i++) {
        tmb__mean_row(row, f->x + i * views * d, (int)d, views);
        score_row(head, row, scores);
        tmb__probabilities(probabilities + i * head->classes, scores, head->outputs, 1);
        if (distance) distance[i] = (float)tmb__unknown_distance(head->unknown, row);
    }
    tmb__free(row);
    tmb__free(scores);
    return status;
}
