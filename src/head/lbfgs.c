/* lbfgs.c - a smooth function's minimum by L-BFGS
 *
 * The two loops over the last steps are Nocedal and Wright's (2006, algorithm 7.4); the first guess of
 * the inverse Hessian is a diagonal that the caller knows. Steps are halved until the value falls enough
 * (Armijo), or, where rounding hides a fall, until the slope says so (Hager and Zhang 2005); a pair of
 * steps without curvature is not kept. */
#include "head/head.h"

#include <math.h>
#include <string.h>

enum { MEMORY = 10, HALVINGS = 40 };

#define ENOUGH   1e-4
#define ROUNDING 1e-13

typedef struct state {
    size_t n;
    double size;    /* how much the diagonal is too small, as the last pair says (7.20 there) */
    int kept, next; /* pairs in memory, where the next one goes */
    double *s, *y;  /* (MEMORY, n): steps, and how the gradient changed */
    double rho[MEMORY], a[MEMORY]; /* 1 / s y */
    double *gradient, *way, *to,
            *slope; /* (n) each: here, direction, trial point, gradient there */
} state;

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double squares(const double *a, const double *weight, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += weight[i] * a[i] * a[i];
    return sum;
}

static double largest(const double *a, size_t n)
{
    double most = 0;

    for (size_t i = 0; i < n; i++)
        most = TMB_MAX(most, fabs(a[i]));
    return most;
}

/* way = - H gradient. */
static void direction(state *st, const double *scale)
{
    const size_t n = st->n;

    for (size_t i = 0; i < n; i++)
        st->way[i] = -st->gradient[i];
    for (int i = 1; i <= st->kept; i++) {
        const int p = (st->next - i + MEMORY) % MEMORY;

        st->a[p] = st->rho[p] * dot(st->s + (size_t)p * n, st->way, n);
        for (size_t j = 0; j < n; j++)
            st->way[j] -= st->a[p] * st->y[(size_t)p * n + j];
    }
    for (size_t i = 0; i < n; i++)
        st->way[i] *= st->size * scale[i];
    for (int i = st->kept; i >= 1; i--) {
        const int p = (st->next - i + MEMORY) % MEMORY;
        const double b = st->rho[p] * dot(st->y + (size_t)p * n, st->way, n);

        for (size_t j = 0; j < n; j++)
            st->way[j] += (st->a[p] - b) * st->s[(size_t)p * n + j];
    }
}

/* Along `way`: the new value, with st->to and st->slope; false if none is low enough. */
static bool step(tmb__minimum *m, state *st, const double *x, double *value)
{
    const double along = dot(st->way, st->gradient, st->n);
    double length = 1;

    if (!(along < 0)) return false;
    for (int i = 0; i < HALVINGS; i++, length /= 2) {
        for (size_t j = 0; j < st->n; j++)
            st->to[j] = x[j] + length * st->way[j];
        *value = m->f(m->user, st->to, st->slope);
        if (*value <= m->value + ENOUGH * length * along) return true;
        if (*value <= m->value + ROUNDING * fabs(m->value) &&
                dot(st->way, st->slope, st->n) <= (2 * ENOUGH - 1) * along)
            return true;
    }
    return false;
}

/* Move to st->to, and remember the way. */
static void take(state *st, const double *scale, double *x)
{
    const size_t n = st->n, at = (size_t)st->next * n;
    double curvature;

    for (size_t i = 0; i < n; i++) {
        st->s[at + i] = st->to[i] - x[i];
        st->y[at + i] = st->slope[i] - st->gradient[i];
    }
    memcpy(x, st->to, n * sizeof *x);
    memcpy(st->gradient, st->slope, n * sizeof *x);
    curvature = dot(st->s + at, st->y + at, n);
    if (!(curvature > 1e-14 * dot(st->y + at, st->y + at, n))) return;
    st->rho[st->next] = 1 / curvature;
    st->size = curvature / squares(st->y + at, scale, n);
    st->next = (st->next + 1) % MEMORY;
    st->kept = TMB_MIN(st->kept + 1, MEMORY);
}

static void iterate(tmb__minimum *m, state *st, double *x)
{
    double value = 0;

    m->value = m->f(m->user, x, st->gradient);
    for (m->iterations = 0; m->iterations < m->most; m->iterations++) {
        m->slope = largest(st->gradient, st->n);
        if (m->slope <= m->tolerance) return;
        direction(st, m->scale);
        if (!step(m, st, x, &value)) {
            if (st->kept == 0) return;
            st->size = 1;
            st->kept = 0; /* rounding spoilt the memory: begin anew from here */
            continue;
        }
        take(st, m->scale, x);
        m->value = value;
    }
    m->slope = largest(st->gradient, st->n);
}

int tmb__minimise(tmb__minimum *m, double *x)
{
    const size_t n = (size_t)m->n;
    double *block = tmb__calloc((2 * MEMORY + 4) * n, sizeof *block);
    state st = {.n = n, .size = 1};

    if (!block) return TMB_ENOMEM;
    st.s = block;
    st.y = st.s + MEMORY * n;
    st.gradient = st.y + MEMORY * n;
    st.way = st.gradient + n;
    st.to = st.way + n;
    st.slope = st.to + n;
    iterate(m, &st, x);
    tmb__free(block);
    return isfinite(m->value) ? 0 : tmb__fail(TMB_EDATA, "a head's loss is not finite");
}
