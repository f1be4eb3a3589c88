/* checkops_grad.c - ref's gradients against finite differences of its forward ops
 *
 * With L = sum(y dy) and fixed dy, dL/dx is what the backward op gives for that dy. Up to 40
 * elements of x are nudged by +-h, one at a time: (L(x + h) - L(x - h)) / 2h. h is a power of two,
 * so that x + h is mostly exact; it is large, because y comes in f32, and errors of order h^2 stay
 * below the tolerance. */
#include "checkops.h"

#include <math.h>
#include <stdio.h>

enum { NUDGED = 40 };

static const double tolerance =
        3e-3; /* of the gradient's root mean square: curvature, rounding of y */

typedef struct grader {
    const check_options *options;
    const check_case *c;
    check_run *run;
    double noise; /* of L, from the rounding of y */
    int checked, failed;
    bool seen[TMB_OP_COUNT];
} grader;

/* One run from the start, and L. */
static int loss_of(double *out, grader *g)
{
    const check_case *c = g->c;
    const int64_t n = check_rows_count(c, c->y, c->max_batch);
    const float *y, *dy = c->dy >= 0 ? check_run_data(g->run, c->dy) : NULL;
    double sum = 0, squares = 0;

    TMB_TRY(check_run_reset(g->run));
    TMB_TRY(check_run_go(g->run, c->max_batch, 0, 0));
    TMB_TRY(check_run_read(g->run, c->y, &y));
    for (int64_t i = 0; i < n; i++) {
        const double term = (double)y[i] * (dy ? (double)dy[i] : 1);

        sum += term;
        squares += term * term;
    }
    *out = sum / (c->share_batch ? c->max_batch : 1);
    g->noise = sqrt(squares) * 0x1p-23;
    return 0;
}

/* dL / d element by central difference. */
static int slope_of(double *out, grader *g, int tensor, int64_t element)
{
    float *value = &check_run_data(g->run, tensor)[element];
    const float before = *value, up = (float)(before + g->c->nudge),
                down = (float)(before - g->c->nudge);
    double high, low;

    *value = up;
    TMB_TRY(loss_of(&high, g));
    *value = down;
    TMB_TRY(loss_of(&low, g));
    *value = before;
    *out = (high - low) / ((double)up - (double)down);
    return 0;
}

static double rms(const float *values, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)values[i] * values[i];
    return sqrt(sum / (double)n);
}

static int check_elements(grader *g, int of, const float *gradient, int64_t count)
{
    const int64_t every = count / NUDGED + 1;
    const double scale = rms(gradient, count);

    for (int64_t e = 0; e < count; e += every) {
        double slope, allowed;

        TMB_TRY(slope_of(&slope, g, of, e));
        allowed = tolerance * fmax(scale, fabs((double)gradient[e])) + g->noise / g->c->nudge;
        if (fabs(slope - (double)gradient[e]) <= allowed) continue;
        return tmb__fail(TMB_EGATE,
                "d / d %s[%lld] is %.6g, finite differences give %.6g (allowed +-%.2g)",
                g->c->tensor[of].name, (long long)e, (double)gradient[e], slope, allowed);
    }
    return 0;
}

static int check_pair(grader *g, int of, int gradient)
{
    const int64_t count = check_rows_count(g->c, of, g->c->max_batch);
    float *kept = tmb__calloc((size_t)count, sizeof *kept);
    const float *read;
    double loss;
    int status;

    if (!kept) return TMB_ENOMEM;
    status = loss_of(&loss, g);
    if (status == 0) status = check_run_read(g->run, gradient, &read);
    for (int64_t i = 0; status == 0 && i < count; i++)
        kept[i] = read[i];
    if (status == 0) status = check_elements(g, of, kept, count);
    tmb__free(kept);
    return status;
}

/* The op that wrote a gradient has been checked. */
static void mark(grader *g, int gradient)
{
    for (int i = 0; i < g->c->n_ops; i++) {
        const tmb_op *op = &g->c->op[i];

        for (int k = 0; k < TMB_OP_OUTPUTS; k++)
            g->seen[op->kind] |= op->out[k] == gradient;
        g->seen[op->kind] |= op->kind == TMB_OP_PENALTY && op->in[1] == gradient;
        g->seen[op->kind] |= op->kind == TMB_OP_ACT_BWD;
    }
}

static void grad_case(void *user, const check_case *c)
{
    grader *g = user;
    int status = 0;

    if (c->perf || c->n_pairs == 0 || !check_wanted(g->options, c)) return;
    if (c->max_batch > CASE_BATCH) return; /* the same gradients, more slowly */
    g->c = c;
    status = check_run_new(&g->run, g->options->ref, c, false);
    for (int i = 0; i < c->n_pairs && status == 0; i++) {
        mark(g, c->pair[i].gradient);
        status = check_pair(g, c->pair[i].of, c->pair[i].gradient);
        g->checked++;
    }
    check_run_free(g->run);
    g->run = NULL;
    if (status == 0) return;
    g->failed++;
    printf("FAIL %s %s: %s\n", tmb__op_name((int)c->op[0].kind), c->name, tmb_errmsg());
}

static bool is_gradient(int kind)
{
    tmb__op_slot slots[TMB_OP_INPUTS];
    const int n = tmb__op_slots(slots, kind, true);

    for (int i = 0; i < n; i++) {
        if (slots[i].name[0] == 'd') return true;
    }
    return kind == TMB_OP_PENALTY;
}

int check_grad(const check_options *options)
{
    grader g = {.options = options};

    check_cases(grad_case, &g);
    for (int kind = 0; kind < TMB_OP_COUNT; kind++) {
        if (g.seen[kind] || !is_gradient(kind) || options->filter) continue;
        printf("FAIL gradient op %s has no case\n", tmb__op_name(kind));
        g.failed++;
    }
    printf("%d gradients checked, %d cases failed\n", g.checked, g.failed);
    return g.failed;
}
