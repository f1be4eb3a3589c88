/* golden.h - arrays of tests/golden/<file>, made by scripts/golden
 *
 * A missing file or key fails the test. What is returned stays until the test ends. */
#ifndef THIMBLE_TEST_GOLDEN_H
#define THIMBLE_TEST_GOLDEN_H

#include "format/format.h"

/* golden_array("layers.npz", "%s/kernel", name) */
const tmb__array *golden_array(const char *file, const char *key_fmt, ...) TMB_PRINTF(2, 3);
bool golden_has(const char *file, const char *key_fmt, ...) TMB_PRINTF(2, 3);
/* Its values as floats, and how many. */
const float *golden_floats(int64_t *n, const char *file, const char *key_fmt, ...) TMB_PRINTF(3, 4);

/* The n values differ by at most `tolerance` * max(1, |expected|); the worst place is printed. */
#define assert_floats_near(found, expected, n, tolerance)                                          \
    golden_near((found), (expected), (n), (tolerance), #found, __FILE__, __LINE__)
void golden_near(const float *found, const float *expected, int64_t n, double tolerance,
        const char *what, const char *file, int line);

#endif
