/* cpu_act_body.h - activations in vectors; included by cpu_simd_body.h
 *
 * e^x as 2^n e^r with r in +-ln(2)/2, the latter by its series to the seventh power: what is left out is
 * 5e-9 of it. A NaN stays one. */
#include "cpu_vec.h"

#include "cpu_simd.h"

TMB_INLINE vec vec_exp(vec x)
{
    const vec low = vec_all(-87), high = vec_all(88), magic = vec_all(12582912); /* 1.5 * 2^23 */
    vec n, r, sum;
    ivec power;

    x = vec_pick(x < low, low, vec_pick(x > high, high, x));
    n = x * vec_all(1.44269504f) + magic; /* rounded to a whole number in the low bits */
    power = ((ivec)n - (ivec)magic + ivec_all(127)) << 23;
    n -= magic;
    r = x - n * vec_all(0.693359375f) + n * vec_all(2.12194440e-4f);
    sum = vec_all(1.0f / 720) + r * vec_all(1.0f / 5040);
    sum = vec_all(1.0f / 24) + r * (vec_all(1.0f / 120) + r * sum);
    sum = vec_all(0.5f) + r * (vec_all(1.0f / 6) + r * sum);
    return (vec_all(1) + r * (vec_all(1) + r * sum)) * (vec)power;
}

TMB_INLINE vec vec_sigmoid(vec x)
{
    return vec_all(1) / (vec_all(1) + vec_exp(-x));
}

/* `act` is a constant wherever this is inlined. */
TMB_INLINE vec vec_act(tmb_activation act, vec alpha, vec x)
{
    const vec zero = vec_all(0), six = vec_all(6);

    if (act == TMB_RELU6) return vec_pick(x > six, six, vec_rectify(x));
    if (act == TMB_LEAKY_RELU) return vec_pick(x > zero, x, alpha * x);
    if (act == TMB_SIGMOID) return vec_sigmoid(x);
    return x * vec_sigmoid(x); /* TMB_SWISH */
}

/* Times dy; y = act(x), x is read for TMB_SWISH alone. */
TMB_INLINE vec vec_act_slope(tmb_activation act, vec alpha, vec y, vec x)
{
    const vec zero = vec_all(0), one = vec_all(1);

    if (act == TMB_RELU6) return (vec)((ivec)one & (y > zero) & (y < vec_all(6)));
    if (act == TMB_LEAKY_RELU) return vec_pick(y > zero, one, alpha);
    if (act == TMB_SIGMOID) return y * (one - y);
    return vec_sigmoid(x) * (one + x * (one - vec_sigmoid(x)));
}

TMB_INLINE void act_all(tmb_activation act, float alpha, const float *x, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += VEC)
        vec_store_n(y + i, vec_act(act, vec_all(alpha), vec_load_n(x + i, n - i)), n - i);
}

TMB_INLINE void act_bwd_all(tmb_activation act, const cpu_act_bwd *s)
{
    const vec alpha = vec_all(s->alpha);

    for (int64_t i = 0; i < s->n; i += VEC) {
        const int64_t left = s->n - i;
        const vec y = vec_load_n(s->y + i, left);
        const vec x = act == TMB_SWISH ? vec_load_n(s->x + i, left) : y;

        vec_store_n(s->dx + i, vec_load_n(s->dy + i, left) * vec_act_slope(act, alpha, y, x), left);
    }
}

static bool act(tmb_activation kind, float alpha, const float *x, float *y, int64_t n)
{
    switch (kind) {
    case TMB_RELU6:
        act_all(TMB_RELU6, alpha, x, y, n);
        return true;
    case TMB_LEAKY_RELU:
        act_all(TMB_LEAKY_RELU, alpha, x, y, n);
        return true;
    case TMB_SIGMOID:
        act_all(TMB_SIGMOID, alpha, x, y, n);
        return true;
    case TMB_SWISH:
        act_all(TMB_SWISH, alpha, x, y, n);
        return true;
    default:
        return false;
    }
}

static bool act_bwd(tmb_activation kind, const cpu_act_bwd *s)
{
    switch (kind) {
    case TMB_RELU6:
        act_bwd_all(TMB_RELU6, s);
        return true;
    case TMB_LEAKY_RELU:
        act_bwd_all(TMB_LEAKY_RELU, s);
        return true;
    case TMB_SIGMOID:
        act_bwd_all(TMB_SIGMOID, s);
        return true;
    case TMB_SWISH:
        act_bwd_all(TMB_SWISH, s);
        return true;
    default:
        return false;
    }
}
