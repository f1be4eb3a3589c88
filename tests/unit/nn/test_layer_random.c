/* test_layer_random.c - random layers: Keras' geometry (layers.npz), a draw for each photo, no gradient */
#include "nn_test.h"

#include "golden.h"

#include <math.h>
#include <string.h>

#define FILE_NAME "layers.npz"

enum { H = 6, W = 9, C = 3, PHOTO = H * W * C, MOST = 64 };

static const struct {
    const char *name;
    tmb_random_kind kind;
    tmb_random_opts opts;
} cases[] = {
        {"rotation", TMB_RANDOM_ROTATION, {.factor = {0.1f, 0.1f}}},
        {"rotation_constant", TMB_RANDOM_ROTATION,
                {.factor = {-0.2f, -0.2f}, .edge = TMB_EDGE_CONSTANT, .fill = 9}},
        {"rotation_nearest", TMB_RANDOM_ROTATION,
                {.factor = {0.03f, 0.03f}, .nearest = true, .edge = TMB_EDGE_NEAREST}},
        {"zoom_out", TMB_RANDOM_ZOOM, {.factor = {0.6f, 0.6f}}},
        {"zoom_in", TMB_RANDOM_ZOOM,
                {.factor = {-0.4f, -0.4f}, .width_factor = {0.3f, 0.3f}, .edge = TMB_EDGE_WRAP}},
        {"translation", TMB_RANDOM_TRANSLATION,
                {.factor = {0.3f, 0.3f}, .width_factor = {-0.25f, -0.25f}}},
        {"translation_wrap", TMB_RANDOM_TRANSLATION,
                {.factor = {-0.9f, -0.9f}, .width_factor = {0.7f, 0.7f}, .edge = TMB_EDGE_WRAP}},
        {"translation_nearest", TMB_RANDOM_TRANSLATION,
                {.factor = {0.15f, 0.15f}, .width_factor = {0.4f, 0.4f}, .edge = TMB_EDGE_NEAREST}},
        {"brightness", TMB_RANDOM_BRIGHTNESS, {.factor = {0.2f, 0.2f}}},
        {"brightness_range", TMB_RANDOM_BRIGHTNESS,
                {.factor = {-0.3f, -0.3f}, .value_range = {-1, 1}}},
};

/* The layer under a 1 x 1 convolution that changes nothing, so that there is something to train. */
static tmb_model *net_of(tmb_random_kind kind, const tmb_random_opts *opts)
{
    static const float identity[] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    tmb_model *net = new_net(H, W, C);
    tmb_layer conv;

    tmb_model_add_random(net, kind, opts);
    conv = tmb_conv2d(net, .filters = C, .kernel = {1, 1}, .no_bias = true);
    assert_ok(tmb_model_check(net));
    assert_ok(tmb_model_set_weight(net, conv, 0, identity, C * C));
    return net;
}

/* y of n photos in training step `number`. */
static void train(tmb_device *device, tmb_random_kind kind, const tmb_random_opts *opts,
        const float *x, int n, int64_t number, float *y)
{
    static const tmb__train_spec spec = {.optimizer = TMB_SGD};
    static const float nothing[MOST * PHOTO];
    tmb_model *net = net_of(kind, opts);
    tmb__step step = {.x = x, .targets = nothing, .n = n, .seed = 3, .step = number, .scores = y};
    tmb__exec *exec = new_exec(net, device, n, &spec);

    assert_ok(tmb__exec_step(exec, &step));
    tmb__exec_free(exec);
    tmb_model_free(net);
}

static void golden(tmb_device *device)
{
    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        int64_t n;
        const float *x = golden_floats(&n, FILE_NAME, "random_%s/x", cases[i].name);
        const float *y = golden_floats(&n, FILE_NAME, "random_%s/y", cases[i].name);
        float found[2 * PHOTO];

        assert_int_equal(n, 2 * PHOTO);
        print_message("%s\n", cases[i].name);
        train(device, cases[i].kind, &cases[i].opts, x, 2, 0, found);
        assert_floats_near(found, y, n, 1e-5); /* TensorFlow's coordinates are in f32 */
    }
}

TEST(random_layers_move_as_keras_does)
{
    on_devices(golden);
}

