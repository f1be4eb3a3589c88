/* bench_floor.h - what oneDNN's own primitives take for the ops of a step */
#ifndef THIMBLE_BENCH_FLOOR_H
#define THIMBLE_BENCH_FLOOR_H

#include "bench_net.h"

enum { FLOOR_PRIMS = 256, FLOOR_ROUNDS = 200 };

typedef struct bench_floor bench_floor;

/* Primitives for every convolution, pool, dense layer and their gradients of a step, and for the
 * ReLUs' gradients, in each layout and algorithm that the library has for it; with `bf16` in both types.
 * Ends the program on failure. */
bench_floor *bench_floor_new(const bench_net *net, int threads, bool bf16);
/* Time each once. */
void bench_floor_round(bench_floor *floor);
/* Milliseconds, summed over the ops: the least median that a variant of the op has, and the least
 * time of all, which another load on the machine disturbs less. Prints the ops one by one. */
void bench_floor_sum(bench_floor *floor, double *medians, double *fastest);

#endif
