/* test_optimizer_state.c - what an optimizer knows, from fit to fit and through Keras' files
 *
 * tests/golden/optimizer_state was written by scripts/golden/optimizer_state.py: the same batch in every
 * step, three steps in Keras, and the weights after three more. */
#include "golden.h"
#include "train_test.h"

enum { ROWS = 8, SIDE = 6, STEPS = 3 };

static tmb_model *open_golden(const char *name, const char *ending)
{
    char path[64];
    tmb_model *net;
    int status;

    snprintf(path, sizeof path, "optimizer_state/%s.%s", name, ending);
    status = tmb_model_open(&net, test_golden(path));
    if (status == TMB_EUNSUPPORTED) SKIP("built without HDF5");
    assert_ok(status);
    return net;
}

static const struct row {
    const char *name;
    tmb_compile_opts opts;
} rows[] = {
        {"sgd", {.optimizer = TMB_SGD, .lr = 0.05f, .momentum = 0.9f, .nesterov = true}},
        {"rmsprop",
                {.optimizer = TMB_RMSPROP,
                        .lr = 0.002f,
                        .momentum = 0.5f,
                        .centered = true,
                        .clip_norm_each = 1}},
        {"adam", {.optimizer = TMB_ADAM, .lr = 0.01f}},
        {"frozen", {.optimizer = TMB_NADAM, .lr = 0.01f}},
};

/* One step an epoch, on the golden's batch: its order changes nothing but the order of sums. */
static void train(tmb_model *net, const tmb_compile_opts *opts, int steps)
{
    static const char *const names[] = {"no", "yes"};
    int64_t n;
    int32_t label[ROWS];
    const float *y = golden_floats(&n, "optimizer_state.npz", "y");
    tmb_features features = {.n = ROWS,
            .shape = {SIDE, SIDE, 1},
            .x = golden_floats(&n, "optimizer_state.npz", "x"),
            .label = label,
            .classes = 2,
            .class_names = names};
    tmb_compile_opts keep = *opts;

    for (int i = 0; i < ROWS; i++)
        label[i] = (int32_t)y[i];
    keep.keep_weights = true;
    assert_ok(tmb_model_compile(net, &keep));
    assert_ok(tmb_model_fit_features(
            net, &features, NULL, &(tmb_fit_opts){.epochs = steps, .batch = ROWS}));
}

/* Both compute in float32, in another order of sums. */
static void require_weights(const tmb_model *net, const char *name)
{
    int number = 0;

    for (int k = 0; k < net->n_layers; k++) {
        for (int i = 0; i < net->layers[k].n_weights; i++) {
            int64_t n;
            const float *expected =
                    golden_floats(&n, "optimizer_state.npz", "%s/%d", name, number++);

            assert_floats_near(net->weights + net->layers[k].weight[i].offset, expected, n, 1e-5);
        }
    }
    assert_int_equal(number, 8);
}

TEST(optimizer_state_goes_on_where_keras_was)
{
    for (size_t i = 0; i < TMB_COUNT(rows); i++) {
        tmb_model *net = open_golden(rows[i].name, "keras");

        train(net, &rows[i].opts, STEPS);
        require_weights(net, rows[i].name);
        assert_int_equal(net->optimizer->steps, 2 * STEPS);
        tmb_model_free(net);
    }
}

/* Whole models of the legacy layout: Keras 3's order, and Keras 2's, where all m come before all v. */
TEST(optimizer_state_of_legacy_files)
{
    static const char *const names[] = {"adam", "adam2"};

    for (size_t i = 0; i < TMB_COUNT(names); i++) {
        tmb_model *net = open_golden(names[i], "h5");

        train(net, &rows[2].opts, STEPS);
        require_weights(net, "adam");
        tmb_model_free(net);
    }
}

/* Weights alone say nothing of the optimizer: it is the one that the net is compiled with. */
TEST(optimizer_state_with_weights_alone)
{
    const char *path = test_golden("optimizer_state/adam.weights.h5");
    tmb_model *net = open_golden("sgd", "keras");

    assert_ok(tmb_model_compile(net, &rows[2].opts));
    assert_ok(tmb_model_load_weights(net, path));
    assert_int_equal(net->optimizer->steps, STEPS);
    train(net, &rows[2].opts, STEPS);
    require_weights(net, "adam");
    tmb_model_free(net);
    net = open_golden("sgd", "keras"); /* another optimizer's: left as it is */
    assert_ok(tmb_model_compile(net, &rows[0].opts));
    assert_ok(tmb_model_load_weights(net, path));
    assert_int_equal(net->optimizer->steps, 0);
    tmb_model_free(net);
}

static void keep_line(void *user, tmb_log_level level, const char *line)
{
    (void)level;
    if (strstr(line, "left out")) snprintf(user, 200, "%s", line);
}

