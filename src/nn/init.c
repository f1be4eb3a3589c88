/* init.c - initial weights, after keras.initializers
 *
 * Element e of weight number k is a function of (seed, k, e) alone: each 64 elements run on from their own
 * position in the stream, so that nothing depends on the order of drawing, on threads, or on the sizes
 * of other layers.
 * With the fans of keras.md 3.5:
 *
 *   uniform   U(-L, L), L = sqrt(3 scale / n)        glorot scale 1, n = (fan_in + fan_out) / 2
 *   normal    deviation sqrt(scale / n) / 0.8796,    he     scale 2, n = fan_in
 *             drawn anew beyond two deviations       lecun  scale 1, n = fan_in */
#include "nn/layer.h"

#include <math.h>

/* Deviation of the standard normal distribution cut at -2 and 2. */
#define CUT_DEVIATION 0.87962566103423978

enum { RUN = 64 };

typedef enum shape_of_draw { CONSTANT, UNIFORM, NORMAL, CUT_NORMAL } shape_of_draw;

/* What is drawn: a constant, a uniform limit or a normal deviation. */
typedef struct draw {
    shape_of_draw shape;
    double size;
} draw;

static draw scaled(shape_of_draw shape, double scale, double n)
{
    const double variance = scale / fmax(1, n);

    if (shape == UNIFORM) return (draw){UNIFORM, sqrt(3 * variance)};
    return (draw){CUT_NORMAL, sqrt(variance) / CUT_DEVIATION};
}

static draw draw_of(const tmb__weight *weight)
{
    const double in = (double)weight->fan_in, mean = (in + (double)weight->fan_out) / 2;

    switch (weight->init) {
    case TMB_GLOROT_UNIFORM:
        return scaled(UNIFORM, 1, mean);
    case TMB_GLOROT_NORMAL:
        return scaled(CUT_NORMAL, 1, mean);
    case TMB_HE_UNIFORM:
        return scaled(UNIFORM, 2, in);
    case TMB_HE_NORMAL:
        return scaled(CUT_NORMAL, 2, in);
    case TMB_LECUN_UNIFORM:
        return scaled(UNIFORM, 1, in);
    case TMB_LECUN_NORMAL:
        return scaled(CUT_NORMAL, 1, in);
    case TMB_RANDOM_NORMAL:
        return (draw){NORMAL, 0.05};
    case TMB_RANDOM_UNIFORM:
        return (draw){UNIFORM, 0.05};
    case TMB_TRUNCATED_NORMAL:
        return (draw){CUT_NORMAL, 0.05};
    case TMB_ZEROS:
        return (draw){CONSTANT, 0};
    case TMB_ONES:
        break;
    }
    return (draw){CONSTANT, 1};
}

static double cut_normal(tmb__rng *rng)
{
    double x;

    do {
        x = tmb__rng_normal(rng);
    } while (fabs(x) > 2);
    return x;
}

static double one(const draw *d, tmb__rng *rng)
{
    switch (d->shape) {
    case UNIFORM:
        return tmb__rng_uniform(rng, -d->size, d->size);
    case NORMAL:
        return d->size * tmb__rng_normal(rng);
    case CUT_NORMAL:
        return d->size * cut_normal(rng);
    case CONSTANT:
        break;
    }
    return d->size;
}

void tmb__init_fill(const tmb__weight *weight, float *values, uint64_t seed, uint64_t number)
{
    const int64_t count = tmb__shape_count(&weight->shape);
    const draw d = draw_of(weight);
    tmb__rng rng = {0};

    TMB_ASSERT(count <= TMB__MOST_ELEMENTS);
    for (int64_t e = 0; e < count; e++) {
        if (e % RUN == 0) rng = tmb__rng_at(seed, TMB_STREAM_INIT, number, (uint32_t)(e / RUN));
        values[e] = (float)one(&d, &rng);
    }
}
