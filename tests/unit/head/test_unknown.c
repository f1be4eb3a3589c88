/* test_unknown.c - the distance from what is known: NumPy's, its limit, and what lies far away */
#include "head_test.h"

TEST(unknown_distances_are_numpys)
{
    const char *const cases[] = {"tall", "wide"};

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        const tmb_features f = golden_features(cases[i]);
        const tmb_head_opts opts = {0};
        const tmb__array *far = golden_array("heads.npz", "%s/distance", cases[i]);
        const float *x = golden_array("heads.npz", "%s/new", cases[i])->data;
        fitted *fit = begin_fit(&f, &opts);
        tmb_unknown *unknown;
        double distance[5];

        assert_ok(tmb__unknown_new(&unknown, &fit->task, 0.9));
        for (int j = 0; j < 5; j++)
            distance[j] = tmb__unknown_distance(unknown, x + j * f.shape[0]);
        assert_all_near(distance, far, 5, 1e-5); /* stored as float32 */
        tmb__unknown_free(unknown);
        end_fit(fit);
    }
}

static double share_known(const tmb_unknown *unknown, const tmb_features *f)
{
    int64_t known = 0;

    for (int64_t i = 0; i < f->n; i++)
        known += tmb__unknown_distance(unknown, f->x + i * f->shape[0]) <= 1;
    return (double)known / (double)f->n;
}

TEST(unknown_keeps_new_photos_of_the_kind_and_tells_others)
{
    const int sizes[] = {60, 400};

    for (int i = 0; i < 2; i++) {
        const tmb_features f = drawn_features(sizes[i], 100, 2, 2, 1);
        const tmb_features more = drawn_features(400, 100, 2, 2, 2);
        const tmb_features other = drawn_features(400, 100, 2, 6, 3);
        const tmb_head_opts opts = {0};
        fitted *fit = begin_fit(&f, &opts);
        tmb_unknown *unknown;

        assert_ok(tmb__unknown_new(&unknown, &fit->task, 0.99));
        assert_true(share_known(unknown, &more) > 0.96); /* 0.99 - three standard errors of both */
        assert_true(share_known(unknown, &other) < 0.05);
        tmb__unknown_free(unknown);
        end_fit(fit);
    }
}
