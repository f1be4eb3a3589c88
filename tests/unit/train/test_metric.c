/* test_metric.c - losses against Keras, the interval of a share, answers, calibration, penalties */
#include "train_test.h"

#include "golden.h"

/* ---- losses ---- */

/* Of one sample with a label, as validation computes it. */
static double loss_of(tmb_loss loss, float smoothing, const float *scores, int outputs, int label)
{
    const bool number = outputs == 1 || loss == TMB_SPARSE_CATEGORICAL_CROSSENTROPY;
    const tmb__truth truth = {{.loss = loss, .smoothing = smoothing}, outputs, number ? 1 : outputs,
            TMB__JUDGE_LABEL};
    const tmb_batch batch = {.count = 1, .label = &label};
    float target[16];

    assert_ok(tmb__truth_fill(&truth, &batch, target));
    return tmb__truth_loss(&truth, scores, target);
}

typedef struct loss_case {
    const char *name;
    tmb_loss loss;
    float smoothing;
} loss_case;

/* Categorical cases with a one-hot truth or class numbers. */
static const loss_case by_class[] = {
        {"cce", TMB_CATEGORICAL_CROSSENTROPY, 0},
        {"cce_unnormalised", TMB_CATEGORICAL_CROSSENTROPY, 0},
        {"cce_smooth", TMB_CATEGORICAL_CROSSENTROPY, 0.1f},
        {"cce_saturated", TMB_CATEGORICAL_CROSSENTROPY, 0},
        {"scce", TMB_SPARSE_CATEGORICAL_CROSSENTROPY, 0},
        {"scce_unnormalised", TMB_SPARSE_CATEGORICAL_CROSSENTROPY, 0},
        {"scce_saturated", TMB_SPARSE_CATEGORICAL_CROSSENTROPY, 0},
};

/* The class of row i of a truth of n * k one-hot values, or of n class numbers. */
static int class_of(const float *truth, int64_t i, int k, bool sparse)
{
    return sparse ? (int)truth[i] : tmb__metric_answer(truth + i * k, k);
}

TEST(metric_categorical_losses_equal_keras)
{
    for (size_t c = 0; c < TMB_COUNT(by_class); c++) {
        const loss_case *lc = &by_class[c];
        const int k = (int)golden_array("losses.npz", "%s/y_pred", lc->name)->shape.dim[1];
        const bool sparse = lc->loss == TMB_SPARSE_CATEGORICAL_CROSSENTROPY;
        float found[16];
        int64_t n;
        const float *pred = golden_floats(&n, "losses.npz", "%s/y_pred", lc->name);
        const float *truth = golden_floats(&n, "losses.npz", "%s/y_true", lc->name);
        const float *expected = golden_floats(&n, "losses.npz", "%s/loss", lc->name);

        assert_true(n <= 16);
        for (int64_t i = 0; i < n; i++)
            found[i] = (float)loss_of(
                    lc->loss, lc->smoothing, pred + i * k, k, class_of(truth, i, k, sparse));
        print_message("%s\n", lc->name);
        assert_floats_near(found, expected, n, 1e-6); /* single precision of the goldens */
    }
}

/* Rows of three independent bits: each column by itself is a net with one output. */
static void check_binary(const char *name, float smoothing, int columns)
{
    int64_t n, rows;
    const float *pred = golden_floats(&n, "losses.npz", "%s/y_pred", name);
    const float *truth = golden_floats(&n, "losses.npz", "%s/y_true", name);
    const float *expected = golden_floats(&rows, "losses.npz", "%s/loss", name);
    float found[16];

    for (int64_t i = 0; i < rows; i++) {
        double sum = 0;

        for (int k = 0; k < columns; k++) {
            const int64_t at = i * columns + k;

            sum += loss_of(TMB_BINARY_CROSSENTROPY, smoothing, pred + at, 1, (int)truth[at]);
        }
        found[i] = (float)(sum / columns);
    }
    print_message("%s\n", name);
    assert_floats_near(found, expected, rows, 1e-6);
}

TEST(metric_binary_losses_equal_keras)
{
    check_binary("bce", 0, 3);
    check_binary("bce_smooth", 0.1f, 3);
    check_binary("bce_saturated", 0, 1);
}

/* keras.md 4.1: 1 - 1e-7 is 0.99999988 in single precision, so the two largest losses differ. */
TEST(metric_saturated_losses)
{
    const float one = 1, zero = 0, p[] = {0.9f, 0.2f, 0.4f, 1};
    double sum = 0;

    for (int i = 0; i < 4; i++)
        sum += loss_of(TMB_BINARY_CROSSENTROPY, 0, &p[i], 1, i % 2 == 0);
    assert_near(sum / 4, 4.296795, 1e-6);
    assert_near(loss_of(TMB_BINARY_CROSSENTROPY, 0, &one, 1, 0), 15.942385, 1e-6);
    assert_near(loss_of(TMB_BINARY_CROSSENTROPY, 0, &zero, 1, 1), 16.118095, 1e-6);
}

