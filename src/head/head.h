/* head.h - door of head: linear classifiers on features
 *
 * Rows are standardised and turned to their principal axes once; ridge, logistic regression and the
 * distance all work there. A penalty on |w|^2 does not see a rotation, so results are those of the
 * features themselves, and more features than rows cost no more than rows. */
#ifndef THIMBLE_HEAD_HEAD_H
#define THIMBLE_HEAD_HEAD_H

#include "linalg/linalg.h"
#include "train/train.h"
#include <thimble/head.h>

enum { TMB__MOST_CLASSES = 1000 };

/* ---- standardised rows and their axes (axes.c) ---- */

typedef struct tmb__axes {
    const tmb__linalg *la;
    int n, d, r; /* rows, features, axes: r <= min(n - 1, d) */
    double *mean,
            *scale; /* (d): x = (raw - mean) * scale; scale 0 for a feature that does not vary */
    double *x;      /* (n, d) standardised */
    double *values; /* (r) squared lengths of the axes, descending */
    double *u;      /* (n, r) orthonormal columns: x = u diag(sqrt(values)) v */
    double *v;      /* (r, d) if d <= n, else NULL: v = diag(values)^-1/2 u^T x */
} tmb__axes;
int tmb__axes_new(tmb__axes *out, const tmb_features *features);
void tmb__axes_free(tmb__axes *axes);
/* Rows of numbers for each axis (rows, r) -> for each standardised feature (rows, d): w v. */
int tmb__axes_back(const tmb__axes *axes, double *out, const double *w, int rows);

/* ---- who stays together (folds.c) ---- */

/* Rows sorted by group: those of group g are row[first[g]] .. row[first[g + 1] - 1]. */
typedef struct tmb__groups {
    int n, n_rows;
    int *first, *row, *of; /* (n + 1), (n_rows), group of each row (n_rows) */
} tmb__groups;
int tmb__groups_new(tmb__groups *out, const tmb_features *features);
void tmb__groups_free(tmb__groups *groups);

/* ---- fits: scores (n, k) of unseen rows, k = 1 for two classes ---- */

/* What all fits share. */
typedef struct tmb__task {
    const tmb_features *features;
    const tmb__axes *axes;
    const tmb__groups *groups;
    const int32_t *label, *fold; /* (n) */
    int classes, k, views, folds;
    const tmb_head_opts *opts;
} tmb__task;

/* A linear model in axes: score = w z + b. */
typedef struct tmb__linear {
    double penalty;
    double *w, *b;  /* (k, r), (k) */
    double *unseen; /* (n, k) scores of rows that were left out */
    int64_t errors; /* photos among them judged wrong */
    double loss;    /* their mean squared error (ridge) or log loss (logistic) */
} tmb__linear;
int tmb__linear_new(tmb__linear *out, const tmb__task *task);
void tmb__linear_free(tmb__linear *model);
/* Keep the better of two: fewer errors, then the smaller loss. True if `model` becomes `other`. */
bool tmb__linear_better(tmb__linear *model, const tmb__linear *other, const tmb__task *task);

/* Ridge at model->penalty: unseen scores, errors and loss by leaving groups out, exactly; weights. */
int tmb__ridge_unseen(const tmb__task *task, tmb__linear *model);
int tmb__ridge_fit(const tmb__task *task, tmb__linear *model); /* penalty chosen if opts say so */
int tmb__logistic_fit(const tmb__task *task, tmb__linear *model);

/* Mean of `scores` over the views of each photo, (n, k) -> (n / views, k). */
void tmb__mean_views(double *out, const double *scores, int n, int k, int views);
/* The mean of one photo's rows: scores are linear, so it has the mean of their scores. */
void tmb__mean_row(float *out, const float *x, int d, int views);
int64_t tmb__count_errors(const tmb__task *task, const double *scores, double *photos);

/* Minimise f from x by L-BFGS with a diagonal first guess of the inverse Hessian, until no element of
 * the gradient is above `tolerance`. `f` gives the value and the gradient. */
typedef struct tmb__minimum {
    int n, most;         /* variables, most iterations */
    const double *scale; /* (n): the diagonal */
    double tolerance;
    double (*f)(void *user, const double *x, double *gradient);
    void *user;
    double value, slope; /* out: at the end; the largest element of the gradient */
    int iterations;      /* out */
} tmb__minimum;
int tmb__minimise(tmb__minimum *m, double *x);

/* ---- features and their files (features_file.c) ---- */

/* What tmb_features.memory is: all that the fields point to. */
typedef struct tmb__features_memory {
    float *x;
    int32_t *label;
    int64_t *group;
    const char **class_names, **keys;
    struct json_t *json; /* the texts, of features from a file; else */
    char *text, fingerprint[65], backbone[192];
} tmb__features_memory;

/* Rows written as they are computed, in order. `known` says everything but x when the writing begins and
 * is borrowed to the end, and n rows must have come by then; `end` is as tmb__writer_end. */
typedef struct tmb__features_writer tmb__features_writer;
int tmb__features_begin(tmb__features_writer **out, const tmb_features *known, const char *path);
int tmb__features_add(tmb__features_writer *writer, const float *x, int64_t rows);
int tmb__features_end(tmb__features_writer *writer, int status);

/* ---- trust (calibrate.c, unknown.c) ---- */

/* The temperature that fits scores (n, k) to labels best. */
double tmb__temperature(const double *scores, const int32_t *label, int n, int k);
/* Scores of one photo -> (classes) probabilities. */
void tmb__probabilities(float *out, const double *scores, int k, double temperature);

/* The distance, and its limit on the task's photos; `keep` of them are within it. */
int tmb__unknown_new(tmb_unknown **out, const tmb__task *task, double keep);
/* The same of features that the network itself has learned: the limit is set on those of others. */
int tmb__unknown_judged(
        tmb_unknown **out, const tmb_features *features, const tmb_features *held_out, double keep);

#endif
