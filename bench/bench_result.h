/* bench_result.h - the line by which script/bench learns what a program measured */
#ifndef THIMBLE_BENCH_RESULT_H
#define THIMBLE_BENCH_RESULT_H

/* What was done, by whom and in which way, all without quotes; `unit` is "ms" or "photos/s". The
 * Python peers print the same line. */
typedef struct bench_result {
    const char *work, *who, *how, *unit;
} bench_result;

/* RESULT and a flat object, with every value that was measured. */
void bench_result_print(const bench_result *result, const double *values, int n);

#endif
