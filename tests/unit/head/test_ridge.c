/* test_ridge.c - closed-form ridge and its left-out scores against fits that were made again */
#include "head_test.h"

#include <stdio.h>

/* Solved twice, by eigenvectors here and by elimination in NumPy: rounding grows with the condition. */
#define CLOSE 1e-8

TEST(ridge_weights_and_left_out_scores_are_those_of_fitting_again)
{
    const double penalties[] = {0.01, 1, 30};
    char key[64];

    for (size_t i = 0; i < TMB_COUNT(head_cases) * 3; i++) {
        const tmb_features f = golden_features(head_cases[i / 3]);
        const tmb_head_opts opts = {.penalty = penalties[i % 3]};
        fitted *fit = begin_fit(&f, &opts);

        snprintf(key, sizeof key, "%s/ridge_%g", head_cases[i / 3], opts.penalty);
        assert_ok(tmb__ridge_fit(&fit->task, &fit->model));
        assert_all_near(fit->model.unseen, golden_array("heads.npz", "%s/unseen", key),
                f.n * fit->task.k, CLOSE);
        assert_weights(fit, key, CLOSE);
        end_fit(fit);
    }
}

TEST(ridge_penalty_has_fewest_left_out_errors_on_the_grid)
{
    const tmb_features f = drawn_features(60, 30, 2, 0.6, 1);
    const tmb_head_opts choose = {0};
    fitted *fit = begin_fit(&f, &choose), *other = begin_fit(&f, &choose);

    assert_ok(tmb__ridge_fit(&fit->task, &fit->model));
    assert_true(fit->model.penalty >= 1e-3 && fit->model.penalty <= 300);
    for (int i = 0; i <= 20; i++) {
        other->model.penalty = 1e-3 * pow(10, i / 4.0);
        assert_ok(tmb__ridge_unseen(&other->task, &other->model));
        assert_true(other->model.errors > fit->model.errors ||
                (other->model.errors == fit->model.errors && other->model.loss >= fit->model.loss));
    }
    end_fit(fit);
    end_fit(other);
}

TEST(ridge_equal_rows_in_one_group_do_not_help_each_other)
{
    const tmb_features plain = drawn_features(20, 40, 2, 0, 2);
    const tmb_head_opts opts = {.penalty = 0.01};
    tmb_features twice = plain;
    float *x = test_keep(tmb__calloc(40 * 40, sizeof *x));
    int32_t *label = test_keep(tmb__calloc(40, sizeof *label));
    fitted *fit;
    int64_t together, apart;

    for (int i = 0; i < 40; i++) {
        memcpy(x + i * 40, plain.x + i / 2 * 40, 40 * sizeof *x);
        label[i] = plain.label[i / 2];
    }
    twice.n = 40;
    twice.x = x;
    twice.label = label;
    fit = begin_fit(&twice, &opts);
    assert_ok(tmb__ridge_fit(&fit->task, &fit->model));
    apart = fit->model.errors;
    end_fit(fit);
    twice.views = 2;
    fit = begin_fit(&twice, &opts);
    assert_ok(tmb__ridge_fit(&fit->task, &fit->model));
    together = fit->model.errors;
    end_fit(fit);
    assert_int_equal(apart, 0); /* each row finds its twin */
    assert_true(together >= 5); /* of 20 photos whose labels say nothing */
}
