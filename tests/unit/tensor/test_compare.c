/* test_compare.c - differences and non-finite values */
#include "tensor/tensor.h"
#include "test.h"

#include <math.h>

TEST(compare_scales_by_the_expected_above_one)
{
    const float a[] = {1, 101, 0.25f}, b[] = {1, 100, 0.5f};
    int64_t where;

    assert_true(tmb__worst_difference(a, b, 3, &where) == 0.25);
    assert_int_equal(where, 2);
    assert_true(tmb__worst_difference(a, b, 2, &where) == 0.01);
    assert_int_equal(where, 1);
    assert_true(tmb__worst_difference(a, a, 3, NULL) == 0);
}

TEST(compare_takes_nan_as_infinite)
{
    const float a[] = {1, NAN, 3}, b[] = {2, 2, 3}, inf[] = {INFINITY, -INFINITY};
    const float other[] = {INFINITY, INFINITY};
    int64_t where;

    assert_true(isinf(tmb__worst_difference(a, b, 3, &where)));
    assert_int_equal(where, 1);
    assert_true(isinf(tmb__worst_difference(b, a, 3, &where)));
    assert_true(isinf(tmb__worst_difference(inf, other, 2, &where)));
    assert_int_equal(where, 1);
    assert_true(tmb__worst_difference(other, other, 2, NULL) == 0);
}

TEST(compare_counts_nonfinite)
{
    const float a[] = {1, NAN, -INFINITY, 0};
    int64_t first;

    assert_int_equal(tmb__count_nonfinite(a, 4, &first), 2);
    assert_int_equal(first, 1);
    assert_int_equal(tmb__count_nonfinite(a, 1, &first), 0);
    assert_int_equal(first, -1);
    assert_int_equal(tmb__count_nonfinite(a, 0, NULL), 0);
}
