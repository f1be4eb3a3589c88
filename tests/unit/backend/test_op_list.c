/* test_op_list.c - names of ops, and what a list is refused for */
#include "ops_fixture.h"

TEST(op_names_and_signatures)
{
    assert_string_equal(tmb__op_name(TMB_OP_CONV), "conv");
    assert_string_equal(tmb__op_name(TMB_OP_EMA), "ema");
    assert_string_equal(tmb__op_name(-1), "");
    assert_string_equal(tmb__op_name(TMB_OP_COUNT), "");
    assert_string_equal(tmb__op_signature(TMB_OP_DENSE, false), "x w [b]");
    assert_string_equal(tmb__op_signature(TMB_OP_DENSE, true), "y");
    assert_string_equal(tmb__op_signature(TMB_OP_COUNT, true), "");
}

TEST(op_slots_are_parsed)
{
    tmb__op_slot slots[TMB_OP_INPUTS];

    assert_int_equal(tmb__op_slots(slots, TMB_OP_RMSPROP, false), 6);
    assert_string_equal(slots[0].name, "w");
    assert_true(slots[0].written && !slots[0].optional);
    assert_true(!slots[1].written && !slots[1].optional);
    assert_string_equal(slots[4].name, "centre");
    assert_true(slots[4].written && slots[4].optional);
    assert_true(!slots[5].written && slots[5].optional);
    assert_int_equal(tmb__op_slots(slots, TMB_OP_SGD, true), 0);
    assert_int_equal(tmb__op_slots(slots, TMB_OP_CONCAT, false), 8);
}

TEST(op_init_is_neutral)
{
    const tmb_op op = tmb__op_init(TMB_OP_CONV, "conv2d");

    for (int i = 0; i < TMB_OP_INPUTS; i++)
        assert_true(op.in[i] == -1 && op.out[i] == -1);
    assert_true(op.attr.stride[1] == 1 && op.attr.dilation[0] == 1 && op.attr.groups == 1);
    assert_string_equal(op.name, "conv2d");
}

TEST(op_list_accepts_a_sound_one)
{
    dense_list d;

    dense_list_make(&d);
    assert_ok(tmb__op_list_check(&d.list));
    d.op[0].in[2] = -1; /* the bias may be absent */
    assert_ok(tmb__op_list_check(&d.list));
}

TEST(op_list_names_the_fault)
{
    dense_list d;

    dense_list_make(&d);
    d.op[0].in[1] = -1;
    assert_status(tmb__op_list_check(&d.list), TMB_EBUG);
    assert_message("op 0, dense 'top': w is missing");

    dense_list_make(&d);
    d.op[0].in[1] = 4;
    assert_status(tmb__op_list_check(&d.list), TMB_EBUG);
    assert_message("w is no tensor of the list");

    dense_list_make(&d);
    d.op[0].in[3] = X;
    assert_status(tmb__op_list_check(&d.list), TMB_EBUG);
    assert_message("past the last");

    dense_list_make(&d);
    d.op[0].kind = TMB_OP_COUNT;
    assert_status(tmb__op_list_check(&d.list), TMB_EBUG);

    dense_list_make(&d);
    d.list.max_batch = 0;
    assert_status(tmb__op_list_check(&d.list), TMB_EBUG);
}

TEST(op_list_wants_writers_before_readers)
{
    dense_list d;

    dense_list_make(&d);
    d.tensor[X].role = TMB_ROLE_ACT;
    assert_status(tmb__op_list_check(&d.list), TMB_EBUG);
    assert_message("x is read before it is written");

    dense_list_make(&d);
    d.op[1] = d.op[0];
    d.list.n_ops = 2;
    assert_status(tmb__op_list_check(&d.list), TMB_EBUG);
    assert_message("op 1, dense 'top': y has been written by an earlier op");

    dense_list_make(&d);
    d.tensor[Y].role = TMB_ROLE_INPUT;
    assert_status(tmb__op_list_check(&d.list), TMB_EBUG);
    assert_message("y is an output, but neither activation, output nor gradient");
}

TEST(op_list_checks_tensors)
{
    dense_list d;

    dense_list_make(&d);
    d.tensor[Y].dim[0] = 4;
    assert_status(tmb__op_list_check(&d.list), TMB_EBUG);
    assert_message("'y': batched with shape (4, 2) in a list for 5 samples");

    dense_list_make(&d);
    d.tensor[W].batched = true;
    assert_status(tmb__op_list_check(&d.list), TMB_EBUG);

    dense_list_make(&d);
    d.tensor[W].dim[0] = 0;
    assert_status(tmb__op_list_check(&d.list), TMB_EBUG);
    assert_message("empty or too large");

    dense_list_make(&d);
    d.tensor[W].dim[0] = INT64_MAX / 2;
    assert_status(tmb__op_list_check(&d.list), TMB_EBUG);

    dense_list_make(&d);
    d.tensor[W].rank = 6;
    assert_status(tmb__op_list_check(&d.list), TMB_EBUG);
}

