/* test_logistic.c - logistic and softmax regression against SciPy's minimum; L-BFGS by itself */
#include "head_test.h"

#include <stdio.h>

/* Both end with gradients below 1e-8; the flattest direction has the curvature of the penalty. */
#define CLOSE 1e-5

TEST(logistic_weights_are_scipys)
{
    const double penalties[] = {0.01, 0.3};
    char key[64];

    for (size_t i = 0; i < TMB_COUNT(head_cases) * 2; i++) {
        const tmb_features f = golden_features(head_cases[i / 2]);
        const tmb_head_opts opts = {.penalty = penalties[i % 2]};
        fitted *fit = begin_fit(&f, &opts);

        snprintf(key, sizeof key, "%s/logistic_%g", head_cases[i / 2], opts.penalty);
        assert_ok(tmb__logistic_fit(&fit->task, &fit->model));
        assert_weights(fit, key, CLOSE);
        end_fit(fit);
    }
}

/* Rosenbrock's valley in `n` variables. */
static double valley(void *user, const double *x, double *gradient)
{
    const int n = *(const int *)user;
    double sum = 0;

    memset(gradient, 0, (size_t)n * sizeof *gradient);
    for (int i = 0; i + 1 < n; i++) {
        const double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];

        sum += 100 * a * a + b * b;
        gradient[i] += -400 * a * x[i] - 2 * b;
        gradient[i + 1] += 200 * a;
    }
    return sum;
}

TEST(lbfgs_reaches_the_bottom_of_a_bent_valley)
{
    double x[20] = {0}, scale[20];
    int n = 20;
    tmb__minimum m = {
            .n = n, .most = 500, .scale = scale, .tolerance = 1e-9, .f = valley, .user = &n};

    for (int i = 0; i < n; i++)
        scale[i] = 1e-3;
    assert_ok(tmb__minimise(&m, x));
    assert_true(m.slope <= 1e-9);
    assert_true(m.iterations < 300);
    for (int i = 0; i < n; i++)
        assert_true(fabs(x[i] - 1) < 1e-8);
}

TEST(logistic_penalty_is_chosen_on_unseen_rows)
{
    const tmb_features f = drawn_features(60, 30, 3, 0.7, 3);
    const tmb_head_opts choose = {0};
    fitted *fit = begin_fit(&f, &choose), *other;
    const double grid[] = {10, 1, 0.1, 0.01};

    assert_ok(tmb__logistic_fit(&fit->task, &fit->model));
    for (size_t i = 0; i < TMB_COUNT(grid); i++) {
        const tmb_head_opts opts = {.penalty = grid[i]};

        other = begin_fit(&f, &opts);
        assert_ok(tmb__logistic_fit(&other->task, &other->model));
        assert_true(other->model.errors >= fit->model.errors);
        end_fit(other);
    }
    end_fit(fit);
}

/* Turning a fold's labels round changes the scores of all but its own rows; 20 folds are more than are
 * fitted at once. Both end with gradients below 1e-4, and the penalty is the least curvature. */
TEST(logistic_rows_left_out_do_not_teach)
{
    const tmb_features f = drawn_features(60, 10, 2, 1, 5);
    const tmb_head_opts opts = {.penalty = 0.3};
    int32_t fold[60], label[60];
    double before[60];
    fitted *fit = begin_fit(&f, &opts);

    for (int i = 0; i < 60; i++)
        fold[i] = i / 3;
    fit->task.fold = fold;
    fit->task.folds = 20;
    assert_ok(tmb__logistic_fit(&fit->task, &fit->model));
    memcpy(before, fit->model.unseen, sizeof before);
    fit->task.label = label;
    for (int own = 3; own < 20; own += 15) {
        double changed = 0;

        for (int i = 0; i < 60; i++)
            label[i] = fold[i] == own ? 1 - f.label[i] : f.label[i];
        assert_ok(tmb__logistic_fit(&fit->task, &fit->model));
        for (int i = 0; i < 60; i++) {
            const double change = fabs(fit->model.unseen[i] - before[i]);

            if (fold[i] == own)
                assert_true(change < 0.01);
            else
                changed = TMB_MAX(changed, change);
        }
        assert_true(changed > 0.1);
    }
    end_fit(fit);
}

TEST(logistic_stops_when_asked)
{
    const tmb_features f = drawn_features(30, 5, 2, 1, 4);
    const volatile int stop = 1;
    const tmb_head_opts opts = {.stop = &stop};
    fitted *fit = begin_fit(&f, &opts);

    assert_int_equal(tmb__logistic_fit(&fit->task, &fit->model), TMB_ESTOPPED);
    end_fit(fit);
}
