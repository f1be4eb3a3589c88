/* test_fold.c - batch normalisation taken into the layer below gives what it gives on its own */
#include "nn_test.h"

#include <string.h>

enum { N = 3, SIDE = 9, INPUTS = SIDE * SIDE * 3, CLASSES = 4 };

/* Every layer that can take one, with and without a bias, scale and centre. */
static tmb_model *norm_net(void)
{
    tmb_model *net = new_net(SIDE, SIDE, 3);

    tmb_conv2d(net, .filters = 6, .kernel = {3, 3}, .groups = 3, .no_bias = true);
    tmb_batchnorm(net, 0);
    tmb_activate(net, .activation = TMB_RELU6);
    tmb_zeropad2d(net, .bottom = 2, .left = 1);
    tmb_depthwise_conv2d(net, .kernel = {3, 3}, .multiplier = 2, .same_padding = true);
    tmb_batchnorm(net, .no_scale = true);
    tmb_activate(net, .activation = TMB_SWISH);
    tmb_separable_conv2d(net, .filters = 5, .kernel = {2, 2});
    tmb_batchnorm(net, .no_center = true);
    tmb_flatten(net);
    tmb_dense(net, .units = CLASSES, .no_bias = true);
    tmb_batchnorm(net, .epsilon = 0.01f);
    tmb_activate(net, .activation = TMB_SOFTMAX);
    assert_ok(tmb_model_check(net));
    return net;
}

/* Statistics and factors that matter: variances around 1, the rest around 0 or 1. */
static void stir(tmb_model *net)
{
    for (int k = 0; k < net->n_layers; k++) {
        const tmb__layer *layer = &net->layers[k];

        for (int i = 0; layer->kind == TMB__LAYER_BATCHNORM && i < layer->n_weights; i++) {
            const tmb__weight *weight = &layer->weight[i];
            const bool about_one =
                    strcmp(weight->name, "gamma") == 0 || strstr(weight->name, "variance");
            float *values = net->weights + weight->offset;

            fill(values, tmb__shape_count(&weight->shape), (uint32_t)(10 * k + i));
            for (int64_t j = 0; j < tmb__shape_count(&weight->shape); j++)
                values[j] = 0.5f * values[j] + (about_one ? 1 : 0);
        }
    }
}

/* A reader beside the normalisation keeps it apart: the net with one such reader more is the yardstick. */
static void equals_apart(tmb_device *device)
{
    static float x[N * INPUTS];
    float folded[N * CLASSES], apart[N * CLASSES], middle[4096], part[4096];
    tmb_model *net = norm_net();
    tmb__exec *whole;
    int64_t count = INPUTS;

    stir(net);
    fill(x, TMB_COUNT(x), 5);
    memcpy(middle, x, sizeof x);
    whole = new_exec(net, device, N, NULL);
    assert_ok(tmb__exec_predict(whole, x, N, folded));
    tmb__exec_free(whole);
    for (int k = 2; k <= net->n_layers; k++) { /* layer by layer nothing can be folded */
        tmb__exec *one;

        assert_ok(tmb__exec_new_span(
                &one, net, (tmb__span){.from = k - 1, .to = k}, device, N, NULL));
        count = tmb__shape_count(&net->layers[k - 1].out);
        assert_true(N * count <= (int64_t)TMB_COUNT(part));
        assert_ok(tmb__exec_predict(one, middle, N, part));
        memcpy(middle, part, (size_t)(N * count) * sizeof *part);
        tmb__exec_free(one);
    }
    memcpy(apart, middle, sizeof apart);
    for (int i = 0; i < N * CLASSES; i++)
        assert_float_equal(folded[i], apart[i], 1e-6);
    tmb_model_free(net);
}

TEST(fold_predictions_are_those_of_the_layers_apart)
{
    on_devices(equals_apart);
}

TEST(fold_leaves_no_normalisation_in_the_list)
{
    tmb_model *net = norm_net();
    tmb__lowered list;

    assert_ok(tmb__lower(&list, net, (tmb__span){0}, N, NULL));
    assert_int_equal(list.n_folds, 4);
    for (int i = 0; i < list.n_ops; i++)
        assert_true(list.ops[i].kind != TMB_OP_BN_INFER && list.ops[i].kind != TMB_OP_PAD);
    tmb__lowered_free(&list);
    tmb_model_free(net);
}
