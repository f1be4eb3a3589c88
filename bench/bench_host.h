/* bench_host.h - what a backend needs of its host, for benchmarks that run op lists */
#ifndef THIMBLE_BENCH_HOST_H
#define THIMBLE_BENCH_HOST_H

#include <thimble/plugin.h>

/* A host with a team of `threads`; ends the program if it cannot be had. Failures go to stderr. */
tmb_host bench_host_open(int threads);
void bench_host_close(tmb_host *host);

const char *bench_op_name(tmb_op_kind kind);
double bench_now(void);
/* Seconds that count: of one thread the processor's, which other programs do not stretch. */
double bench_clock(int threads);
/* The middle one of `n` numbers, which it sorts. */
double bench_median(double *values, int n);
/* The numbers are uniform in [low, high) and the same in every run; the caller frees them. */
float *bench_numbers(int64_t n, double low, double high);

#endif
