/* test_golden_ops.c - losses and optimizer steps of every device against Keras
 *
 * The goldens are losses.npz and optimizers.npz (scripts/golden). Layers have theirs in the tests
 * of nn. */
#include "backend/backend.h"
#include "golden.h"
#include "test.h"

#include <math.h>
#include <string.h>

/* One op with up to eight tensors on one device. */
typedef struct bench {
    tmb_tensor tensor[8];
    tmb_op op[2];
    int n_tensors, n_ops, max_batch;
    tmb_device *device;
    tmb_program *program;
} bench;

static int add(bench *b, const char *name, tmb_role role, bool batched, int64_t rows, int64_t last)
{
    b->tensor[b->n_tensors] = (tmb_tensor){.role = role,
            .batched = batched,
            .rank = last > 0 ? 2 : 1,
            .dim = {rows, last},
            .name = name};
    return b->n_tensors++;
}

static void prepare(bench *b, const char *device)
{
    const tmb_op_list list = {.tensors = b->tensor,
            .ops = b->op,
            .n_tensors = b->n_tensors,
            .n_ops = b->n_ops,
            .max_batch = b->max_batch};

    assert_ok(tmb_device_open(&b->device, device, 2));
    assert_ok(tmb__program_new(&b->program, b->device, &list));
}

static void release(bench *b)
{
    tmb__program_free(b->device, b->program);
    tmb_device_free(b->device);
}

/* ---- losses ---- */

typedef struct loss_golden {
    const char *name;
    tmb_loss loss;
    bool logits;
    float smoothing;
} loss_golden;

static const loss_golden losses[] = {
        {"bce", TMB_BINARY_CROSSENTROPY, false, 0},
        {"bce_smooth", TMB_BINARY_CROSSENTROPY, false, 0.1f},
        {"bce_weighted", TMB_BINARY_CROSSENTROPY, false, 0},
        {"bce_logits", TMB_BINARY_CROSSENTROPY, true, 0},
        {"bce_logits_smooth", TMB_BINARY_CROSSENTROPY, true, 0.1f},
        {"bce_logits_weighted", TMB_BINARY_CROSSENTROPY, true, 0},
        {"bce_saturated", TMB_BINARY_CROSSENTROPY, false, 0},
        {"bce_logits_saturated", TMB_BINARY_CROSSENTROPY, true, 0},
        {"cce", TMB_CATEGORICAL_CROSSENTROPY, false, 0},
        {"cce_unnormalised", TMB_CATEGORICAL_CROSSENTROPY, false, 0},
        {"cce_smooth", TMB_CATEGORICAL_CROSSENTROPY, false, 0.1f},
        {"cce_weighted", TMB_CATEGORICAL_CROSSENTROPY, false, 0},
        {"cce_logits", TMB_CATEGORICAL_CROSSENTROPY, true, 0},
        {"cce_logits_smooth", TMB_CATEGORICAL_CROSSENTROPY, true, 0.1f},
        {"cce_logits_weighted", TMB_CATEGORICAL_CROSSENTROPY, true, 0},
        {"cce_saturated", TMB_CATEGORICAL_CROSSENTROPY, false, 0},
        {"cce_logits_saturated", TMB_CATEGORICAL_CROSSENTROPY, true, 0},
        {"scce", TMB_SPARSE_CATEGORICAL_CROSSENTROPY, false, 0},
        {"scce_unnormalised", TMB_SPARSE_CATEGORICAL_CROSSENTROPY, false, 0},
        {"scce_weighted", TMB_SPARSE_CATEGORICAL_CROSSENTROPY, false, 0},
        {"scce_logits", TMB_SPARSE_CATEGORICAL_CROSSENTROPY, true, 0},
        {"scce_logits_weighted", TMB_SPARSE_CATEGORICAL_CROSSENTROPY, true, 0},
        {"scce_saturated", TMB_SPARSE_CATEGORICAL_CROSSENTROPY, false, 0},
        {"scce_logits_saturated", TMB_SPARSE_CATEGORICAL_CROSSENTROPY, true, 0},
};

