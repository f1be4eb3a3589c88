/* rng.c - random numbers as a function of (seed, stream, a, b, position)
 *
 * Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011)
 * turns a key and a counter into four random words. No state is shared, so any thread can make the
 * numbers of any sample, and the result does not depend on who made them, nor when.
 *
 *   key      seed low, seed high
 *   counter  block of four words | b | a low | stream (8 bits), a high (24 bits)
 *
 * A position thus has 2^34 words of its own and never runs into another one's; of a, 56 bits count.
 * Nothing here calls libm's log or cos, whose last bit differs from machine to machine. */
#include "base/base.h"

#include <Random123/philox.h>
#include <math.h>
#include <string.h>

enum { BLOCK_WORDS = 4 };

tmb__rng tmb__rng_at(uint64_t seed, tmb__stream stream, uint64_t a, uint32_t b)
{
    tmb__rng rng = {0};

    rng.key[0] = (uint32_t)seed;
    rng.key[1] = (uint32_t)(seed >> 32);
    rng.counter[1] = b;
    rng.counter[2] = (uint32_t)a;
    rng.counter[3] = (uint32_t)stream << 24 | (uint32_t)(a >> 32 & 0xffffff);
    rng.used = BLOCK_WORDS;
    return rng;
}

uint32_t tmb__rng_u32(tmb__rng *rng)
{
    if (rng->other) return rng->other(rng->user);
    if (rng->used == BLOCK_WORDS) {
        philox4x32_ctr_t words;
        philox4x32_key_t key;

        memcpy(words.v, rng->counter, sizeof words.v);
        memcpy(key.v, rng->key, sizeof key.v);
        words = philox4x32(words, key);
        memcpy(rng->block, words.v, sizeof rng->block);
        rng->counter[0]++;
        rng->used = 0;
    }
    return rng->block[rng->used++];
}

double tmb__rng_uniform(tmb__rng *rng, double lo, double hi)
{
    const uint32_t high = tmb__rng_u32(rng) >> 5, low = tmb__rng_u32(rng) >> 6;
    const double unit = ((double)high * 0x1p26 + (double)low) * 0x1p-53; /* [0, 1) */
    const double value = lo + (hi - lo) * unit;

    /* The sum may have rounded up; another's stream keeps its own rounding. */
    return value < hi || !(lo < hi) || rng->other ? value : nextafter(hi, lo);
}

/* NumPy's rule: bits above the largest value are cut off, what is still too large is refused; where
 * there is no choice nothing is drawn. */
static uint32_t masked_below(tmb__rng *rng, uint32_t n)
{
    uint32_t mask = n - 1, v = 0;

    for (int shift = 1; shift < 32; shift *= 2)
        mask |= mask >> shift;
    while (n > 1 && (v = tmb__rng_u32(rng) & mask) >= n) {
    }
    return v;
}

/* Lemire: Fast random integer generation in an interval (2019). The high word of a product is
 * uniform once the first 2^32 mod n low words are refused. */
uint32_t tmb__rng_below(tmb__rng *rng, uint32_t n)
{
    uint64_t product;

    if (rng->other) return masked_below(rng, n);
    product = (uint64_t)tmb__rng_u32(rng) * n;
    if ((uint32_t)product < n) {
        const uint32_t refused = (0u - n) % n;

        while ((uint32_t)product < refused)
            product = (uint64_t)tmb__rng_u32(rng) * n;
    }
    return (uint32_t)(product >> 32);
}

/* ln(x) for x > 0: x = m 2^e with m in [1/sqrt 2, sqrt 2), ln m = 2 artanh(s), s = (m-1)/(m+1).
 * |s| < 0.172, so that eleven terms reach the last bit but one or two. */
static double natural_log(double x)
{
    int e;
    double m = frexp(x, &e), s, sum = 0;

    if (m < 0.70710678118654752) {
        m *= 2;
        e--;
    }
    s = (m - 1) / (m + 1);
    for (int k = 23; k > 0; k -= 2)
        sum = sum * s * s + 1.0 / k;
    return 2 * s * sum + e * 0.69314718055994531;
}

/* Marsaglia's polar method: a point of the unit disc gives two normal numbers; we keep one. */
double tmb__rng_normal(tmb__rng *rng)
{
    double x, y, r2;

    do {
        x = tmb__rng_uniform(rng, -1, 1);
        y = tmb__rng_uniform(rng, -1, 1);
        r2 = x * x + y * y;
    } while (r2 >= 1 || r2 == 0);
    return x * sqrt(-2 * natural_log(r2) / r2);
}

void tmb__rng_permute(tmb__rng *rng, int64_t *order, int64_t n)
{
    TMB_ASSERT(n <= UINT32_MAX);
    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        const int64_t j = tmb__rng_below(rng, (uint32_t)(i + 1));
        const int64_t kept = order[i];

        order[i] = order[j];
        order[j] = kept;
    }
}