/* Where only weights can be told apart, or turned: the log says that the state stays behind. */
TEST(optimizer_state_left_out_is_told)
{
    static const struct {
        tmb_load_opts opts;
        const char *why;
    } cases[] = {
            {{.by_name = true}, "the optimizer's state is left out: not the whole net is loaded"},
            {{.prefix = true}, "the optimizer's state is left out: not the whole net is loaded"},
            {{.flip = TMB_FLIP_YES}, "the optimizer's state is left out: its kernels are turned"},
    };

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        tmb_model *net = open_golden("adam", "keras");
        char told[200] = "";

        assert_ok(tmb_model_compile(net, &rows[2].opts));
        tmb_log_set(keep_line, told, TMB_INFO);
        assert_ok(tmb_model_load_weights_as(
                net, test_golden("optimizer_state/adam.weights.h5"), &cases[i].opts, NULL));
        tmb_log_set(NULL, NULL, TMB_INFO);
        assert_non_null(strstr(told, cases[i].why));
        assert_int_equal(net->optimizer->steps, 0);
        tmb_model_free(net);
    }
}

static void require_same_state(const tmb__optimizer *a, const tmb__optimizer *b)
{
    assert_int_equal(a->steps, b->steps);
    assert_int_equal(a->n_parts, b->n_parts);
    assert_int_equal(a->n_slots, b->n_slots);
    assert_memory_equal(a->slots, b->slots, (size_t)(a->n * a->n_slots) * sizeof *a->slots);
}

/* Out and in again, the same bits; and the options, as Keras has them. */
TEST(optimizer_state_comes_back)
{
    static const char *const paths[] = {"a.keras", "a.h5"};

    for (size_t i = 0; i < 2 * TMB_COUNT(rows); i++) {
        const struct row *row = &rows[i / 2];
        tmb_model *net = open_golden(row->name, "keras"), *back;

        train(net, &row->opts, 1);
        assert_ok(tmb_model_export(net, test_temp("%s", paths[i % 2]),
                &(tmb_export_opts){.whole = i % 2, .optimizer = true}));
        assert_ok(tmb_model_open(&back, test_temp("%s", paths[i % 2])));
        require_same_state(net->optimizer, back->optimizer);
        assert_int_equal(back->optimizer->opts.optimizer, row->opts.optimizer);
        assert_int_equal(back->optimizer->opts.loss, TMB_BINARY_CROSSENTROPY);
        assert_float_equal(back->optimizer->opts.lr, row->opts.lr, 0);
        assert_float_equal(back->optimizer->opts.momentum, row->opts.momentum, 0);
        assert_float_equal(back->optimizer->opts.clip_norm_each, row->opts.clip_norm_each, 0);
        assert_true(back->optimizer->opts.nesterov == row->opts.nesterov);
        tmb_model_free(back);
        tmb_model_free(net);
    }
}

TEST(optimizer_state_is_refused_without_one)
{
    tmb_model *net = open_golden("adam", "keras");

    assert_ok(tmb_model_compile(net, &rows[2].opts)); /* other weights, so no state */
    assert_status(
            tmb_model_export(net, test_temp("a.keras"), &(tmb_export_opts){.optimizer = true}),
            TMB_EINVAL);
    assert_message("the model was not trained");
    assert_status(tmb_model_export(net, test_temp("a.h5"), &(tmb_export_opts){.optimizer = true}),
            TMB_EINVAL);
    assert_message("optimizer means nothing");
    tmb_model_free(net);
}

static tmb_model *one_row_net(void)
{
    tmb_model *net = open_golden("adam", "keras");

    assert_ok(tmb_model_compile(net, &rows[2].opts));
    return net;
}

/* Fits in a row are one; a net with other layers frozen begins anew. */
TEST(optimizer_state_stays_between_fits)
{
    tmb_model *once = one_row_net(), *twice = one_row_net();

    train(once, &rows[2].opts, 4);
    train(twice, &rows[2].opts, 1);
    train(twice, &rows[2].opts, 3);
    assert_floats_near(twice->weights, once->weights, once->n_weights, 1e-6);
    assert_int_equal(twice->optimizer->steps, 4);
    assert_ok(tmb_model_set_trainable(twice, 2, false));
    train(twice, &rows[2].opts, 1);
    assert_int_equal(twice->optimizer->steps, 1);
    train(twice, &rows[0].opts, 1); /* another optimizer */
    assert_int_equal(twice->optimizer->steps, 1);
    assert_int_equal(twice->optimizer->n_slots, 1);
    tmb_model_free(twice);
    tmb_model_free(once);
}

/* Whatever fails (a third of it is tried), it is reported, and nothing is left behind. */
TEST(optimizer_state_failing_calls)
{
    tmb_model *net = open_golden("frozen", "keras"), *back;

    for (int64_t n = 0;; n += 3) {
        int status;

        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb_model_export(
                net, test_temp("a.h5"), &(tmb_export_opts){.whole = true, .optimizer = true});
        if (!test_fail_end()) break;
        assert_int_equal(status, TMB_ENOMEM);
    }
    for (int64_t n = 0;; n += 3) {
        int status;

        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb_model_open(&back, test_temp("a.h5"));
        if (!test_fail_end()) break;
        assert_int_equal(status, TMB_ENOMEM);
        assert_null(back);
    }
    assert_int_equal(back->optimizer->steps, STEPS);
    tmb_model_free(back);
    tmb_model_free(net);
}
