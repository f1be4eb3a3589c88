/* test_profile.c - what ops cost, a device's ceilings, and the times of its programs */
#include "ops_fixture.h"

#include <math.h>

/* ---- op_cost.c: by hand ---- */

TEST(cost_of_dense)
{
    dense_list d;

    dense_list_make(&d);
    /* 5 x 3 times 3 x 2; 15 + 6 + 2 numbers read, 10 written */
    assert_true(tmb__op_cost(&d.list, 0, 5).flops == 2 * 5 * 3 * 2);
    assert_true(tmb__op_cost(&d.list, 0, 5).bytes == 4 * (15 + 6 + 2 + 10));
    assert_true(tmb__op_cost(&d.list, 0, 0).flops == 0);
    assert_true(tmb__op_cost(&d.list, 0, 0).bytes == 4 * (6 + 2));
}

/* The post's second convolution on one photo: 74 x 74 x 32 to 72 x 72 x 32 by 3 x 3, forward and both
 * gradients, and the same in groups of 4. */
TEST(cost_of_convolutions)
{
    enum { SRC, KERNEL, DST };
    tmb_tensor t[] = {{.batched = true, .rank = 4, .dim = {16, 74, 74, 32}},
            {.rank = 4, .dim = {3, 3, 32, 32}},
            {.batched = true, .rank = 4, .dim = {16, 72, 72, 32}}};
    tmb_op op[] = {tmb__op_init(TMB_OP_CONV, ""), tmb__op_init(TMB_OP_CONV_BWD_DATA, ""),
            tmb__op_init(TMB_OP_CONV_BWD_WEIGHTS, "")};
    const tmb_op_list list = {.tensors = t, .ops = op, .n_tensors = 3, .n_ops = 3};
    const double products = 72.0 * 72 * 32 * (3 * 3 * 32), moved = 4 * (175232.0 + 9216 + 165888);

    op[0].in[0] = op[1].out[0] = op[2].in[0] = SRC;
    op[0].in[1] = op[1].in[1] = op[2].out[0] = KERNEL;
    op[0].out[0] = op[1].in[0] = op[2].in[1] = DST;
    for (int i = 0; i < 3; i++) {
        assert_true(tmb__op_cost(&list, i, 1).flops == 2 * products);
        assert_true(tmb__op_cost(&list, i, 1).bytes == moved);
    }
    t[KERNEL].dim[2] = 8;
    for (int i = 0; i < 3; i++)
        assert_true(tmb__op_cost(&list, i, 3).flops == 3 * 2 * products / 4);
}

/* SGD with momentum reads w, g and v and writes w and v; a norm reads all gradients. */
TEST(cost_of_updates)
{
    tmb_tensor t[] = {{.role = TMB_ROLE_PARAM, .rank = 1, .dim = {100}},
            {.role = TMB_ROLE_GRAD, .rank = 1, .dim = {100}},
            {.role = TMB_ROLE_STATE, .rank = 1, .dim = {100}},
            {.role = TMB_ROLE_OUTPUT, .rank = 1, .dim = {1}}};
    tmb_op op[] = {tmb__op_init(TMB_OP_SGD, ""), tmb__op_init(TMB_OP_GRAD_NORM, "")};
    const tmb_op_list list = {.tensors = t, .ops = op, .n_tensors = 4, .n_ops = 2};

    for (int i = 0; i < 3; i++)
        op[0].in[i] = i;
    op[1].out[0] = 3;
    assert_true(tmb__op_cost(&list, 0, 8).bytes == 4 * 500);
    assert_true(tmb__op_cost(&list, 1, 8).flops == 201);
    assert_true(tmb__op_cost(&list, 1, 8).bytes == 4 * 101);
}

/* ---- ceilings ---- */

