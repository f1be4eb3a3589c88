/* test_lower.c - which ops a net becomes: fusion, what is left out for frozen layers, logits, slots */
#include "nn_test.h"

#include <string.h>

/* "conv pool dense": the list's ops by name. */
static const char *ops_text(const tmb__lowered *list)
{
    tmb__strbuf sb = {0};

    for (int i = 0; i < list->n_ops; i++)
        tmb__strbuf_add(&sb, "%s%s", i ? " " : "", tmb__op_name(list->ops[i].kind));
    return test_keep(sb.text);
}

static void lower(tmb__lowered *list, const tmb_model *net, const tmb__train_spec *spec)
{
    tmb_op_list ops;

    assert_ok(tmb__lower(list, net, (tmb__span){0}, 4, spec));
    ops = (tmb_op_list){list->tensors, list->ops, list->n_tensors, list->n_ops, 4, false};
    assert_ok(tmb__op_list_check(&ops));
}

/* The net becomes these ops; takes the net. */
static void becomes(tmb_model *net, const tmb__train_spec *spec, const char *expected)
{
    tmb__lowered list;

    assert_ok(tmb_model_check(net));
    lower(&list, net, spec);
    assert_string_equal(ops_text(&list), expected);
    tmb__lowered_free(&list);
    tmb_model_free(net);
}

static const tmb__train_spec binary = {.loss = TMB_BINARY_CROSSENTROPY, .optimizer = TMB_SGD};
static const tmb__train_spec categorical = {
        .loss = TMB_CATEGORICAL_CROSSENTROPY, .optimizer = TMB_SGD};

static tmb_model *head_net(tmb_activation act, int units)
{
    tmb_model *net = new_net(1, 1, 5);

    tmb_flatten(net);
    tmb_dense(net, .units = units, .activation = act);
    return net;
}

#define NO_DATA "dense_bwd_weights grad_norm sgd sgd"

TEST(inference_fuses_activations)
{
    becomes(post_net(30), NULL, "conv pool conv pool conv pool reshape dense dense");
    becomes(head_net(TMB_GELU, 2), NULL, "reshape dense");
    becomes(head_net(TMB_SOFTMAX, 2), NULL, "reshape dense softmax");
}

TEST(post_net_trains_without_a_gradient_of_its_input)
{
    becomes(post_net(30), &binary,
            "conv pool conv pool conv pool reshape dense dropout dense act loss "
            "dense_bwd_weights dense_bwd_data dropout_bwd act_bwd dense_bwd_weights dense_bwd_data "
            "reshape pool_bwd act_bwd conv_bwd_weights conv_bwd_data pool_bwd act_bwd "
            "conv_bwd_weights conv_bwd_data pool_bwd act_bwd conv_bwd_weights grad_norm "
            "sgd sgd sgd sgd sgd sgd sgd sgd sgd sgd");
}

TEST(matching_loss_takes_logits)
{
    becomes(head_net(TMB_SIGMOID, 1), &binary, "reshape dense act loss " NO_DATA);
    becomes(head_net(TMB_SOFTMAX, 3), &categorical, "reshape dense softmax loss " NO_DATA);
    becomes(head_net(TMB_SOFTMAX, 3), &binary, "reshape dense softmax loss softmax_bwd " NO_DATA);
    becomes(head_net(TMB_SIGMOID, 3), &categorical, "reshape dense loss act_bwd " NO_DATA);
    becomes(head_net(TMB_LINEAR, 3), &categorical, "reshape dense loss " NO_DATA);
    becomes(head_net(TMB_SWISH, 3), &categorical, "reshape dense act loss act_bwd " NO_DATA);
}

TEST(logits_through_an_activation_layer)
{
    tmb_model *net = head_net(TMB_LINEAR, 1);
    tmb__lowered list;

    tmb_activate(net, .activation = TMB_SIGMOID);
    lower(&list, net, &binary);
    assert_string_equal(ops_text(&list), "reshape dense act loss " NO_DATA);
    assert_true(list.ops[3].attr.logits);
    assert_int_equal(list.ops[3].in[0], list.ops[1].out[0]);
    assert_int_equal(list.ops[2].out[0], list.scores);
    assert_int_equal(list.tensors[list.scores].role, TMB_ROLE_OUTPUT);
    tmb__lowered_free(&list);
    tmb_model_free(net);
}

static tmb_model *bn_relu_net(tmb_activation act)
{
    tmb_model *net = new_net(8, 8, 3);

    tmb_conv2d(net, .filters = 2, .kernel = {3, 3}, .no_bias = true);
    tmb_batchnorm(net, 0);
    tmb_activate(net, .activation = act);
    tmb_global_avgpool2d(net);
    tmb_dense(net, .units = 1, .activation = TMB_SIGMOID, .no_bias = true);
    return net;
}

#define BN_TAIL                                                                                    \
    "global_pool dense act loss dense_bwd_weights dense_bwd_data global_pool_bwd act_bwd "         \
    "batchnorm_bwd conv_bwd_weights grad_norm sgd sgd sgd sgd"

