/* test_head.c - whole heads: what they say, as a net's layer, degenerate data, refusals, no memory */
#include "head_test.h"

static tmb_head *fit_head(const tmb_features *f, const tmb_head_opts *opts)
{
    tmb_head *head;

    need_linalg();
    assert_ok(tmb_head_fit(&head, f, opts));
    return head;
}

TEST(head_judges_itself_as_new_photos_do)
{
    const tmb_features f = drawn_features(150, 20, 3, 1, 1),
                       more = drawn_features(900, 20, 3, 1, 2);

    for (int kind = TMB_HEAD_AUTO; kind <= TMB_HEAD_LOGISTIC; kind++) {
        tmb_head *head = fit_head(&f, &(tmb_head_opts){.kind = (tmb_head_kind)kind});
        float *p = test_keep(tmb__calloc(900 * 3, sizeof *p));
        int64_t right = 0;
        tmb_share share;

        assert_int_equal(head->outputs, 3);
        assert_true(kind == TMB_HEAD_AUTO || (int)head->kind == kind);
        assert_ok(tmb_head_predict(head, &more, p, NULL));
        for (int i = 0; i < 900; i++) {
            assert_true(fabsf(p[3 * i] + p[3 * i + 1] + p[3 * i + 2] - 1) < 1e-5f);
            right += tmb__metric_answer(p + 3 * i, 3) == more.label[i];
        }
        share = tmb_share_of(right, 900);
        assert_true(share.high > head->accuracy.low && share.low < head->accuracy.high);
        assert_true(head->calibration_error < 0.1);
        assert_true(tmb__metric_calibration(p, more.label, 900, 3) < 0.1);
        tmb_head_free(head);
    }
}

TEST(head_is_a_dense_layer)
{
    for (int classes = 2; classes <= 3; classes++) {
        const tmb_features f = drawn_features(60, 12, classes, 1.5, 1);
        tmb_head *head = fit_head(&f, NULL);
        float p[60 * 3], scores[60 * 3];
        tmb_layer dense;
        tmb_model *net;

        assert_ok(tmb_model_new(&net, 1, 1, 12));
        tmb_flatten(net);
        dense = tmb_dense(net, .units = head->outputs,
                .activation = head->outputs == 1 ? TMB_SIGMOID : TMB_SOFTMAX);
        assert_ok(tmb_compile(net, .seed = 1));
        assert_ok(tmb_model_set_weight(
                net, dense, 0, head->kernel, (int64_t)head->inputs * head->outputs));
        assert_ok(tmb_model_set_weight(net, dense, 1, head->bias, head->outputs));
        assert_ok(tmb_model_predict(net, f.x, 60, scores));
        assert_ok(tmb_head_predict(head, &f, p, NULL));
        for (int i = 0; i < 60 * head->outputs; i++)
            assert_true(fabsf(scores[i] - (classes == 2 ? p[2 * i + 1] : p[i])) < 1e-5f);
        tmb_model_free(net);
        tmb_head_free(head);
    }
}

TEST(head_same_rows_same_bits)
{
    const tmb_features f = drawn_features(80, 30, 2, 0.5, 1);
    tmb_head *a = fit_head(&f, NULL), *b = fit_head(&f, NULL);

    assert_memory_equal(a->kernel, b->kernel, 30 * sizeof(float));
    assert_memory_equal(a->probabilities, b->probabilities, 160 * sizeof(float));
    assert_true(a->kind == b->kind && a->penalty == b->penalty);
    tmb_head_free(a);
    tmb_head_free(b);
}

TEST(head_does_not_depend_on_the_scale_of_a_feature)
{
    const tmb_features f = drawn_features(80, 10, 2, 0.7, 1);
    tmb_features scaled = f;
    float *x = test_keep(tmb__calloc(800, sizeof *x));
    tmb_head *a, *b;

    for (int i = 0; i < 800; i++)
        x[i] = i % 10 == 3 ? 1000 * f.x[i] + 5000 : f.x[i];
    scaled.x = x;
    a = fit_head(&f, NULL);
    b = fit_head(&scaled, NULL);
    for (int i = 0; i < 160; i++)
        assert_true(fabsf(a->probabilities[i] - b->probabilities[i]) < 1e-4f);
    tmb_head_free(a);
    tmb_head_free(b);
}