TEST(ceilings_are_positive_and_in_order)
{
    tmb_device *device;
    tmb_ceilings c;

    assert_ok(tmb_device_open(&device, "cpu", 2));
    for (int threads = 1; threads <= 2; threads++) {
        assert_ok(tmb_device_ceilings(&c, device, threads));
        assert_int_equal(c.threads, threads);
        assert_true(strlen(c.vectors) > 0);
        for (int i = 0; i < TMB_CEILINGS; i++) {
            const bool bf16 = i == TMB_CEILING_BF16 || i == TMB_CEILING_BF16_L2;
            const bool l3 = i == TMB_CEILING_READ_L3 || i == TMB_CEILING_COPY_L3;
            const bool there = bf16 ? device->backend->bf16(device->handle) : !l3 || c.block[1] > 0;

            assert_true((c.rate[i] > 1e7) == there && c.rate[i] < 1e14);
        }
        assert_true(c.block[0] > 0 && c.block[0] < c.cache[0] && c.block[2] > 0);
    }
    assert_status(tmb_device_ceilings(&c, device, 3), TMB_EINVAL);
    assert_message("3 threads, 1 to 2 expected");
    tmb_device_free(device);
    assert_ok(tmb_device_open(&device, "ref", 1));
    assert_status(tmb_device_ceilings(&c, device, 1), TMB_EUNSUPPORTED);
    tmb_device_free(device);
    assert_status(tmb_device_ceilings(&c, NULL, 1), TMB_EINVAL);
}

/* ---- times of programs ---- */

static void run_dense(tmb_device *device, tmb_program *program, int n, int runs)
{
    static const float x[15];
    const tmb_bind bind = {X, x};
    const tmb_run run = {.n = n, .binds = &bind, .n_binds = 1};

    for (int i = 0; i < runs; i++)
        assert_ok(tmb__program_run(device, program, &run));
}

static void check_times(const char *name)
{
    tmb_device *device;
    tmb_program *program;
    tmb_ceilings c;
    tmb_op_time time;
    tmb_load_time load;
    dense_list d;

    dense_list_make(&d);
    assert_ok(tmb_device_open(&device, name, 2));
    assert_status(tmb_device_trace(device, test_temp("t.json")), TMB_EINVAL);
    assert_ok(tmb_device_profile(&c, device));
    assert_false(tmb_device_op_time(device, 0, &time));
    assert_ok(tmb__program_new(&program, device, &d.list));
    run_dense(device, program, 5, 1);
    assert_true(tmb_device_op_time(device, 0, &time) && time.runs == 1); /* the only one */
    run_dense(device, program, 3, 2);
    assert_true(tmb_device_op_time(device, 0, &time) && !tmb_device_op_time(device, 1, &time));
    tmb_device_op_time(device, 0, &time);
    assert_true(time.runs == 2 && time.samples == 6 && !time.training);
    assert_string_equal(time.layer, "top");
    assert_string_equal(time.op, "dense");
    assert_true(strlen(time.how) > 0);
    assert_true(time.flops == 6 * 2 * 3 * 2 && time.bytes == 4 * (6 * 5 + 2 * 8));
    assert_true(time.seconds > 0 && time.run_seconds > 0);
    assert_true((time.least > 0) == (c.threads > 0) && isfinite(time.least));
    tmb_device_load_time(device, &load);
    assert_true(load.photos == 0 && load.wait == 0 && load.run >= time.run_seconds);
    tmb__program_free(device, program);

    /* the same ops again go on in the same record, and another program has its own */
    assert_ok(tmb__program_new(&program, device, &d.list));
    run_dense(device, program, 1, 1);
    assert_true(tmb_device_op_time(device, 0, &time) && time.runs == 3);
    assert_false(tmb_device_op_time(device, 1, &time));
    tmb__program_free(device, program);
    d.op[0].name = "other";
    assert_ok(tmb__program_new(&program, device, &d.list));
    assert_true(tmb_device_op_time(device, 1, &time) && time.program == 1 && time.runs == 0);
    tmb__program_free(device, program);
    assert_ok(tmb_device_trace(device, test_temp("t.json")));
    assert_status(tmb_device_profile(&c, device), TMB_EINVAL);
    tmb_device_free(device);
}

TEST(profile_times_ops_of_cpu)
{
    check_times("cpu");
}

TEST(profile_times_ops_of_ref)
{
    check_times("ref");
}

TEST(profile_without_memory)
{
    int64_t n = 0;
    bool reached = true;

    for (; reached; n++) {
        tmb_device *device;
        tmb_program *program = NULL;
        tmb_ceilings c;
        dense_list d;
        int status;

        dense_list_make(&d);
        assert_ok(tmb_device_open(&device, "ref", 1));
        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb_device_profile(&c, device);
        if (status == 0) status = tmb__program_new(&program, device, &d.list);
        reached = test_fail_end();
        assert_int_equal(status, reached ? TMB_ENOMEM : 0);
        assert_true((program != NULL) == !reached);
        tmb__program_free(device, program);
        tmb_device_free(device);
    }
    assert_true(n > 10);
}