static void draw_photos(float *x)
{
    for (int i = 0; i < MOST * PHOTO; i++)
        x[i] = (float)(i % PHOTO) / PHOTO;
}

static void flips(tmb_device *device)
{
    static float x[MOST * PHOTO], y[MOST * PHOTO];
    int flipped = 0;

    draw_photos(x);
    train(device, TMB_RANDOM_FLIP, &(tmb_random_opts){.horizontal = true}, x, MOST, 1, y);
    for (int i = 0; i < MOST; i++) {
        const float *photo = y + i * PHOTO;
        const bool turned = photo[0] != x[0];

        for (int e = 0; e < PHOTO; e++) {
            const int column = e / C % W, other = e + (W - 1 - 2 * column) * C;

            assert_true(photo[e] == x[turned ? other : e]);
        }
        flipped += turned;
    }
    assert_in_range(flipped, 16, 48); /* 32 of 64 expected, four deviations each way */
}

TEST(half_of_the_photos_are_flipped)
{
    on_devices(flips);
}

static void crops(tmb_device *device)
{
    static const tmb_random_opts opts = {.size = {4, 5}};
    static float x[MOST * PHOTO], y[MOST * PHOTO];
    unsigned seen = 0;

    draw_photos(x);
    train(device, TMB_RANDOM_CROP, &opts, x, MOST, 1, y);
    for (int i = 0; i < MOST; i++) {
        const float *part = y + i * 4 * 5 * C;
        const int first = (int)lroundf(part[0] * PHOTO), top = first / C / W, left = first / C % W;

        assert_in_range(top, 0, H - 4);
        assert_in_range(left, 0, W - 5);
        for (int p = 0; p < 4 * 5; p++)
            assert_true(part[p * C] == x[((top + p / 5) * W + left + p % 5) * C]);
        seen |= 1u << (top * 5 + left);
    }
    assert_int_equal(seen, (1u << 15) - 1); /* 3 x 5 places, 64 photos */
}

TEST(crops_stand_anywhere)
{
    on_devices(crops);
}

static void contrasts(tmb_device *device)
{
    static const tmb_random_opts opts = {.factor = {0.25f, 0.5f}, .value_range = {-5, 5}};
    static float x[MOST * PHOTO], y[MOST * PHOTO];
    double least = 2, most = 0;

    draw_photos(x);
    train(device, TMB_RANDOM_CONTRAST, &opts, x, MOST, 1, y);
    for (int i = 0; i < MOST; i++) {
        const float *a = x + i * PHOTO, *b = y + i * PHOTO;
        const double factor =
                ((double)b[PHOTO - C] - (double)b[0]) / ((double)a[PHOTO - C] - (double)a[0]);
        double mean = 0;

        for (int p = 0; p < H * W; p++)
            mean += (double)a[p * C] / (H * W);
        for (int p = 0; p < H * W; p++)
            assert_true(
                    fabs((double)b[p * C] - (((double)a[p * C] - mean) * factor + mean)) < 1e-5);
        least = fmin(least, factor);
        most = fmax(most, factor);
    }
    assert_true(least > 0.75 && least < 0.85 && most < 1.5 && most > 1.4);
}

TEST(contrast_is_drawn_around_the_mean)
{
    on_devices(contrasts);
}

static void repeats(tmb_device *device)
{
    static const tmb_random_opts opts = {.factor = {-0.5f, 0.5f}};
    static float x[MOST * PHOTO], y[MOST * PHOTO], z[MOST * PHOTO];

    draw_photos(x);
    train(device, TMB_RANDOM_ROTATION, &opts, x, 8, 4, y);
    train(device, TMB_RANDOM_ROTATION, &opts, x, 3, 4, z);
    assert_memory_equal(y, z, 3 * PHOTO * sizeof *y); /* a draw does not depend on the batch */
    assert_memory_not_equal(y, y + PHOTO, PHOTO * sizeof *y);
    train(device, TMB_RANDOM_ROTATION, &opts, x, 3, 5, z);
    assert_memory_not_equal(y, z, 3 * PHOTO * sizeof *y);
}

TEST(a_draw_is_a_function_of_step_and_sample)
{
    on_devices(repeats);
}