TEST(activation_layer_is_absorbed_by_the_layer_below)
{
    becomes(bn_relu_net(TMB_RELU), NULL, "conv global_pool dense");
    becomes(bn_relu_net(TMB_SWISH), NULL, "conv global_pool dense");
    becomes(bn_relu_net(TMB_RELU), &binary, "conv batchnorm " BN_TAIL);
    becomes(bn_relu_net(TMB_SWISH), &binary, "conv batchnorm act " BN_TAIL);
}

TEST(activation_layer_stands_alone_where_others_read_below_it)
{
    tmb_model *net = new_net(8, 8, 3);
    const tmb_layer a = tmb_conv2d(net, .filters = 2, .kernel = {3, 3});
    const tmb_layer b = tmb_activate(net, .activation = TMB_RELU);

    tmb_add(net, .from = {a, b});
    becomes(net, NULL, "conv act add");
}

TEST(frozen_layers_get_no_gradient_work)
{
    tmb_model *net = bn_relu_net(TMB_RELU);

    assert_ok(tmb_model_set_trainable(net, 2, false));
    assert_ok(tmb_model_set_trainable(net, 3, false));
    becomes(net, &binary,
            "conv batchnorm_infer global_pool dense act loss dense_bwd_weights grad_norm sgd");

    net = bn_relu_net(TMB_RELU); /* frozen above a trained layer: gradients pass through */
    assert_ok(tmb_model_set_trainable(net, 3, false));
    assert_ok(tmb_model_set_trainable(net, 6, false));
    becomes(net, &binary,
            "conv batchnorm_infer global_pool dense act loss dense_bwd_data global_pool_bwd "
            "act_bwd "
            "batchnorm_infer_bwd conv_bwd_weights grad_norm sgd");

    net = bn_relu_net(TMB_RELU); /* batch norm alone is trained: nothing goes below it */
    assert_ok(tmb_model_set_trainable(net, 2, false));
    assert_ok(tmb_model_set_trainable(net, 6, false));
    becomes(net, &binary,
            "conv batchnorm global_pool dense act loss dense_bwd_data global_pool_bwd act_bwd "
            "batchnorm_bwd grad_norm sgd sgd");
}

TEST(nothing_to_train_is_said)
{
    tmb_model *net = head_net(TMB_SIGMOID, 1);
    tmb__lowered list;

    assert_ok(tmb_model_set_trainable(net, 3, false));
    assert_status(tmb__lower(&list, net, (tmb__span){0}, 4, &binary), TMB_EINVAL);
    assert_message("nothing to train: every layer is frozen or has no weights");
    tmb_model_free(net);
}

TEST(loss_must_fit_the_last_layer)
{
    tmb_model *net = new_net(8, 8, 3);
    tmb__lowered list;

    tmb_conv2d(net, .filters = 2, .kernel = {3, 3});
    assert_status(tmb__lower(&list, net, (tmb__span){0}, 4, &categorical), TMB_EINVAL);
    assert_message("the last layer gives (6, 6, 2), this loss expects one row of scores");
    tmb_flatten(net);
    tmb_dense(net, .units = 1);
    assert_status(tmb__lower(&list, net, (tmb__span){0}, 4, &categorical), TMB_EINVAL);
    assert_message("gives 1 score");
    assert_status(tmb__lower(&list, net, (tmb__span){0}, 0, NULL), TMB_EINVAL);
    tmb_model_free(net);
}

/* A mean over elements does not mind how they stand: pictures are rows to LOSS. */
TEST(losses_over_elements_take_pictures)
{
    const tmb__train_spec mse = {.loss = TMB_MEAN_SQUARED_ERROR, .optimizer = TMB_SGD};
    tmb_model *net = new_net(8, 8, 3);

    tmb_conv2d(net, .filters = 2, .kernel = {3, 3}, .activation = TMB_SIGMOID);
    becomes(net, &mse, "conv reshape loss reshape act_bwd conv_bwd_weights grad_norm sgd sgd");
}

TEST(clip_loss_takes_no_logits)
{
    tmb__train_spec clip = binary;
    tmb_model *net = head_net(TMB_SIGMOID, 1);

    clip.clip_loss = true;
    becomes(net, &clip, "reshape dense loss act_bwd dense_bwd_weights grad_norm sgd sgd");
}

TEST(clipping_stands_between_norm_and_step)
{
    tmb__train_spec each = binary, value = binary;

    each.clip_each = 1;
    value.clip_value = 1;
    becomes(head_net(TMB_SIGMOID, 1), &each,
            "reshape dense act loss dense_bwd_weights grad_norm grad_norm clip grad_norm clip "
            "sgd sgd");
    becomes(head_net(TMB_SIGMOID, 1), &value,
            "reshape dense act loss dense_bwd_weights grad_norm clip clip sgd sgd");
}

