/* test_alike.c - the hash of a photo survives what does not change the scene; groups are what pairs connect */
#include "unit/train/train_test.h"

#include "transfer/transfer.h"

/* A soft scene: three waves of random direction and length, the same at any size. */
static float *scene(int number, int h, int w, float gain)
{
    tmb__rng rng = tmb__rng_at(3, TMB_STREAM_TEST, (uint64_t)number, 0);
    float *x = test_keep(tmb__calloc((size_t)(3 * h * w), sizeof *x));

    for (int k = 0; k < 3; k++) {
        const double u = tmb__rng_uniform(&rng, -9, 9), v = tmb__rng_uniform(&rng, -9, 9);
        const double phase = tmb__rng_uniform(&rng, 0, 6);

        for (int i = 0; i < h * w; i++) {
            const double y = (i / w + 0.5) / h, z = (i % w + 0.5) / w;

            for (int c = 0; c < 3; c++)
                x[3 * i + c] += gain * (float)sin(u * y + v * z + phase + 0.1 * c);
        }
    }
    return x;
}

static int apart(uint64_t a, uint64_t b)
{
    int n = 0;

    for (uint64_t x = a ^ b; x; x &= x - 1)
        n++;
    return n;
}

TEST(alike_hash_knows_a_scene_again)
{
    for (int i = 0; i < 8; i++) {
        const uint64_t hash = tmb__alike_hash(scene(i, 72, 90, 1), 72, 90, 3);

        assert_true(apart(hash, tmb__alike_hash(scene(i, 72, 90, 0.25f), 72, 90, 3)) <= 1);
        assert_true(apart(hash, tmb__alike_hash(scene(i, 144, 144, 1), 144, 144, 3)) <= 4);
        assert_true(apart(hash, tmb__alike_hash(scene(i + 8, 72, 90, 1), 72, 90, 3)) > 8);
    }
}

TEST(alike_hash_of_simple_pictures)
{
    float rising[8 * 9], tiny[1] = {3};

    for (int i = 0; i < 72; i++)
        rising[i] = (float)(i % 9);
    assert_true(tmb__alike_hash(rising, 8, 9, 1) == UINT64_MAX);
    for (int i = 0; i < 72; i++)
        rising[i] = i == 4 ? 1 : 0; /* one bright place: brighter to it, darker from it */
    assert_true(tmb__alike_hash(rising, 8, 9, 1) == (uint64_t)1 << 60);
    assert_true(tmb__alike_hash(tiny, 1, 1, 1) == 0);
}

/* Pairs by comparing all with all. */
static void expect_groups(const uint64_t *hash, int64_t *group, int n)
{
    bool changed = true;

    for (int i = 0; i < n; i++)
        group[i] = i;
    while (changed) {
        changed = false;
        for (int i = 0; i < n; i++) {
            for (int k = 0; k < n; k++) {
                if (group[k] <= group[i] || apart(hash[i], hash[k]) > 4) continue;
                group[k] = group[i];
                changed = true;
            }
        }
    }
}

TEST(alike_groups_are_all_pairs)
{
    enum { N = 300 };
    uint64_t hash[N];
    int64_t group[N], expected[N];
    tmb__rng rng = tmb__rng_at(4, TMB_STREAM_TEST, 0, 0);
    int joined = 0;

    for (int i = 0; i < N; i++) {
        hash[i] = (uint64_t)tmb__rng_u32(&rng) << 32 | tmb__rng_u32(&rng);
        if (i % 3 == 0 || i == 0) continue;
        hash[i] = hash[tmb__rng_below(&rng, (uint32_t)i)]; /* 0 to 7 bits from another */
        for (uint32_t k = tmb__rng_below(&rng, 8); k > 0; k--)
            hash[i] ^= (uint64_t)1 << tmb__rng_below(&rng, 64);
    }
    expect_groups(hash, expected, N);
    assert_ok(tmb__alike_groups(group, hash, N));
    for (int i = 0; i < N; i++) {
        assert_int_equal(group[i], expected[i]);
        joined += group[i] != i;
    }
    assert_true(joined > 50 && joined < 200);
    assert_ok(tmb__alike_groups(group, hash, 0));
}

/* 25,000 photos, a third of them copies: far below the minute that all pairs might take. */
TEST(alike_groups_of_many)
{
    enum { N = 25000 };
    uint64_t *hash = test_keep(tmb__calloc(N, sizeof *hash));
    int64_t *group = test_keep(tmb__calloc(N, sizeof *group));
    tmb__rng rng = tmb__rng_at(6, TMB_STREAM_TEST, 0, 0);

    for (int i = 0; i < N; i++)
        hash[i] = i % 3 == 2 ? hash[i - 1] ^ (uint64_t)1 << (i % 64)
                             : (uint64_t)tmb__rng_u32(&rng) << 32 | tmb__rng_u32(&rng);
    assert_ok(tmb__alike_groups(group, hash, N));
    for (int i = 0; i < N; i++)
        assert_int_equal(group[i], i % 3 == 2 ? i - 1 : i);
}
