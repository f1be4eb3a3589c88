/* test_curve.c - areas under curves and figures by class against Keras, top k */
#include "train_test.h"

#include "golden.h"

TEST(curve_areas_and_classes_equal_keras)
{
    int64_t n, one;
    const float *y = golden_floats(&n, "metrics.npz", "y_true");
    const float *p = golden_floats(&n, "metrics.npz", "y_pred");
    int64_t confusion[4] = {0};
    tmb_class_figures by_class[2];
    tmb__curve curve = {0};

    for (int64_t i = 0; i < n; i++) {
        tmb__curve_add(&curve, p[i], y[i] > 0);
        confusion[2 * (y[i] > 0) + tmb__metric_answer(&p[i], 1)]++;
    }
    tmb__metric_classes(by_class, confusion, 2);
    /* Keras sums in single precision. */
    assert_near(tmb__curve_roc(&curve), (double)*golden_floats(&one, "metrics.npz", "roc"), 1e-5);
    assert_near(tmb__curve_pr(&curve), (double)*golden_floats(&one, "metrics.npz", "pr"), 1e-5);
    assert_near(
            by_class[1].precision, (double)*golden_floats(&one, "metrics.npz", "precision"), 1e-6);
    assert_near(by_class[1].recall, (double)*golden_floats(&one, "metrics.npz", "recall"), 1e-6);
    assert_int_equal(by_class[0].tp, by_class[1].tn);
}

/* keras.md 4.2. */
TEST(curve_of_four)
{
    const float p[] = {0, 0.5f, 0.3f, 0.9f};
    const float scores[] = {0.1f, 0.3f, 0.2f, 0.4f};
    tmb__curve curve = {0};

    assert_near(tmb__curve_roc(&curve), 0, 0);
    assert_near(tmb__curve_pr(&curve), 0, 0);
    for (int i = 0; i < 4; i++)
        tmb__curve_add(&curve, p[i], i > 1);
    assert_near(tmb__curve_roc(&curve), 0.75, 1e-12);
    assert_true(tmb__metric_in_top(scores, 4, 2, 3) && !tmb__metric_in_top(scores, 4, 2, 2));
}

TEST(curve_f1_and_top_k_equal_keras)
{
    enum { CLASSES = 7 };
    int64_t n, n_f1, one;
    const float *labels = golden_floats(&n, "metrics.npz", "labels");
    const float *scores = golden_floats(&one, "metrics.npz", "scores");
    const float *f1 = golden_floats(&n_f1, "metrics.npz", "f1");
    int64_t confusion[CLASSES * CLASSES] = {0};
    tmb_class_figures by_class[CLASSES];
    int top[] = {5, 2}, found[2] = {0};

    assert_int_equal(n_f1, CLASSES);
    for (int64_t i = 0; i < n; i++) {
        const float *row = scores + i * CLASSES;
        const int label = (int)labels[i];

        confusion[label * CLASSES + tmb__metric_answer(row, CLASSES)]++;
        for (int k = 0; k < 2; k++)
            found[k] += tmb__metric_in_top(row, CLASSES, label, top[k]);
    }
    tmb__metric_classes(by_class, confusion, CLASSES);
    for (int k = 0; k < CLASSES; k++)
        assert_near(by_class[k].f1, (double)f1[k], 1e-6);
    assert_near((double)found[0] / (double)n, *golden_floats(&one, "metrics.npz", "top5"), 1e-6);
    assert_near((double)found[1] / (double)n, *golden_floats(&one, "metrics.npz", "top2"), 1e-6);
}
