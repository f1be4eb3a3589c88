/* test_calibrate.c - the temperature: SciPy's, the one that scores were heated by, and of certain ones */
#include "head_test.h"

TEST(temperature_is_scipys)
{
    for (size_t i = 0; i < TMB_COUNT(head_cases); i++) {
        const tmb_features f = golden_features(head_cases[i]);
        const tmb__array *scores = golden_array("heads.npz", "%s/ridge_1/unseen", head_cases[i]);
        const double t =
                tmb__temperature(scores->data, f.label, (int)f.n, f.classes == 2 ? 1 : f.classes);

        assert_all_near(&t, golden_array("heads.npz", "%s/temperature", head_cases[i]), 1, 1e-6);
    }
}

/* Labels drawn with the probabilities that the scores mean, which then are three times too large. */
TEST(temperature_undoes_heat_and_lowers_the_calibration_error)
{
    enum { N = 4000, K = 3 };
    static double scores[N * K];
    static float before[N * K], after[N * K];
    static int32_t label[N];
    tmb__rng rng = tmb__rng_at(2, TMB_STREAM_TEST, 0, 0);
    double t;

    for (int i = 0; i < N; i++) {
        double draw = tmb__rng_uniform(&rng, 0, 1);
        float p[K];

        for (int c = 0; c < K; c++)
            scores[i * K + c] = tmb__rng_normal(&rng);
        tmb__probabilities(p, scores + i * K, K, 1);
        while (label[i] < K - 1 && draw > p[label[i]])
            draw -= p[label[i]++];
        for (int c = 0; c < K; c++)
            scores[i * K + c] *= 3;
    }
    t = tmb__temperature(scores, label, N, K);
    assert_true(fabs(t - 3) < 0.25); /* three standard errors of 4000 draws */
    for (int i = 0; i < N; i++) {
        tmb__probabilities(before + i * K, scores + i * K, K, 1);
        tmb__probabilities(after + i * K, scores + i * K, K, t);
    }
    assert_true(tmb__metric_calibration(before, label, N, K) > 0.15);
    assert_true(tmb__metric_calibration(after, label, N, K) < 0.04);
}

TEST(temperature_of_few_right_answers_is_not_certain)
{
    const double scores[10] = {-1, -1, -1, -1, -1, 1, 1, 1, 1, 1};
    const int32_t label[10] = {0, 0, 0, 0, 0, 1, 1, 1, 1, 1};
    float p[2];

    tmb__probabilities(p, scores + 5, 1, tmb__temperature(scores, label, 10, 1));
    assert_true(fabs(p[1] - 11.0 / 12) < 1e-6);
}

TEST(temperature_of_scores_that_say_nothing_gives_even_odds)
{
    const double scores[4] = {1, 1, -1, -1};
    const int32_t label[4] = {0, 1, 0, 1};
    float p[2];

    tmb__probabilities(p, scores, 1, tmb__temperature(scores, label, 4, 1));
    assert_true(fabs(p[0] - 0.5) < 1e-3);
}