TEST(metric_loss_of_several_sigmoids_is_their_mean)
{
    const float p[] = {0.9f, 0.2f};
    const double expected = -(log(0.9f) + log(1 - (double)0.2f)) / 2;

    assert_near(loss_of(TMB_BINARY_CROSSENTROPY, 0, p, 2, 0), expected, 1e-9);
}

TEST(metric_loss_of_what_is_no_number_is_none)
{
    const float bad[] = {NAN, 0.5f};

    assert_true(isnan(loss_of(TMB_BINARY_CROSSENTROPY, 0, bad, 1, 1)));
    assert_true(isnan(loss_of(TMB_CATEGORICAL_CROSSENTROPY, 0, bad, 2, 1)));
    assert_true(isnan(loss_of(TMB_SPARSE_CATEGORICAL_CROSSENTROPY, 0, bad, 2, 1)));
}

/* ---- shares ---- */

static void check_share(int64_t right, int64_t n, double low, double high)
{
    const tmb_share share = tmb_share_of(right, n);

    assert_near(share.value, (double)right / (double)n, 1e-15);
    assert_near(share.low, low, 1e-6);
    assert_near(share.high, high, 1e-6);
}

/* Values of scipy.stats.binomtest(...).proportion_ci(method="wilson"). */
TEST(metric_share_has_wilsons_interval)
{
    check_share(0, 10, 0, 0.277533);
    check_share(10, 10, 0.722467, 1);
    check_share(1, 1, 0.206549, 1);
    check_share(81, 100, 0.722212, 0.874852);
    check_share(720, 800, 0.877262, 0.918915);
    assert_true(tmb_share_of(0, 0).low == 0 && tmb_share_of(0, 0).high == 1);
}

/* ---- answers ---- */

TEST(metric_answers)
{
    const float half = 0.5f, more = 0.50001f, tie[] = {0.2f, 0.4f, 0.4f};

    assert_int_equal(tmb__metric_answer(&half, 1), 0); /* strictly above, as Keras */
    assert_int_equal(tmb__metric_answer(&more, 1), 1);
    assert_int_equal(tmb__metric_answer(tie, 3), 1); /* the first of the largest */
}

TEST(metric_probabilities_of_one_score_are_two)
{
    const float score = 0.25f, scores[] = {0.1f, 0.2f, 0.7f};
    float p[3];

    tmb__metric_probabilities(p, &score, 1);
    assert_true(p[0] == 0.75f && p[1] == 0.25f);
    tmb__metric_probabilities(p, scores, 3);
    assert_memory_equal(p, scores, sizeof p);
}

/* ---- calibration ---- */

TEST(metric_calibration_counts_over_and_under_confidence)
{
    /* Four answers at 0.9 of which two are right, one at 0.6 that is right. */
    const float p[] = {0.9f, 0.1f, 0.9f, 0.1f, 0.9f, 0.1f, 0.9f, 0.1f, 0.4f, 0.6f};
    const int32_t labels[] = {0, 0, 1, 1, 1};

    assert_near(tmb__metric_calibration(p, labels, 5, 2), (4 * 0.4 + 1 * 0.4) / 5, 1e-6);
}

TEST(metric_calibration_at_its_edges)
{
    const float sure[] = {1, 0, 1, 0}, bad[] = {NAN, NAN};
    const int32_t right[] = {0, 0}, wrong[] = {1, 1};

    assert_near(tmb__metric_calibration(sure, right, 2, 2), 0, 0);
    assert_near(tmb__metric_calibration(sure, wrong, 2, 2), 1, 0);
    assert_near(tmb__metric_calibration(sure, right, 0, 2), 0, 0);
    assert_true(isnan(tmb__metric_calibration(bad, right, 1, 2)));
}

/* ---- penalties ---- */

TEST(metric_penalty_sums_all_kernels)
{
    const float w[] = {1, -2, 3, -4};
    tmb_model *net;

    assert_ok(tmb_model_new(&net, 1, 1, 2));
    tmb_flatten(net);
    tmb_dense(net, .units = 2, .l1 = 0.5f, .l2 = 0.25f);
    assert_ok(tmb_model_check(net));
    assert_ok(tmb_model_set_weight(net, tmb_model_layers(net), 0, w, 4));
    assert_near(tmb__metric_penalty(net), 0.5 * 10 + 0.25 * 30, 1e-9);
    tmb_model_free(net);
}
