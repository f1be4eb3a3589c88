/* test_mt19937.c - NumPy's legacy stream, number for number: numpy_rng.npz */
#include "golden.h"
#include "test.h"

static const char *const cases[] = {"s0", "s1", "s42", "s1337", "s4294967295"};
static const uint32_t seeds[] = {0, 1, 42, 1337, UINT32_MAX};

/* The stream of case i from its start. */
static tmb__rng fresh(tmb__mt19937 *mt, size_t i)
{
    tmb__mt_seed(mt, seeds[i]);
    return tmb__mt_rng(mt);
}

static const void *values(size_t i, const char *name)
{
    return golden_array("numpy_rng.npz", "%s/%s", cases[i], name)->data;
}

TEST(mt19937_words)
{
    tmb__mt19937 mt;

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        const uint32_t *expected = values(i, "u32");
        tmb__rng rng = fresh(&mt, i);

        for (int k = 0; k < 700; k++)
            assert_int_equal(tmb__rng_u32(&rng), expected[k]);
    }
}

/* Equal to the last bit. */
TEST(mt19937_doubles)
{
    tmb__mt19937 mt;

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        const double *random = values(i, "random"), *uniform = values(i, "uniform");
        tmb__rng rng = fresh(&mt, i);

        for (int k = 0; k < 400; k++)
            assert_true(tmb__rng_uniform(&rng, 0, 1) == random[k]);
        rng = fresh(&mt, i);
        for (int k = 0; k < 50; k++)
            assert_true(tmb__rng_uniform(&rng, -2.5, 7) == uniform[k]);
    }
}

static void check_permutation(size_t i, const char *name, int64_t n)
{
    const int32_t *expected = values(i, name);
    tmb__mt19937 mt;
    tmb__rng rng = fresh(&mt, i);
    int64_t order[1000];

    tmb__rng_permute(&rng, order, n);
    for (int64_t k = 0; k < n; k++)
        assert_int_equal(order[k], expected[k]);
}

TEST(mt19937_permutations)
{
    static const int64_t known[10] = {6, 3, 0, 4, 5, 2, 1, 9, 8, 7}; /* keras.md 1.3 */
    tmb__mt19937 mt;
    tmb__rng rng = fresh(&mt, 3);
    int64_t order[10];

    tmb__rng_permute(&rng, order, 10);
    assert_memory_equal(order, known, sizeof known);
    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        check_permutation(i, "permutation10", 10);
        check_permutation(i, "permutation1000", 1000);
    }
}

TEST(mt19937_bounded_numbers)
{
    const int32_t *bounds = golden_array("numpy_rng.npz", "bounds")->data;
    tmb__mt19937 mt;

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        static const int of[3] = {3, 5, 9};
        const int32_t *randint = values(i, "randint"), *choice = values(i, "choice");
        tmb__rng rng = fresh(&mt, i);

        for (int k = 0; k < 11 * 20; k++)
            assert_int_equal(tmb__rng_below(&rng, (uint32_t)bounds[k / 20]), randint[k]);
        rng = fresh(&mt, i);
        for (int k = 0; k < 30; k++)
            assert_int_equal(of[tmb__rng_below(&rng, 3)], choice[k]);
    }
}

/* Numbers of every kind from one stream: none takes a word too many. */
TEST(mt19937_mixed_draws)
{
    int64_t order[5];
    tmb__mt19937 mt;

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        const double *expected = values(i, "mixed");
        tmb__rng rng = fresh(&mt, i);

        for (int k = 0; k < 40; k += 4) {
            assert_true((double)tmb__rng_below(&rng, 7) == expected[k]);
            assert_true(tmb__rng_uniform(&rng, 0, 1) == expected[k + 1]);
            tmb__rng_permute(&rng, order, 5);
            assert_true((double)order[0] == expected[k + 2]);
            assert_true(tmb__rng_uniform(&rng, -1, 1) == expected[k + 3]);
        }
    }
}