TEST(several_readers_gradients_are_added)
{
    tmb_model *net = new_net(4, 4, 2);
    const tmb_layer a = tmb_conv2d(net, .filters = 2, .kernel = {1, 1}, .no_bias = true);
    const tmb_layer b = tmb_maxpool2d(net, .pool = {1, 1});

    tmb_add(net, .from = {a, b});
    tmb_global_avgpool2d(net);
    becomes(net, &categorical,
            "conv pool add global_pool loss global_pool_bwd pool_bwd add conv_bwd_weights "
            "grad_norm "
            "sgd");
}

TEST(dropout_is_told_apart_by_layer_number)
{
    tmb_model *net = new_net(1, 1, 4);
    tmb__lowered list;
    uint32_t ids[4];
    int n = 0;

    tmb_flatten(net);
    tmb_dropout(net, .rate = 0.5f);
    tmb_dropout(net, 0); /* rate 0: nothing */
    tmb_dense(net, .units = 3);
    tmb_dropout(net, .rate = 0.5f);
    tmb_dense(net, .units = 1);
    lower(&list, net, &binary);
    for (int i = 0; i < list.n_ops && n < 4; i++) {
        if (list.ops[i].kind == TMB_OP_DROPOUT || list.ops[i].kind == TMB_OP_DROPOUT_BWD)
            ids[n++] = list.ops[i].attr.id;
    }
    assert_int_equal(n, 3); /* the lower one has nothing to train below it */
    assert_int_equal(ids[0], 3);
    assert_int_equal(ids[1], 6);
    assert_int_equal(ids[2], 6);
    tmb__lowered_free(&list);
    tmb_model_free(net);
}

TEST(slots_and_averages_have_names)
{
    const tmb__train_spec spec = {.loss = TMB_BINARY_CROSSENTROPY,
            .optimizer = TMB_RMSPROP,
            .momentum = 0.9f,
            .weight_decay = 0.1f,
            .average = 0.9f};
    const char *expected[] = {"slot/dense/kernel/a", "slot/dense/kernel/m", "slot/dense/bias/a",
            "slot/dense/bias/m", "average/dense/kernel", "average/dense/bias"};
    tmb_model *net = head_net(TMB_SIGMOID, 1);
    tmb__lowered list;

    lower(&list, net, &spec);
    assert_int_equal(list.n_slots, TMB_COUNT(expected));
    for (int i = 0; i < list.n_slots; i++)
        assert_string_equal(list.tensors[list.slots[i]].name, expected[i]);
    for (int i = 0; i < list.n_ops; i++) {
        const tmb_op *op = &list.ops[i];

        if (op->kind != TMB_OP_RMSPROP) continue;
        assert_int_equal(op->in[5], list.norm);
        assert_true(op->attr.weight_decay == (op->in[0] == list.param[0] ? 0.1f : 0));
        assert_true(op->attr.lr_scale == 1);
    }
    tmb__lowered_free(&list);
    tmb_model_free(net);
}

TEST(every_kind_of_layer_lowers)
{
    tmb_model *net = new_net(16, 16, 4);
    tmb_layer a, b;
    tmb__lowered list;

    tmb_rescaling(net, .scale = 2);
    tmb_zeropad2d(net, .top = 1, .left = 2);
    a = tmb_conv2d(
            net, .filters = 4, .kernel = {3, 3}, .same_padding = true, .activation = TMB_GELU);
    tmb_depthwise_conv2d(net, .kernel = {3, 3}, .same_padding = true, .activation = TMB_SELU);
    b = tmb_separable_conv2d(
            net, .filters = 4, .kernel = {3, 3}, .same_padding = true, .activation = TMB_SOFTMAX);
    tmb_add(net, .from = {a, b, a, b, a}, .activation = TMB_SWISH);
    tmb_concatenate(net, .from = {a, b}, .activation = TMB_TANH);
    b = tmb_add(net, .from = {a, b});
    tmb_concatenate(net, .from = {6, 7, b, a});
    tmb_concatenate(net, .from = {8, 10});
    tmb_maxpool2d(net, .same_padding = true);
    tmb_avgpool2d(net, .same_padding = true);
    tmb_batchnorm(net, .no_scale = true);
    a = tmb_global_maxpool2d(net);
    b = tmb_model_add_global_avgpool2d(net, &(tmb_plain_opts){.from = 14});
    tmb_concatenate(net, .from = {a, b});
    tmb_reshape(net, .shape = {2, -1});
    tmb_flatten(net);
    tmb_dropout(net, .rate = 0.1f);
    tmb_activate(net, .activation = TMB_SOFTPLUS);
    tmb_dense(net, .units = 3, .activation = TMB_SOFTMAX);
    assert_ok(tmb_model_check(net));
    lower(&list, net, &categorical);
    tmb__lowered_free(&list);
    lower(&list, net, NULL);
    tmb__lowered_free(&list);
    tmb_model_free(net);
}