TEST(head_views_are_one_photo)
{
    tmb_features f = drawn_features(80, 10, 2, 1, 1);
    int32_t label[80];
    tmb_head *head;
    float p[80], distance[40];

    for (int i = 0; i < 80; i++)
        label[i] = f.label[i / 2];
    f.label = label;
    f.views = 2;
    head = fit_head(&f, NULL);
    assert_int_equal(head->n, 40);
    assert_ok(tmb_head_predict(head, &f, p, distance));
    for (int i = 0; i < 40; i++)
        assert_true(distance[i] > 0 && fabsf(p[2 * i] + p[2 * i + 1] - 1) < 1e-6f);
    tmb_head_free(head);
}

/* More features than rows, ten rows, two of a class, features that stand still or are twice there. */
TEST(head_fits_degenerate_rows)
{
    static float x[10 * 200];
    tmb_features f = drawn_features(10, 200, 2, 1.5, 1);
    int32_t label[10] = {0, 1, 0, 1, 0, 0, 0, 0, 0, 0};
    tmb_head *head;

    memcpy(x, f.x, sizeof x);
    for (int i = 0; i < 10; i++) {
        x[i * 200 + 7] = 0.1f;
        x[i * 200 + 8] = x[i * 200 + 9];
        x[i * 200 + 10] = 0;
    }
    f.x = x;
    for (int lopsided = 0; lopsided < 2; lopsided++) {
        if (lopsided) f.label = label;
        for (int kind = TMB_HEAD_AUTO; kind <= TMB_HEAD_LOGISTIC; kind++) {
            head = fit_head(&f, &(tmb_head_opts){.kind = (tmb_head_kind)kind});
            for (int i = 0; i < 200; i++)
                assert_true(isfinite(head->kernel[i]));
            assert_true(isfinite(head->bias[0]) && isfinite(head->loss));
            assert_true(head->kernel[7] == 0 && head->kernel[10] == 0);
            tmb_head_free(head);
        }
    }
    memcpy(x + 5 * 200, x, sizeof x / 2); /* every row twice */
    f.label = drawn_features(10, 1, 2, 1, 1).label;
    head = fit_head(&f, NULL);
    assert_true(isfinite(head->loss));
    tmb_head_free(head);
}

static void refused(const tmb_features *f, tmb_head_opts opts, int status, const char *message)
{
    tmb_head *head = (tmb_head *)(uintptr_t)1;

    assert_status(tmb_head_fit(&head, f, &opts), status);
    assert_message(message);
    assert_null(head);
}

TEST(head_refuses_what_cannot_be_fitted)
{
    static float x[12 * 4];
    const int32_t one[12] = {1}, alone[12] = {0, 0, 1};
    const int64_t group[12] = {7, 3, 7, 3, 7, 3, 7, 3, 7, 3, 7, 3};
    tmb_features f = drawn_features(12, 4, 2, 1, 1);

    need_linalg();
    refused(&f, (tmb_head_opts){.penalty = -1}, TMB_EINVAL, "penalty is -1");
    refused(&f, (tmb_head_opts){.folds = 1}, TMB_EINVAL, "folds 1");
    refused(&f, (tmb_head_opts){.kind = (tmb_head_kind)9}, TMB_EINVAL, "no kind number 9");
    refused(&f, (tmb_head_opts){.keep = 2}, TMB_EINVAL, "keep is 2");
    f.group = group;
    refused(&f, (tmb_head_opts){0}, TMB_EDATA, "class 0 \"\" has 1 photos or groups");
    f.group = NULL;
    f.label = alone;
    refused(&f, (tmb_head_opts){0}, TMB_EDATA, "class 1 \"\" has 1 photos or groups");
    f.label = one;
    f.classes = 3;
    refused(&f, (tmb_head_opts){0}, TMB_EDATA, "class 1 \"\" has 1 photos");
    f = drawn_features(12, 4, 2, 1, 1);
    f.x = x;
    refused(&f, (tmb_head_opts){0}, TMB_EDATA, "all 12 rows are the same");
    x[9] = INFINITY;
    refused(&f, (tmb_head_opts){0}, TMB_EDATA, "number 1 of row 2 is inf");
    f.x = drawn_features(12, 4, 2, 1, 1).x;
    f.classes = 1;
    refused(&f, (tmb_head_opts){0}, TMB_EDATA, "expected 0 to 0");
}

TEST(head_without_memory_is_an_error)
{
    const tmb_features f = drawn_features(12, 4, 2, 1, 1);

    need_linalg();
    for (int64_t n = 0;; n++) {
        tmb_head *head;
        int status;

        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb_head_fit(&head, &f, NULL);
        if (!test_fail_end()) {
            assert_ok(status);
            tmb_head_free(head);
            break;
        }
        assert_int_equal(status, TMB_ENOMEM);
        assert_null(head);
    }
}
