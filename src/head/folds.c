/* folds.c - rows dealt to folds: classes evenly, groups whole, the same for the same seed
 *
 * Groups are shuffled by the seed, larger ones first, and each goes to the fold that has fewest rows
 * of its class, of these the one with fewest rows. */
#include "head/head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FOLDS = 10000 };

/* ---- groups ---- */

typedef struct keyed {
    int64_t key;
    int row;
} keyed;

static int compare_keys(const void *a, const void *b)
{
    const keyed *x = a, *y = b;

    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

int tmb__groups_new(tmb__groups *out, const tmb_features *f)
{
    const int n = (int)f->n, views = TMB_MAX(f->views, 1);
    keyed *sorted = tmb__calloc((size_t)n, sizeof *sorted);

    *out = (tmb__groups){.n_rows = n};
    out->first = tmb__calloc((size_t)n + 1, sizeof *out->first);
    out->row = tmb__calloc((size_t)n, sizeof *out->row);
    out->of = tmb__calloc((size_t)n, sizeof *out->of);
    if (!sorted || !out->first || !out->row || !out->of) {
        tmb__free(sorted);
        tmb__groups_free(out);
        return TMB_ENOMEM;
    }
    for (int i = 0; i < n; i++) {
        const int photo = i - i % views;

        sorted[i] = (keyed){f->group ? f->group[photo] : photo, i};
    }
    qsort(sorted, (size_t)n, sizeof *sorted, compare_keys);
    for (int i = 0; i < n; i++) {
        if (i == 0 || sorted[i].key != sorted[i - 1].key) out->first[out->n++] = i;
        out->row[i] = sorted[i].row;
        out->of[sorted[i].row] = out->n - 1;
    }
    out->first[out->n] = n;
    tmb__free(sorted);
    return 0;
}

void tmb__groups_free(tmb__groups *groups)
{
    tmb__free(groups->first);
    tmb__free(groups->row);
    tmb__free(groups->of);
    *groups = (tmb__groups){0};
}

/* ---- dealing ---- */

typedef struct dealer {
    const tmb__groups *groups;
    int folds;
    int64_t *order; /* (groups) */
    int64_t *size;  /* (folds): rows; then (classes, folds) rows of each class */
} dealer;

typedef struct ranked {
    int64_t group;
    int size, place;
} ranked;

/* Larger first; equal ones stay as they were shuffled. */
static int compare_sizes(const void *a, const void *b)
{
    const ranked *x = a, *y = b;

    if (x->size != y->size) return x->size > y->size ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static int put_large_first(dealer *d)
{
    ranked *r = tmb__calloc((size_t)d->groups->n, sizeof *r);

    if (!r) return TMB_ENOMEM;
    for (int i = 0; i < d->groups->n; i++) {
        const int64_t g = d->order[i];

        r[i] = (ranked){g, d->groups->first[g + 1] - d->groups->first[g], i};
    }
    qsort(r, (size_t)d->groups->n, sizeof *r, compare_sizes);
    for (int i = 0; i < d->groups->n; i++)
        d->order[i] = r[i].group;
    tmb__free(r);
    return 0;
}

static int emptiest(const dealer *d, int label)
{
    const int64_t *all = d->size, *class = d->size + (label + 1) * d->folds;
    int best = 0;

    for (int k = 1; k < d->folds; k++) {
        if (class[k] < class[best] || (class[k] == class[best] && all[k] < all[best])) best = k;
    }
    return best;
}

static void deal(dealer *d, const int32_t *label, int32_t *fold)
{
    for (int i = 0; i < d->groups->n; i++) {
        const int64_t g = d->order[i];
        const int first = d->groups->first[g], end = d->groups->first[g + 1];
        const int k = emptiest(d, label[d->groups->row[first]]);

        for (int j = first; j < end; j++) {
            const int row = d->groups->row[j];

            fold[row] = k;
            d->size[k]++;
            d->size[(label[row] + 1) * d->folds + k]++;
        }
    }
}

int tmb_features_folds(int32_t *fold, const tmb_features *f, int folds, int repeat, uint64_t seed)
{
    tmb__groups groups = {0};
    dealer d = {&groups, .folds = folds};
    tmb__rng rng = tmb__rng_at(seed, TMB_STREAM_SPLIT, (uint64_t)repeat, UINT32_MAX);
    int status;

    if (!fold || !f) return tmb__fail(TMB_EINVAL, "folds: an argument is NULL");
    if (folds < 2 || folds > MOST_FOLDS || repeat < 0)
        return tmb__fail(TMB_EINVAL, "folds: %d folds, round %d; 2 to %d expected, 0 or more",
                folds, repeat, MOST_FOLDS);
    TMB_TRY(tmb__features_check(f));
    TMB_TRY(tmb__groups_new(&groups, f));
    status = groups.n < folds
            ? tmb__fail(TMB_EDATA, "%d photos or groups are too few for %d folds", groups.n, folds)
            : 0;
    if (status == 0) {
        d.order = tmb__calloc((size_t)groups.n, sizeof *d.order);
        d.size = tmb__calloc((size_t)folds, ((size_t)f->classes + 1) * sizeof *d.size);
        if (!d.order || !d.size) status = TMB_ENOMEM;
    }
    if (status == 0) {
        tmb__rng_permute(&rng, d.order, groups.n);
        status = put_large_first(&d);
    }
    if (status == 0) deal(&d, f->label, fold);
    tmb__free(d.order);
    tmb__free(d.size);
    tmb__groups_free(&groups);
    return status;
}

/* ---- a mean over repeats ---- */

/* The 97.5 % quantile of Student's t; from 30 degrees on by Cornish and Fisher's expansion
 * (Abramowitz and Stegun 26.7.5). */
static double student(int degrees)
{
    static const double few[] = {12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912,
            2.364624, 2.306004, 2.262157, 2.228139, 2.200985, 2.178813, 2.160369, 2.144787,
            2.131450, 2.119905, 2.109816, 2.100922, 2.093024, 2.085963, 2.079614, 2.073873,
            2.068658, 2.063899, 2.059539, 2.055529, 2.051831, 2.048407, 2.045230};
    const double z = 1.959963984540054, z3 = z * z * z, z5 = z3 * z * z, v = degrees;

    if (degrees <= (int)TMB_COUNT(few)) return few[degrees - 1];
    return z + (z3 + z) / (4 * v) + (5 * z5 + 16 * z3 + 3 * z) / (96 * v * v);
}

tmb_mean tmb_mean_of(const double *values, int n)
{
    tmb_mean m = {0};
    double squares = 0, half;

    if (!values || n < 1) return m;
    for (int i = 0; i < n; i++)
        m.value += values[i] / n;
    m.low = m.high = m.value;
    if (n == 1) return m;
    for (int i = 0; i < n; i++)
        squares += (values[i] - m.value) * (values[i] - m.value);
    m.deviation = sqrt(squares / (n - 1));
    half = student(n - 1) * m.deviation / sqrt(n);
    m.low -= half;
    m.high += half;
    return m;
}
