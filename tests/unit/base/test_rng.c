/* test_rng.c - known answers, uniformity, independence of streams */
#include "test.h"

#include <math.h>
#include <string.h>

/* From Random123's kat_vectors: philox4x32, 10 rounds. */
TEST(rng_known_answers)
{
    static const struct {
        uint32_t counter[4], key[2], words[4];
    } cases[] = {
            {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
            {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
            {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0},
                    {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        tmb__rng rng = {.used = 4};

        memcpy(rng.counter, cases[i].counter, sizeof rng.counter);
        memcpy(rng.key, cases[i].key, sizeof rng.key);
        for (int k = 0; k < 4; k++)
            assert_int_equal(tmb__rng_u32(&rng), cases[i].words[k]);
    }
}

/* The same third answer, through the documented layout of key and counter. */
TEST(rng_layout_is_as_documented)
{
    tmb__rng rng = tmb__rng_at(0x299f31d0a4093822, (tmb__stream)3, 0x70734413198a2e, 0x85a308d3);

    rng.counter[0] = 0x243f6a88;
    assert_int_equal(tmb__rng_u32(&rng), 0xd16cfe09);
}

TEST(rng_positions_do_not_repeat)
{
    const tmb__rng at[] = {tmb__rng_at(1, TMB_STREAM_INIT, 0, 0),
            tmb__rng_at(2, TMB_STREAM_INIT, 0, 0), tmb__rng_at(1, TMB_STREAM_TEST, 0, 0),
            tmb__rng_at(1, TMB_STREAM_INIT, 1, 0), tmb__rng_at(1, TMB_STREAM_INIT, 1ull << 40, 0),
            tmb__rng_at(1, TMB_STREAM_INIT, 0, 1), tmb__rng_at(1ull << 32, TMB_STREAM_INIT, 0, 0)};
    uint32_t first[TMB_COUNT(at)];

    for (size_t i = 0; i < TMB_COUNT(at); i++) {
        tmb__rng rng = at[i];

        first[i] = tmb__rng_u32(&rng);
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(first[i], first[k]);
    }
}

/* Pearson's statistic of 64 cells has mean 63 and deviation 11.2; 110 is over four deviations. */
TEST(rng_uniform_is_uniform)
{
    enum { N = 64000, CELLS = 64 };
    tmb__rng rng = tmb__rng_at(7, TMB_STREAM_TEST, 0, 0);
    int count[CELLS] = {0};
    double sum = 0;

    for (int i = 0; i < N; i++) {
        const double x = tmb__rng_uniform(&rng, 0, 1);

        assert_true(x >= 0 && x < 1);
        count[(int)(x * CELLS)]++;
    }
    for (int i = 0; i < CELLS; i++)
        sum += (count[i] - N / CELLS) * (double)(count[i] - N / CELLS) / (N / CELLS);
    assert_true(sum > 25 && sum < 110);
}

TEST(rng_uniform_stays_below_its_end)
{
    tmb__rng rng = tmb__rng_at(7, TMB_STREAM_TEST, 1, 0);
    const double lo = 1, hi = nextafter(1, 2); /* nothing lies between */

    for (int i = 0; i < 100; i++)
        assert_true(tmb__rng_uniform(&rng, lo, hi) == lo);
    assert_true(tmb__rng_uniform(&rng, 3, 3) == 3);
}

TEST(rng_below_is_uniform_and_in_range)
{
    enum { N = 60000, SIDES = 6 };
    tmb__rng rng = tmb__rng_at(7, TMB_STREAM_TEST, 2, 0);
    int count[SIDES] = {0};

    for (int i = 0; i < N; i++)
        count[tmb__rng_below(&rng, SIDES)]++;
    for (int i = 0; i < SIDES; i++)
        assert_in_range(count[i], N / SIDES - 450, N / SIDES + 450); /* five deviations */
    assert_int_equal(tmb__rng_below(&rng, 1), 0);
    /* With n just over half of 2^32 nearly every second draw is refused. */
    for (int i = 0; i < 1000; i++)
        assert_true(tmb__rng_below(&rng, 0x80000001u) <= 0x80000000u);
}

TEST(rng_normal_has_its_moments)
{
    enum { N = 100000 };
    tmb__rng rng = tmb__rng_at(7, TMB_STREAM_TEST, 3, 0);
    double sum = 0, squares = 0, fourth = 0;
    int beyond = 0;

    for (int i = 0; i < N; i++) {
        const double x = tmb__rng_normal(&rng);

        sum += x;
        squares += x * x;
        fourth += x * x * x * x;
        beyond += fabs(x) > 1.959963984540054;
    }
    assert_true(fabs(sum / N) < 0.016);              /* five times 1 / sqrt N */
    assert_true(fabs(squares / N - 1) < 0.023);      /* sqrt 2 / sqrt N */
    assert_true(fabs(fourth / N - 3) < 0.16);        /* sqrt 96 / sqrt N */
    assert_in_range(beyond, 5000 - 345, 5000 + 345); /* 5 % of the draws */
}

TEST(rng_permute_is_a_permutation_and_repeats)
{
    enum { N = 1000 };
    int64_t a[N], b[N];
    bool seen[N] = {false};
    int moved = 0;
    tmb__rng first = tmb__rng_at(3, TMB_STREAM_SHUFFLE, 5, 0), second = first;

    tmb__rng_permute(&first, a, N);
    tmb__rng_permute(&second, b, N);
    assert_memory_equal(a, b, sizeof a);
    for (int i = 0; i < N; i++) {
        assert_in_range(a[i], 0, N - 1);
        assert_false(seen[a[i]]);
        seen[a[i]] = true;
        moved += a[i] != i;
    }
    assert_true(moved > 980);
    tmb__rng_permute(&first, a, 0);
    tmb__rng_permute(&first, a, 1);
    assert_int_equal(a[0], 0);
}

/* All 24 orders of four, a thousand each. */
TEST(rng_permute_is_fair)
{
    tmb__rng rng = tmb__rng_at(9, TMB_STREAM_TEST, 4, 0);
    int count[256] = {0};

    for (int i = 0; i < 24000; i++) {
        int64_t p[4];

        tmb__rng_permute(&rng, p, 4);
        count[p[0] | p[1] << 2 | p[2] << 4 | p[3] << 6]++;
    }
    for (int i = 0; i < 256; i++) {
        if (count[i]) assert_in_range(count[i], 1000 - 155, 1000 + 155); /* five deviations */
    }
}
