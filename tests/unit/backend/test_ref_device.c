/* test_ref_device.c - a program of ref: reading, writing, binding, timing */
#include "ops_fixture.h"

/* A program of the dense list on ref; everything is released when the test ends. */
typedef struct opened {
    dense_list d;
    tmb_device *device;
    tmb_program *program;
} opened;

static void open_dense(opened *o)
{
    dense_list_make(&o->d);
    assert_ok(tmb_device_open(&o->device, "ref", 1));
    assert_ok(tmb__program_new(&o->program, o->device, &o->d.list));
}

static void close_dense(opened *o)
{
    tmb__program_free(o->device, o->program);
    tmb_device_free(o->device);
}

TEST(ref_runs_n_of_the_largest_batch)
{
    static const float x[] = {1, 2, 3, 0, 1, 0}, w[] = {1, 2, 3, 4, 5, 6}, b[] = {0.5f, -1};
    const tmb_bind bind = {X, x};
    const tmb_run run = {.n = 2, .binds = &bind, .n_binds = 1};
    float y[10] = {0};
    opened o;

    open_dense(&o);
    assert_ok(o.device->backend->write(o.program, W, w));
    assert_ok(o.device->backend->write(o.program, B, b));
    assert_ok(o.device->backend->run(o.program, &run));
    assert_ok(o.device->backend->read(o.program, Y, y));
    assert_memory_equal(y, ((float[]){22.5f, 27, 3.5f, 3, 0, 0}), 6 * sizeof *y);
    assert_ok(o.device->backend->read(o.program, W, y));
    assert_memory_equal(y, w, sizeof w);
    assert_true(o.device->backend->memory(o.program) >= 33 * 4);
    close_dense(&o);
}

TEST(ref_refuses_wrong_runs)
{
    static const float x[15];
    const tmb_bind bind = {X, x};
    tmb_run run = {.n = 6, .binds = &bind, .n_binds = 1};
    opened o;

    open_dense(&o);
    assert_status(o.device->backend->run(o.program, &run), TMB_EBUG);
    assert_message("run of 6 samples, 1 .. 5 expected");
    run.n = 0;
    assert_status(o.device->backend->run(o.program, &run), TMB_EBUG);
    run.n = 5;
    run.n_binds = 0;
    assert_status(o.device->backend->run(o.program, &run), TMB_EBUG);
    assert_message("input 'x' is not bound");
    close_dense(&o);
}

TEST(ref_moves_only_what_may_be_moved)
{
    float buffer[15] = {0};
    opened o;

    open_dense(&o);
    assert_status(o.device->backend->write(o.program, Y, buffer), TMB_EBUG);
    assert_status(o.device->backend->write(o.program, X, buffer), TMB_EBUG);
    assert_status(o.device->backend->read(o.program, X, buffer), TMB_EBUG);
    assert_status(o.device->backend->read(o.program, 4, buffer), TMB_EBUG);
    close_dense(&o);
}

static void count_span(void *user, int op, int worker, double start, double end)
{
    assert_true(op == 0 && worker == 0 && end >= start);
    ++*(int *)user;
}

TEST(ref_tells_times_and_how)
{
    static const float x[15];
    const tmb_bind bind = {X, x};
    const tmb_run run = {.n = 5, .binds = &bind, .n_binds = 1};
    tmb_op_how how;
    int spans = 0;
    opened o;

    open_dense(&o);
    o.device->backend->profile(o.program, count_span, &spans);
    assert_ok(o.device->backend->run(o.program, &run));
    assert_ok(o.device->backend->run(o.program, &run));
    o.device->backend->profile(o.program, NULL, NULL);
    assert_ok(o.device->backend->run(o.program, &run));
    assert_int_equal(spans, 2);
    o.device->backend->op_how(o.program, 0, &how);
    assert_true(how.text && !how.bf16);
    close_dense(&o);
}

/* After the first, a run allocates nothing. */
TEST(ref_runs_without_allocating)
{
    static const float x[15];
    const tmb_bind bind = {X, x};
    const tmb_run run = {.n = 5, .binds = &bind, .n_binds = 1};
    uint64_t before;
    opened o;

    open_dense(&o);
    assert_ok(o.device->backend->run(o.program, &run));
    before = tmb__alloc_count();
    assert_ok(o.device->backend->run(o.program, &run));
    assert_true(tmb__alloc_count() == before);
    close_dense(&o);
}

TEST(ref_speaks_one_abi)
{
    assert_null(tmb_backend_ref(TMB_BACKEND_ABI + 1));
    assert_non_null(tmb_backend_ref(TMB_BACKEND_ABI));
}