static const float *loss_data(const loss_golden *g, const char *key)
{
    int64_t n;

    return golden_floats(&n, "losses.npz", "%s/%s", g->name, key);
}

static void loss_bench(bench *b, const loss_golden *g, tmb_bind binds[3], int *n_binds)
{
    const tmb__shape shape = golden_array("losses.npz", "%s/y_pred", g->name)->shape;
    const bool sparse = g->loss == TMB_SPARSE_CATEGORICAL_CROSSENTROPY;
    const int64_t n = shape.dim[0], k = shape.dim[1];
    tmb_op *op = &b->op[0];

    b->max_batch = (int)n;
    b->n_ops = 1;
    *op = tmb__op_init(TMB_OP_LOSS, g->name);
    op->attr.loss = g->loss;
    op->attr.logits = g->logits;
    op->attr.smoothing = g->smoothing;
    op->in[0] = add(b, "z", TMB_ROLE_INPUT, true, n, k);
    op->in[1] = add(b, "t", TMB_ROLE_INPUT, true, n, sparse ? 1 : k);
    op->out[0] = add(b, "loss", TMB_ROLE_OUTPUT, true, n, 0);
    op->out[1] = add(b, "dz", TMB_ROLE_OUTPUT, true, n, k);
    binds[0] = (tmb_bind){op->in[0], loss_data(g, "y_pred")};
    binds[1] = (tmb_bind){op->in[1], loss_data(g, "y_true")};
    *n_binds = 2;
    if (!golden_has("losses.npz", "%s/sample_weight", g->name)) return;
    op->in[2] = add(b, "weight", TMB_ROLE_INPUT, true, n, 0);
    binds[2] = (tmb_bind){op->in[2], loss_data(g, "sample_weight")};
    *n_binds = 3;
}

static void check_loss(const loss_golden *g, const char *device)
{
    bench b = {0};
    tmb_bind binds[3];
    tmb_run run = {.binds = binds};
    float found[64], expected[64];

    loss_bench(&b, g, binds, &run.n_binds);
    run.n = b.max_batch;
    prepare(&b, device);
    assert_ok(b.device->backend->run(b.program, &run));
    assert_ok(b.device->backend->read(b.program, b.op[0].out[0], found));
    for (int i = 0; i < run.n; i++) /* the golden is not weighted yet */
        expected[i] =
                loss_data(g, "loss")[i] * (run.n_binds > 2 ? loss_data(g, "sample_weight")[i] : 1);
    /* Keras computes the saturated ones in float32. */
    assert_floats_near(found, expected, run.n, 1e-6);
    assert_ok(b.device->backend->read(b.program, b.op[0].out[1], found));
    assert_floats_near(found, loss_data(g, "dy_pred"), run.n * b.tensor[0].dim[1], 2e-6);
    release(&b);
}

TEST(golden_losses_and_gradients)
{
    for (int d = 0; tmb_device_name(d); d++) {
        for (size_t i = 0; i < TMB_COUNT(losses); i++)
            check_loss(&losses[i], tmb_device_name(d));
    }
}

/* ---- optimizers ---- */

typedef struct optimizer_golden {
    const char *name;
    tmb_op_kind kind;
    int slots; /* a bit for each input from number 2 on that is there */
    bool norm;
    float lr, l2;
    tmb_attr attr;
} optimizer_golden;

