/* net_keras.h - what networks of the zoo compute, against Keras
 *
 * Weights come from a formula (net_filled.h); Keras' answers to them are in zoo.npz. */
#ifndef THIMBLE_TEST_NET_KERAS_H
#define THIMBLE_TEST_NET_KERAS_H

#include "golden.h"
#include "net_filled.h"

static inline tmb_model *model_of(const char *name, const tmb_zoo_opts *opts)
{
    tmb_model *net;

    assert_ok(tmb_zoo_model(&net, name, opts));
    return net;
}

/* Float32 in another order of sums, 50 layers and more: 1e-4 of the largest value. */
static inline void require_near(
        const char *what, const float *found, const float *expected, int64_t n)
{
    double largest = 0, worst = 0;

    for (int64_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs((double)expected[i]));
        worst = fmax(worst, fabs((double)found[i] - (double)expected[i]));
    }
    if (!(worst <= 1e-4 * largest))
        fail_msg("%s: differs by %g, the largest is %g", what, worst, largest);
}

static inline void check_features(const char *name, int side)
{
    tmb_model *net = model_of(name, &(tmb_zoo_opts){.size = {side, side}, .undrawn = true});
    const tmb__shape *out = &net->layers[net->n_layers - 1].out;
    const int64_t area = out->dim[0] * out->dim[1], c = out->dim[2];
    float *y = test_keep(tmb__calloc((size_t)(area * c), sizeof *y));
    float *mean = test_keep(tmb__calloc((size_t)c, sizeof *mean));
    const float *expected, *x;
    int64_t n;

    fill_net(net);
    x = fill_photo(net);
    assert_ok(tmb_model_predict(net, x, 1, y));
    for (int64_t k = 0; k < c; k++) {
        double sum = 0;

        for (int64_t i = 0; i < area; i++)
            sum += (double)y[i * c + k];
        mean[k] = (float)(sum / (double)area);
    }
    expected = golden_floats(&n, "zoo.npz", "%s/features_%d", name, side);
    assert_int_equal(n, c);
    require_near("mean", mean, expected, c);
    expected = golden_floats(&n, "zoo.npz", "%s/at_%d", name, side);
    require_near("middle", y + (out->dim[0] / 2 * out->dim[1] + out->dim[1] / 2) * c, expected, c);
    tmb_model_free(net);
}

static inline void check_scores(const char *name, int side)
{
    tmb_model *net = model_of(name,
            &(tmb_zoo_opts){.size = {side, side}, .top = true, .classes = 10, .undrawn = true});
    const float *expected, *x;
    float scores[10];
    int64_t n;

    fill_net(net);
    x = fill_photo(net);
    assert_ok(tmb_model_predict(net, x, 1, scores));
    expected = golden_floats(&n, "zoo.npz", "%s/scores", name);
    assert_int_equal(n, 10);
    require_near("scores", scores, expected, 10);
    tmb_model_free(net);
}

#endif
