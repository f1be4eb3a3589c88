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

        fit->task.fold = golden_array("heads.npz", "%s/fold", cases[i])->data;
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

/* Features as a network gives them: none below 0, a few directions of large variance, and every third
 * feature silent but in few photos, where it is not. Photos of `kind` 1 are others; each has its own
 * contrast, that is length. */
static tmb_features like_a_network(int n, int d, int kind, uint64_t number)
{
    enum { SOURCES = 6 };
    tmb_features f = drawn_features(n, d, 2, 0, number);
    tmb__rng rng = tmb__rng_at(7, TMB_STREAM_TEST, number, 1);
    tmb__rng same = tmb__rng_at(7, TMB_STREAM_TEST, 1000, 1);
    float *x = test_keep(tmb__calloc((size_t)n * (size_t)d, sizeof *x));
    float *mix = test_keep(tmb__calloc((size_t)(SOURCES + 4) * (size_t)d, sizeof *mix));

    for (int i = 0; i < (SOURCES + 4) * d; i++)
        mix[i] = (float)tmb__rng_normal(&same);
    for (int i = 0; i < n; i++) {
        const double contrast = exp(0.3 * tmb__rng_normal(&rng));
        double source[SOURCES];

        for (int s = 0; s < SOURCES; s++)
            source[s] = tmb__rng_normal(&rng) / (1 + s);
        for (int j = 0; j < d; j++) {
            double sum =
                    0.5 * f.x[i * d + j] + 1.5 * mix[(SOURCES + 2 * kind + f.label[i]) * d + j];

            for (int s = 0; s < SOURCES; s++)
                sum += source[s] * mix[s * d + j];
            if (j % 3 == 0) sum = tmb__rng_uniform(&rng, 0, 1) < 0.004 ? 1 : 0.001 * sum;
            x[i * d + j] = (float)(contrast * TMB_MAX(sum, 0));
        }
    }
    f.x = x;
    return f;
}

/* Fewer and more photos than features, and fewer and more directions than are kept apart. Of the limit's
 * own n photos and of `more` 1 % may go: 0.99 minus three standard errors of both. */
TEST(unknown_keeps_new_photos_of_the_kind_and_tells_others)
{
    const struct {
        int n, d;
        double least;
    } sizes[] = {{60, 200, 0.94}, {400, 200, 0.97}, {300, 400, 0.96}};

    for (size_t i = 0; i < TMB_COUNT(sizes); i++) {
        const int d = sizes[i].d;
        const tmb_features f = like_a_network(sizes[i].n, d, 0, 1);
        const tmb_features more = like_a_network(400, d, 0, 2),
                           other = like_a_network(100, d, 1, 3);
        const tmb_head_opts opts = {0};
        fitted *fit = begin_fit(&f, &opts);
        tmb_unknown *unknown;

        assert_ok(tmb__unknown_new(&unknown, &fit->task, 0.99));
        assert_true(share_known(unknown, &more) >= sizes[i].least);
        assert_true(share_known(unknown, &other) < 0.1);
        tmb__unknown_free(unknown);
        end_fit(fit);
    }
}

TEST(unknown_does_not_see_the_length_of_features)
{
    const tmb_features f = like_a_network(80, 40, 0, 1);
    const tmb_head_opts opts = {0};
    fitted *fit = begin_fit(&f, &opts);
    tmb_unknown *unknown;
    float longer[40];

    assert_ok(tmb__unknown_new(&unknown, &fit->task, 0.99));
    for (int j = 0; j < 40; j++)
        longer[j] = 8 * f.x[j];
    assert_true(tmb__unknown_distance(unknown, longer) == tmb__unknown_distance(unknown, f.x));
    memset(longer, 0, sizeof longer);
    assert_true(isfinite(tmb__unknown_distance(unknown, longer)));
    tmb__unknown_free(unknown);
    end_fit(fit);
}

/* With the limit on others: those within it are as many as asked for, or all where they are few; and but
 * for the limit the distance is the same. */
TEST(unknown_limit_of_photos_held_out)
{
    const tmb_features f = like_a_network(300, 60, 0, 1);
    const tmb_head_opts opts = {0};
    const struct {
        int n, known;
        double keep;
    } sets[] = {{198, 198, 0.99}, {199, 198, 0.99}, {400, 361, 0.9}, {400, 201, 0.5}};
    fitted *fit = begin_fit(&f, &opts);
    tmb_unknown *own;

    assert_ok(tmb__unknown_new(&own, &fit->task, 0.99));
    for (size_t i = 0; i < TMB_COUNT(sets); i++) {
        const tmb_features more = like_a_network(sets[i].n, 60, 0, 2);
        tmb_unknown *unknown;
        double ratio;

        assert_ok(tmb__unknown_judged(&unknown, &f, &more, sets[i].keep));
        assert_int_equal(lround(share_known(unknown, &more) * sets[i].n), sets[i].known);
        ratio = tmb__unknown_distance(unknown, more.x) / tmb__unknown_distance(own, more.x);
        for (int j = 1; j < 20; j++)
            assert_true(fabs(tmb__unknown_distance(unknown, more.x + 60 * j) -
                                ratio * tmb__unknown_distance(own, more.x + 60 * j)) < 1e-5);
        tmb__unknown_free(unknown);
    }
    tmb__unknown_free(own);
    end_fit(fit);
}