static const optimizer_golden optimizers[] = {
        {"sgd", TMB_OP_SGD, 0, false, 0.01f, 0, {.lr_scale = 1}},
        {"sgd_momentum", TMB_OP_SGD, 1, false, 0.01f, 0, {.lr_scale = 1, .momentum = 0.9f}},
        {"sgd_nesterov", TMB_OP_SGD, 1, false, 0.01f, 0,
                {.lr_scale = 1, .momentum = 0.9f, .nesterov = true}},
        {"sgd_global_clipnorm", TMB_OP_SGD, 0, true, 0.01f, 0, {.lr_scale = 1, .clip = 1.5f}},
        {"sgd_l2", TMB_OP_SGD, 0, false, 0.1f, 0.01f, {.lr_scale = 1}},
        {"rmsprop", TMB_OP_RMSPROP, 1, false, 0.001f, 0,
                {.lr_scale = 1, .rho = 0.9f, .eps = 1e-7f}},
        {"rmsprop_keras2", TMB_OP_RMSPROP, 1, false, 0.001f, 0,
                {.lr_scale = 1, .rho = 0.9f, .eps = 1e-8f, .eps_outside = true}},
        {"adam", TMB_OP_ADAM, 3, false, 0.001f, 0,
                {.lr_scale = 1, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-7f}},
        {"adam_amsgrad", TMB_OP_ADAM, 7, false, 0.001f, 0,
                {.lr_scale = 1, .beta1 = 0.9f, .beta2 = 0.9f, .eps = 1e-7f, .amsgrad = true}},
        {"adamw", TMB_OP_ADAM, 3, false, 0.001f, 0,
                {.lr_scale = 1,
                        .beta1 = 0.9f,
                        .beta2 = 0.999f,
                        .eps = 1e-7f,
                        .weight_decay = 0.004f}},
};

enum { W, G, SIZE = 7, STEPS = 10 };

/* w, g, slots and norm are all parameters here, so that they can be written. */
static void optimizer_bench(bench *b, const optimizer_golden *o)
{
    static const char *const slots[] = {"slot0", "slot1", "slot2"};
    tmb_op *op = &b->op[o->l2 > 0];

    add(b, "w", TMB_ROLE_PARAM, false, SIZE, 0);
    add(b, "g", TMB_ROLE_PARAM, false, SIZE, 0);
    b->max_batch = 1;
    b->n_ops = 1 + (o->l2 > 0);
    if (o->l2 > 0) {
        b->op[0] = tmb__op_init(TMB_OP_PENALTY, o->name);
        b->op[0].attr.l2 = o->l2;
        b->op[0].in[0] = W;
        b->op[0].in[1] = G;
        b->op[0].out[0] = add(b, "value", TMB_ROLE_OUTPUT, false, 1, 0);
    }
    *op = tmb__op_init(o->kind, o->name);
    op->attr = o->attr;
    op->in[0] = W;
    op->in[1] = G;
    for (int slot = 0; slot < 3; slot++) {
        if (o->slots >> slot & 1)
            op->in[2 + slot] = add(b, slots[slot], TMB_ROLE_STATE, false, SIZE, 0);
    }
    if (o->norm) op->in[3] = add(b, "norm", TMB_ROLE_PARAM, false, 1, 0);
}

static void check_optimizer(const optimizer_golden *o, const char *device)
{
    bench b = {0};
    int64_t n;
    const float *w0 = golden_floats(&n, "optimizers.npz", "%s/w0", o->name);
    const float *g = golden_floats(&n, "optimizers.npz", "%s/g", o->name);
    const float *expected = golden_floats(&n, "optimizers.npz", "%s/w", o->name);
    float w[SIZE];

    optimizer_bench(&b, o);
    prepare(&b, device);
    assert_ok(b.device->backend->write(b.program, W, w0));
    for (int step = 0; step < STEPS; step++) {
        const tmb_run run = {.n = 1, .step = step, .lr = o->lr};
        double squares = 0;
        float norm;

        for (int i = 0; i < SIZE; i++)
            squares += (double)g[step * SIZE + i] * g[step * SIZE + i];
        norm = (float)sqrt(squares);
        assert_ok(b.device->backend->write(b.program, G, g + step * SIZE));
        if (o->norm) assert_ok(b.device->backend->write(b.program, b.op[0].in[3], &norm));
        assert_ok(b.device->backend->run(b.program, &run));
        assert_ok(b.device->backend->read(b.program, W, w));
        /* Keras rounds every product of a step to float32. */
        assert_floats_near(w, expected + step * SIZE, SIZE, 1e-6);
    }
    release(&b);
}

TEST(golden_optimizer_steps)
{
    for (int d = 0; tmb_device_name(d); d++) {
        for (size_t i = 0; i < TMB_COUNT(optimizers); i++)
            check_optimizer(&optimizers[i], tmb_device_name(d));
    }
}