TEST(op_list_checks_shapes)
{
    dense_list d;

    dense_list_make(&d);
    d.tensor[B].dim[0] = 3;
    assert_status(tmb__op_list_check(&d.list), TMB_EBUG);
    assert_message("op 0, dense 'top': b is (3,), expected 2");

    dense_list_make(&d);
    d.tensor[X].dim[1] = 4;
    assert_status(tmb__op_list_check(&d.list), TMB_EBUG);
    assert_message("w is (3, 2), expected 4 o");

    dense_list_make(&d);
    d.op[0].attr.act = TMB_SOFTMAX;
    assert_status(tmb__op_list_check(&d.list), TMB_EBUG);
    assert_message("softmax is an op of its own");
}

/* x (5, 8, 8, 3) through a pool; pads as wide as the window would leave windows without a pixel. */
TEST(op_list_checks_windows)
{
    tmb_tensor tensors[] = {
            {TMB_ROLE_INPUT, TMB_F32, true, 4, {5, 8, 8, 3}, "x"},
            {TMB_ROLE_OUTPUT, TMB_F32, true, 4, {5, 4, 4, 3}, "y"},
    };
    tmb_op op = tmb__op_init(TMB_OP_POOL, "pool");
    const tmb_op_list list = {
            .tensors = tensors, .ops = &op, .n_tensors = 2, .n_ops = 1, .max_batch = 5};

    op.in[0] = 0;
    op.out[0] = 1;
    op.attr.kernel[0] = op.attr.kernel[1] = op.attr.stride[0] = op.attr.stride[1] = 2;
    assert_ok(tmb__op_list_check(&list));
    op.attr.stride[1] = 1;
    assert_status(tmb__op_list_check(&list), TMB_EBUG);
    assert_message("does not follow from input, window, stride and pad");
    op.attr.stride[1] = 2;
    op.attr.pad[0] = 2;
    assert_status(tmb__op_list_check(&list), TMB_EBUG);
    assert_message("a pad as wide as the window");
}

/* The norm of all gradients stands after the last of them. */
TEST(op_list_grad_norm_after_gradients)
{
    tmb_tensor tensors[] = {
            {TMB_ROLE_INPUT, TMB_F32, true, 2, {5, 3}, "x"},
            {TMB_ROLE_INPUT, TMB_F32, true, 2, {5, 2}, "dy"},
            {TMB_ROLE_GRAD, TMB_F32, false, 2, {3, 2}, "dw"},
            {TMB_ROLE_OUTPUT, TMB_F32, false, 1, {1}, "norm"},
    };
    tmb_op ops[2] = {
            tmb__op_init(TMB_OP_DENSE_BWD_WEIGHTS, "d"), tmb__op_init(TMB_OP_GRAD_NORM, "n")};
    tmb_op_list list = {.tensors = tensors, .ops = ops, .n_tensors = 4, .n_ops = 2, .max_batch = 5};
    tmb_op kept;

    ops[0].in[0] = 0;
    ops[0].in[1] = 1;
    ops[0].out[0] = 2;
    ops[1].out[0] = 3;
    assert_ok(tmb__op_list_check(&list));
    kept = ops[0];
    ops[0] = ops[1];
    ops[1] = kept;
    assert_status(tmb__op_list_check(&list), TMB_EBUG);
    assert_message("gradient 'dw' is not written before it");
}

TEST(op_list_optimizer_needs_its_slots)
{
    tmb_tensor tensors[] = {
            {TMB_ROLE_PARAM, TMB_F32, false, 1, {4}, "w"},
            {TMB_ROLE_PARAM, TMB_F32, false, 1, {4}, "g"},
    };
    tmb_op op = tmb__op_init(TMB_OP_SGD, "sgd");
    const tmb_op_list list = {
            .tensors = tensors, .ops = &op, .n_tensors = 2, .n_ops = 1, .max_batch = 1};

    op.in[0] = 0;
    op.in[1] = 1;
    assert_ok(tmb__op_list_check(&list));
    op.attr.momentum = 0.9f;
    assert_status(tmb__op_list_check(&list), TMB_EBUG);
    assert_message("momentum needs v");
    op.attr.momentum = 0;
    op.attr.clip = 1;
    assert_status(tmb__op_list_check(&list), TMB_EBUG);
    assert_message("clip needs norm");
}
