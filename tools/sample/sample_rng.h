/* sample_rng.h - random numbers of the sample pictures: value = hash(seed, class, index, stream, n)
 *
 * The mixer is the finaliser of splitmix64 (Steele, Lea, Flood 2014). Each part of a picture has a
 * stream of its own, so that a new draw in one part leaves the others as they were.
 *
 * PITFALL: C does not say in which order the arguments of a call or the values of an initialiser
 * are evaluated. One statement holds one draw, or two compilers draw two different pictures.
 */
#ifndef THIMBLE_SAMPLE_SAMPLE_RNG_H
#define THIMBLE_SAMPLE_SAMPLE_RNG_H

#include "sample_draw.h"

#include <stdbool.h>

typedef struct {
    uint64_t key;
    uint64_t count;
} sample_rng;

static inline uint64_t sample_hash(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static inline sample_rng sample_rng_open(const sample_id *id, uint64_t stream)
{
    uint64_t key = sample_hash(id->seed);

    key = sample_hash(key ^ (uint64_t)id->class_id);
    key = sample_hash(key ^ (uint64_t)id->index);
    return (sample_rng){.key = sample_hash(key ^ stream)};
}

static inline uint64_t sample_next(sample_rng *rng)
{
    return sample_hash(rng->key + 0xd1342543de82ef95u * ++rng->count);
}

/* In [lo, hi). */
static inline float sample_uniform(sample_rng *rng, float lo, float hi)
{
    return lo + (hi - lo) * (float)(sample_next(rng) >> 40) * 0x1p-24f;
}

/* 0 .. n-1. */
static inline int sample_below(sample_rng *rng, int n)
{
    return (int)((sample_next(rng) >> 33) % (uint64_t)n);
}

static inline bool sample_chance(sample_rng *rng, float probability)
{
    return sample_uniform(rng, 0, 1) < probability;
}

#endif
