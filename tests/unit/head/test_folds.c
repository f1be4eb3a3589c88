/* test_folds.c - folds: even, whole groups, the same for the same seed; the mean over repeats */
#include "head_test.h"

enum { ROWS = 103 };

TEST(folds_are_even_in_each_class)
{
    const tmb_features f = drawn_features(ROWS, 2, 3, 1, 1);
    int32_t fold[ROWS];
    int count[3][5] = {{0}}, all[5] = {0};

    assert_ok(tmb_features_folds(fold, &f, 5, 0, 9));
    for (int i = 0; i < ROWS; i++) {
        assert_true(fold[i] >= 0 && fold[i] < 5);
        count[f.label[i]][fold[i]]++;
        all[fold[i]]++;
    }
    for (int k = 0; k < 5; k++) {
        assert_true(all[k] == 20 || all[k] == 21);
        for (int c = 0; c < 3; c++)
            assert_true(count[c][k] == 6 || count[c][k] == 7);
    }
}

TEST(folds_keep_groups_and_views_together)
{
    tmb_features f = drawn_features(96, 2, 2, 1, 1);
    int64_t group[96];
    int32_t fold[96];

    for (int i = 0; i < 96; i++)
        group[i] = i / 2 % 17 * 1000000007LL;
    f.views = 2;
    f.group = group;
    assert_ok(tmb_features_folds(fold, &f, 4, 0, 9));
    for (int i = 0; i < 96; i++) {
        for (int j = 0; j < i; j++)
            if (group[i] == group[j]) assert_int_equal(fold[i], fold[j]);
    }
    f.group = NULL;
    assert_ok(tmb_features_folds(fold, &f, 4, 0, 9));
    for (int i = 0; i < 96; i += 2)
        assert_int_equal(fold[i], fold[i + 1]);
}

TEST(folds_follow_seed_and_round)
{
    const tmb_features f = drawn_features(ROWS, 2, 2, 1, 1);
    int32_t a[ROWS], b[ROWS];

    assert_ok(tmb_features_folds(a, &f, 5, 0, 9));
    assert_ok(tmb_features_folds(b, &f, 5, 0, 9));
    assert_memory_equal(a, b, sizeof a);
    assert_ok(tmb_features_folds(b, &f, 5, 1, 9));
    assert_memory_not_equal(a, b, sizeof a);
    assert_ok(tmb_features_folds(b, &f, 5, 0, 10));
    assert_memory_not_equal(a, b, sizeof a);
}

TEST(folds_refuse_what_cannot_be_dealt)
{
    tmb_features f = drawn_features(10, 2, 2, 1, 1);
    const int64_t group[10] = {0};
    int32_t fold[10];

    assert_status(tmb_features_folds(fold, &f, 1, 0, 1), TMB_EINVAL);
    assert_message("1 folds, round 0");
    assert_status(tmb_features_folds(fold, &f, 11, 0, 1), TMB_EDATA);
    assert_message("10 photos or groups are too few for 11 folds");
    f.group = group;
    assert_status(tmb_features_folds(fold, &f, 2, 0, 1), TMB_EDATA);
    assert_message("1 photos or groups");
}

/* scipy.stats.t.ppf(0.975, 2) = 4.302652729911275, (0.975, 39) = 2.0226909117347285. */
TEST(mean_has_students_interval)
{
    double values[40];
    tmb_mean m = tmb_mean_of((const double[]){1, 2, 6}, 3);

    assert_true(m.value == 3);
    assert_true(fabs(m.deviation - sqrt(7)) < 1e-12);
    assert_true(fabs(m.high - (3 + 4.302652729911275 * sqrt(7.0 / 3))) < 1e-5);
    assert_true(fabs(m.low - (3 - 4.302652729911275 * sqrt(7.0 / 3))) < 1e-5);
    for (int i = 0; i < 40; i++)
        values[i] = i % 2;
    m = tmb_mean_of(values, 40);
    assert_true(fabs(m.high - (0.5 + 2.0226909117347285 * m.deviation / sqrt(40))) < 1e-5);
    m = tmb_mean_of(values, 1);
    assert_true(m.low == m.value && m.high == m.value && m.deviation == 0);
}
