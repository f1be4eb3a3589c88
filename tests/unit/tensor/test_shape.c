/* test_shape.c - sizes of tensors */
#include "tensor/tensor.h"
#include "test.h"

#include <string.h>

TEST(shape_count_is_the_product)
{
    const tmb__shape conv = tmb__shape_of(4, (int64_t[]){3, 3, 32, 64}), scalar = {0};

    assert_int_equal(tmb__shape_count(&conv), 18432);
    assert_int_equal(tmb__shape_count(&scalar), 1);
}

TEST(shape_count_refuses_negative_and_overflow)
{
    const tmb__shape negative = tmb__shape_of(2, (int64_t[]){3, -1});
    const tmb__shape huge = tmb__shape_of(3, (int64_t[]){INT64_C(1) << 31, INT64_C(1) << 31, 2});
    const tmb__shape largest = tmb__shape_of(2, (int64_t[]){INT64_MAX, 1});
    const tmb__shape none = tmb__shape_of(2, (int64_t[]){0, 5});

    assert_int_equal(tmb__shape_count(&negative), -1);
    assert_int_equal(tmb__shape_count(&huge), -1);
    assert_true(tmb__shape_count(&largest) == INT64_MAX);
    assert_int_equal(tmb__shape_count(&none), 0);
}

TEST(shape_equal_compares_rank_and_sizes)
{
    const tmb__shape a = tmb__shape_of(2, (int64_t[]){3, 4});
    const tmb__shape b = tmb__shape_of(2, (int64_t[]){3, 4});
    const tmb__shape c = tmb__shape_of(2, (int64_t[]){4, 3});
    const tmb__shape d = tmb__shape_of(3, (int64_t[]){3, 4, 1});

    assert_true(tmb__shape_equal(&a, &b));
    assert_false(tmb__shape_equal(&a, &c));
    assert_false(tmb__shape_equal(&a, &d));
}

TEST(shape_text_reads_as_in_python)
{
    const tmb__shape conv = tmb__shape_of(4, (int64_t[]){3, 3, 32, 64});
    const tmb__shape one = tmb__shape_of(1, (int64_t[]){64}), scalar = {0};
    tmb__shape long_one = {.rank = TMB__MAX_RANK};

    assert_string_equal(tmb__shape_text(&conv), "(3, 3, 32, 64)");
    assert_string_equal(tmb__shape_text(&one), "(64,)");
    assert_string_equal(tmb__shape_text(&scalar), "()");
    for (int i = 0; i < TMB__MAX_RANK; i++)
        long_one.dim[i] = INT64_MIN;
    assert_int_equal(strlen(tmb__shape_text(&long_one)), 8 * 20 + 7 * 2 + 2);
}

TEST(shape_text_keeps_four)
{
    const tmb__shape shapes[] = {
            {1, {1}},
            {1, {2}},
            {1, {3}},
            {1, {4}},
    };
    const char *text[4];

    for (int i = 0; i < 4; i++)
        text[i] = tmb__shape_text(&shapes[i]);
    assert_string_equal(text[0], "(1,)");
    assert_string_equal(text[3], "(4,)");
}

TEST(dtype_sizes_and_names)
{
    assert_int_equal(tmb__dtype_size(TMB__F32), 4);
    assert_int_equal(tmb__dtype_size(TMB__BF16), 2);
    assert_int_equal(tmb__dtype_size(TMB__BOOL), 1);
    assert_int_equal(tmb__dtype_size(TMB__DTYPE_COUNT), 0);
    assert_string_equal(tmb__dtype_name(TMB__F32), "float32");
    assert_string_equal(tmb__dtype_name(TMB__I64), "int64");
    assert_string_equal(tmb__dtype_name(TMB__DTYPE_COUNT), "unknown");
    for (int i = 0; i < TMB__DTYPE_COUNT; i++)
        assert_true(tmb__dtype_size((tmb__dtype)i) > 0);
}
