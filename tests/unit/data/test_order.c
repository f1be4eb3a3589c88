/* test_order.c - the order of an epoch's photos */
#include "data/images.h"
#include "test.h"

#include <string.h>

enum { N = 100 };

static void assert_permutation(const int64_t *order)
{
    bool seen[N] = {0};

    for (int i = 0; i < N; i++) {
        assert_in_range(order[i], 0, N - 1);
        assert_false(seen[order[i]]);
        seen[order[i]] = true;
    }
}

TEST(order_without_shuffle_is_the_listing)
{
    const tmb_images_opts opts = {.seed = 3};
    int64_t order[N];

    tmb__order_fill(order, N, &opts, 7);
    for (int i = 0; i < N; i++)
        assert_int_equal(order[i], i);
}

TEST(order_follows_seed_and_epoch)
{
    tmb_images_opts opts = {.seed = 3, .shuffle = true};
    int64_t a[N], b[N];

    tmb__order_fill(a, N, &opts, 0);
    assert_permutation(a);
    tmb__order_fill(b, N, &opts, 0);
    assert_memory_equal(a, b, sizeof a);
    tmb__order_fill(b, N, &opts, 1);
    assert_permutation(b);
    assert_memory_not_equal(a, b, sizeof a);
    opts.seed = 4;
    tmb__order_fill(b, N, &opts, 0);
    assert_memory_not_equal(a, b, sizeof a);
}

TEST(order_shuffle_once_keeps_the_first)
{
    const tmb_images_opts once = {.seed = 3, .shuffle_once = true},
                          each = {.seed = 3, .shuffle = true};
    int64_t a[N], b[N];

    tmb__order_fill(a, N, &each, 0);
    for (int epoch = 0; epoch < 3; epoch++) {
        tmb__order_fill(b, N, &once, epoch);
        assert_memory_equal(a, b, sizeof a);
    }
}
