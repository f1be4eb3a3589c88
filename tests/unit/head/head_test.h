/* head_test.h - what the tests of heads share: golden features, drawn ones, a task */
#ifndef THIMBLE_TEST_HEAD_H
#define THIMBLE_TEST_HEAD_H

#include "golden.h"
#include "head/head.h"
#include "test.h"

#include <math.h>
#include <string.h>

static const char *const head_cases[] = {"tall", "wide", "views", "groups"};

/* Skips where the build has no OpenBLAS. */
static inline void need_linalg(void)
{
    const tmb__linalg *la;
    const int status = tmb__linalg_get(&la);

    if (status == TMB_EUNSUPPORTED) SKIP("built without OpenBLAS");
    assert_ok(status);
}

static inline tmb_features golden_features(const char *name)
{
    const tmb__array *x = golden_array("heads.npz", "%s/x", name);
    const tmb__array *label = golden_array("heads.npz", "%s/label", name);
    const tmb__array *group = golden_array("heads.npz", "%s/group", name);
    const int64_t n = x->shape.dim[0];
    int64_t *ids = test_keep(tmb__calloc((size_t)n, sizeof *ids));
    tmb_features f = {.n = n,
            .shape = {(int)x->shape.dim[1]},
            .x = x->data,
            .label = label->data,
            .views = strcmp(name, "views") == 0 ? 2 : 1,
            .group = ids,
            .classes = 2};

    for (int64_t i = 0; i < n; i++) {
        ids[i] = ((const int32_t *)group->data)[i];
        f.classes = TMB_MAX(f.classes, f.label[i] + 1);
    }
    return f;
}

/* n rows of d features; the class shows in the first features by `apart`. */
static inline tmb_features drawn_features(int n, int d, int classes, double apart, uint64_t number)
{
    tmb__rng rng = tmb__rng_at(5, TMB_STREAM_TEST, number, 1);
    float *x = test_keep(tmb__calloc((size_t)n * (size_t)d, sizeof *x));
    int32_t *label = test_keep(tmb__calloc((size_t)n, sizeof *label));

    for (int i = 0; i < n; i++) {
        label[i] = i % classes;
        for (int j = 0; j < d; j++)
            x[i * d + j] = (float)(tmb__rng_normal(&rng) + (j % classes == label[i] ? apart : 0));
    }
    return (tmb_features){.n = n, .shape = {d}, .x = x, .label = label, .classes = classes};
}

typedef struct fitted {
    tmb__axes axes;
    tmb__groups groups;
    tmb__task task;
    tmb__linear model;
} fitted;

static inline fitted *begin_fit(const tmb_features *f, const tmb_head_opts *opts)
{
    fitted *fit = test_keep(tmb__calloc(1, sizeof *fit));
    int32_t *fold = test_keep(tmb__calloc((size_t)f->n, sizeof *fold));

    need_linalg();
    assert_ok(tmb__axes_new(&fit->axes, f));
    assert_ok(tmb__groups_new(&fit->groups, f));
    assert_ok(tmb_features_folds(fold, f, 4, 0, 1));
    fit->task = (tmb__task){.features = f,
            .axes = &fit->axes,
            .groups = &fit->groups,
            .label = f->label,
            .fold = fold,
            .classes = f->classes,
            .k = f->classes == 2 ? 1 : f->classes,
            .views = TMB_MAX(f->views, 1),
            .folds = 4,
            .opts = opts};
    assert_ok(tmb__linear_new(&fit->model, &fit->task));
    return fit;
}

static inline void end_fit(fitted *fit)
{
    tmb__linear_free(&fit->model);
    tmb__axes_free(&fit->axes);
    tmb__groups_free(&fit->groups);
}

static inline void assert_all_near(
        const double *found, const tmb__array *expected, int64_t n, double tolerance)
{
    const double *e = expected->data;

    assert_int_equal(expected->dtype, TMB__F64);
    assert_int_equal(tmb__shape_count(&expected->shape), n);
    for (int64_t i = 0; i < n; i++) {
        if (!(fabs(found[i] - e[i]) <= tolerance * TMB_MAX(1, fabs(e[i]))))
            fail_msg("element %lld is %.17g, expected %.17g", (long long)i, found[i], e[i]);
    }
}

/* The weights of model in raw features, (d, k), and its bias. */
static inline void assert_weights(const fitted *fit, const char *key, double tolerance)
{
    const tmb__axes *a = &fit->axes;
    const int d = a->d, k = fit->task.k;
    double *w = test_keep(tmb__calloc((size_t)(d * k), sizeof *w));
    double *raw = test_keep(tmb__calloc((size_t)(d * k), sizeof *raw));
    double bias[8];

    assert_ok(tmb__axes_back(a, w, fit->model.w, k));
    for (int c = 0; c < k; c++) {
        bias[c] = fit->model.b[c];
        for (int j = 0; j < d; j++) {
            raw[j * k + c] = w[c * d + j] * a->scale[j];
            bias[c] -= raw[j * k + c] * a->mean[j];
        }
    }
    assert_all_near(raw, golden_array("heads.npz", "%s/kernel", key), d * k, tolerance);
    assert_all_near(bias, golden_array("heads.npz", "%s/bias", key), k, tolerance);
}

#endif