/* 6 x 9 to 2 x 3: the whole photo, each third pixel. To 2 x 2: the columns 1 .. 6. */
static void predicts(tmb_device *device)
{
    static float x[MOST * PHOTO];
    float y[PHOTO];

    draw_photos(x);
    for (int columns = 2; columns <= 3; columns++) {
        tmb_model *net = net_of(TMB_RANDOM_CROP, &(tmb_random_opts){.size = {2, columns}});
        tmb__exec *exec = new_exec(net, device, 1, NULL);

        assert_ok(tmb__exec_predict(exec, x, 1, y));
        for (int p = 0; p < 2 * columns; p++) {
            const int row = 1 + 3 * (p / columns),
                      column = (columns == 3 ? 1 : 2) + 3 * (p % columns);

            assert_true(fabsf(y[p * C] - x[(row * W + column) * C]) < 1e-6f);
        }
        tmb__exec_free(exec);
        tmb_model_free(net);
    }
    for (int kind = TMB_RANDOM_FLIP; kind <= TMB_RANDOM_BRIGHTNESS; kind++) {
        tmb_model *net;
        tmb__exec *exec;

        if (kind == TMB_RANDOM_CROP) continue;
        net = net_of((tmb_random_kind)kind, &(tmb_random_opts){.factor = {0.5f, 0.5f}});
        exec = new_exec(net, device, 1, NULL);
        assert_ok(tmb__exec_predict(exec, x, 1, y));
        assert_memory_equal(x, y, sizeof y);
        tmb__exec_free(exec);
        tmb_model_free(net);
    }
}

TEST(nothing_is_random_when_predicting)
{
    on_devices(predicts);
}

TEST(nothing_may_be_trained_below_a_random_layer)
{
    static const tmb__train_spec spec = {.optimizer = TMB_SGD};
    tmb_model *net = new_net(4, 4, 3);
    tmb__lowered list;

    tmb_conv2d(net, .filters = 3, .kernel = {1, 1});
    tmb_random(net, TMB_RANDOM_FLIP, .vertical = true);
    tmb_conv2d(net, .filters = 3, .kernel = {1, 1});
    assert_ok(tmb_model_check(net));
    assert_status(tmb__lower(&list, net, (tmb__span){0}, 1, &spec), TMB_EINVAL);
    assert_message("layer random_flip (RandomFlip): it has no gradient");
    assert_ok(tmb_model_set_trainable(net, 2, false));
    assert_ok(tmb__lower(&list, net, (tmb__span){0}, 1, &spec));
    tmb__lowered_free(&list);
    tmb_model_free(net);
}

#define REFUSES(part, kind, ...)                                                                   \
    do {                                                                                           \
        tmb_model *net = new_net(6, 6, 4);                                                         \
        assert_int_equal(tmb_random(net, kind, __VA_ARGS__), 0);                                   \
        assert_status(tmb_model_check(net), TMB_EINVAL);                                           \
        assert_message(part);                                                                      \
        tmb_model_free(net);                                                                       \
    } while (0)

TEST(random_layers_name_wrong_options)
{
    REFUSES("kind is number 9", (tmb_random_kind)9, .nearest = true);
    REFUSES("factor is 2, -1 to 1", TMB_RANDOM_ROTATION, .factor = {-1, 2});
    REFUSES("factor is {0.5, -0.5}, the lower end first", TMB_RANDOM_ROTATION,
            .factor = {0.5f, -0.5f});
    REFUSES("factor is -1, -0.999 to 1", TMB_RANDOM_ZOOM, .factor = {-1, 0});
    REFUSES("width_factor is nan", TMB_RANDOM_TRANSLATION, .width_factor = {NAN, 0});
    REFUSES("factor is -0.1, 0 to 1", TMB_RANDOM_CONTRAST, .factor = {-0.1f, 0});
    REFUSES("value_range is {1, 0}", TMB_RANDOM_BRIGHTNESS, .value_range = {1, 0});
    REFUSES("edge is 7, 0 to 3", TMB_RANDOM_ZOOM, .edge = (tmb_edge)7);
    REFUSES("fill is inf", TMB_RANDOM_ZOOM, .fill = INFINITY);
    REFUSES("width is 7, 1 to 6", TMB_RANDOM_CROP, .size = {6, 7});
    REFUSES("height is 0, 1 to 6", TMB_RANDOM_CROP, .size = {0, 6});
}
