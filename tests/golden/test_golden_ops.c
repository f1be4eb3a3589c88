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
    tmb_op op[3];
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
    tmb_attr attr;
} loss_golden;

static const loss_golden losses[] = {
        {.name = "bce", .attr = {.loss = TMB_BINARY_CROSSENTROPY}},
        {.name = "bce_smooth", .attr = {.loss = TMB_BINARY_CROSSENTROPY, .smoothing = 0.1f}},
        {.name = "bce_weighted", .attr = {.loss = TMB_BINARY_CROSSENTROPY}},
        {.name = "bce_logits", .attr = {.loss = TMB_BINARY_CROSSENTROPY, .logits = true}},
        {.name = "bce_logits_smooth",
                .attr = {.loss = TMB_BINARY_CROSSENTROPY, .logits = true, .smoothing = 0.1f}},
        {.name = "bce_logits_weighted", .attr = {.loss = TMB_BINARY_CROSSENTROPY, .logits = true}},
        {.name = "bce_saturated", .attr = {.loss = TMB_BINARY_CROSSENTROPY}},
        {.name = "bce_logits_saturated", .attr = {.loss = TMB_BINARY_CROSSENTROPY, .logits = true}},
        {.name = "cce", .attr = {.loss = TMB_CATEGORICAL_CROSSENTROPY}},
        {.name = "cce_unnormalised", .attr = {.loss = TMB_CATEGORICAL_CROSSENTROPY}},
        {.name = "cce_smooth", .attr = {.loss = TMB_CATEGORICAL_CROSSENTROPY, .smoothing = 0.1f}},
        {.name = "cce_weighted", .attr = {.loss = TMB_CATEGORICAL_CROSSENTROPY}},
        {.name = "cce_logits", .attr = {.loss = TMB_CATEGORICAL_CROSSENTROPY, .logits = true}},
        {.name = "cce_logits_smooth",
                .attr = {.loss = TMB_CATEGORICAL_CROSSENTROPY, .logits = true, .smoothing = 0.1f}},
        {.name = "cce_logits_weighted",
                .attr = {.loss = TMB_CATEGORICAL_CROSSENTROPY, .logits = true}},
        {.name = "cce_saturated", .attr = {.loss = TMB_CATEGORICAL_CROSSENTROPY}},
        {.name = "cce_logits_saturated",
                .attr = {.loss = TMB_CATEGORICAL_CROSSENTROPY, .logits = true}},
        {.name = "scce", .attr = {.loss = TMB_SPARSE_CATEGORICAL_CROSSENTROPY}},
        {.name = "scce_unnormalised", .attr = {.loss = TMB_SPARSE_CATEGORICAL_CROSSENTROPY}},
        {.name = "scce_weighted", .attr = {.loss = TMB_SPARSE_CATEGORICAL_CROSSENTROPY}},
        {.name = "scce_logits",
                .attr = {.loss = TMB_SPARSE_CATEGORICAL_CROSSENTROPY, .logits = true}},
        {.name = "scce_logits_weighted",
                .attr = {.loss = TMB_SPARSE_CATEGORICAL_CROSSENTROPY, .logits = true}},
        {.name = "scce_saturated", .attr = {.loss = TMB_SPARSE_CATEGORICAL_CROSSENTROPY}},
        {.name = "scce_logits_saturated",
                .attr = {.loss = TMB_SPARSE_CATEGORICAL_CROSSENTROPY, .logits = true}},
        {.name = "bfocal", .attr = {.loss = TMB_BINARY_FOCAL, .gamma = 2, .alpha = 0.25f}},
        {.name = "bfocal_balanced",
                .attr = {.loss = TMB_BINARY_FOCAL,
                        .smoothing = 0.1f,
                        .gamma = 3,
                        .alpha = 0.4f,
                        .balanced = true}},
        {.name = "bfocal_logits",
                .attr = {.loss = TMB_BINARY_FOCAL, .logits = true, .gamma = 2, .alpha = 0.25f}},
        {.name = "bfocal_logits_balanced",
                .attr = {.loss = TMB_BINARY_FOCAL,
                        .logits = true,
                        .gamma = 0.5f,
                        .alpha = 0.4f,
                        .balanced = true}},
        {.name = "cfocal", .attr = {.loss = TMB_CATEGORICAL_FOCAL, .gamma = 2, .alpha = 0.25f}},
        {.name = "cfocal_smooth",
                .attr = {.loss = TMB_CATEGORICAL_FOCAL,
                        .smoothing = 0.1f,
                        .gamma = 3,
                        .alpha = 0.4f}},
        {.name = "cfocal_logits",
                .attr = {.loss = TMB_CATEGORICAL_FOCAL,
                        .logits = true,
                        .gamma = 2,
                        .alpha = 0.25f}},
        {.name = "hinge", .attr = {.loss = TMB_HINGE}},
        {.name = "hinge_signs", .attr = {.loss = TMB_HINGE}},
        {.name = "squared_hinge", .attr = {.loss = TMB_SQUARED_HINGE}},
        {.name = "categorical_hinge", .attr = {.loss = TMB_CATEGORICAL_HINGE}},
        {.name = "huber", .attr = {.loss = TMB_HUBER, .delta = 1}},
        {.name = "huber_delta", .attr = {.loss = TMB_HUBER, .delta = 0.3f}},
        {.name = "log_cosh", .attr = {.loss = TMB_LOG_COSH}},
        {.name = "mse", .attr = {.loss = TMB_MEAN_SQUARED_ERROR}},
        {.name = "mse_weighted", .attr = {.loss = TMB_MEAN_SQUARED_ERROR}},
        {.name = "mae", .attr = {.loss = TMB_MEAN_ABSOLUTE_ERROR}},
        {.name = "mape", .attr = {.loss = TMB_MEAN_ABSOLUTE_PERCENTAGE_ERROR}},
        {.name = "msle", .attr = {.loss = TMB_MEAN_SQUARED_LOGARITHMIC_ERROR}},
        {.name = "kl", .attr = {.loss = TMB_KL_DIVERGENCE}},
        {.name = "kl_one_hot", .attr = {.loss = TMB_KL_DIVERGENCE}},
        {.name = "poisson", .attr = {.loss = TMB_POISSON}},
        {.name = "cosine", .attr = {.loss = TMB_COSINE_SIMILARITY}},
        {.name = "mse_sum", .attr = {.loss = TMB_MEAN_SQUARED_ERROR, .sum = true}},
};

static const float *loss_data(const loss_golden *g, const char *key)
{
    int64_t n;

    return golden_floats(&n, "losses.npz", "%s/%s", g->name, key);
}

static void loss_bench(bench *b, const loss_golden *g, tmb_bind binds[3], int *n_binds)
{
    const tmb__shape shape = golden_array("losses.npz", "%s/y_pred", g->name)->shape;
    const bool sparse = g->attr.loss == TMB_SPARSE_CATEGORICAL_CROSSENTROPY;
    const int64_t n = shape.dim[0], k = shape.dim[1];
    tmb_op *op = &b->op[0];

    b->max_batch = (int)n;
    b->n_ops = 1;
    *op = tmb__op_init(TMB_OP_LOSS, g->name);
    op->attr = g->attr;
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
    print_message("%s on %s\n", g->name, device);
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
        {"sgd_clipvalue", TMB_OP_SGD, 0, false, 0.01f, 0, {.lr_scale = 1, .clip_value = 0.4f}},
        {"sgd_clipnorm", TMB_OP_SGD, 0, false, 0.01f, 0, {.lr_scale = 1, .clip = 1.5f}},
        {"rmsprop_centered", TMB_OP_RMSPROP, 7, false, 0.001f, 0,
                {.lr_scale = 1, .rho = 0.9f, .eps = 1e-3f, .momentum = 0.9f, .centered = true}},
        {"adagrad", TMB_OP_ADAGRAD, 1, false, 0.01f, 0, {.lr_scale = 1, .eps = 1e-7f}},
        {"adagrad_keras2", TMB_OP_ADAGRAD, 1, false, 0.01f, 0,
                {.lr_scale = 1, .eps = 1e-8f, .eps_outside = true}},
        {"adadelta", TMB_OP_ADADELTA, 3, false, 1, 0, {.lr_scale = 1, .rho = 0.95f, .eps = 1e-7f}},
        {"adamax", TMB_OP_ADAMAX, 3, false, 0.001f, 0,
                {.lr_scale = 1, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-7f}},
        {"nadam", TMB_OP_NADAM, 3, false, 0.001f, 0,
                {.lr_scale = 1, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-7f}},
        {"lion", TMB_OP_LION, 1, false, 0.001f, 0,
                {.lr_scale = 1, .beta1 = 0.9f, .beta2 = 0.99f, .weight_decay = 0.1f}},
};

enum { W, G, SIZE = 7, STEPS = 10, FIRST_VARIABLE = 3 };

/* Keras' clipnorm looks at each of the golden's two variables: here there is the first of them. */
static int size_of(const optimizer_golden *o)
{
    return strcmp(o->name, "sgd_clipnorm") == 0 ? FIRST_VARIABLE : SIZE;
}

/* A CLIP, behind the norm of the gradient if it asks for one, as op number 0 and up. */
static void clip_bench(bench *b, const optimizer_golden *o)
{
    tmb_op *op = &b->op[b->n_ops];
    int norm = -1;

    if (o->attr.clip > 0) {
        *op = tmb__op_init(TMB_OP_GRAD_NORM, o->name);
        op->in[0] = G;
        norm = op->out[0] = add(b, "norm", TMB_ROLE_OUTPUT, false, 1, 0);
        op = &b->op[++b->n_ops];
    }
    *op = tmb__op_init(TMB_OP_CLIP, o->name);
    op->attr = o->attr;
    op->in[0] = G;
    op->in[1] = norm;
    b->n_ops++;
}

/* w, g, slots and norm are all parameters here, so that they can be written. */
static void optimizer_bench(bench *b, const optimizer_golden *o)
{
    static const char *const slots[] = {"slot0", "slot1", "slot2"};
    tmb_op *op;

    add(b, "w", TMB_ROLE_PARAM, false, size_of(o), 0);
    add(b, "g", TMB_ROLE_PARAM, false, size_of(o), 0);
    b->max_batch = 1;
    if (o->l2 > 0) {
        op = &b->op[b->n_ops++];
        *op = tmb__op_init(TMB_OP_PENALTY, o->name);
        op->attr.l2 = o->l2;
        op->in[0] = W;
        op->in[1] = G;
        op->out[0] = add(b, "value", TMB_ROLE_OUTPUT, false, 1, 0);
    }
    if (o->attr.clip_value > 0 || (o->attr.clip > 0 && !o->norm)) clip_bench(b, o);
    op = &b->op[b->n_ops++];
    *op = tmb__op_init(o->kind, o->name);
    op->attr = o->attr;
    op->attr.clip = o->norm ? o->attr.clip : 0;
    op->in[0] = W;
    op->in[1] = G;
    for (int slot = 0; slot < 3; slot++) {
        if (o->slots >> slot & 1)
            op->in[2 + slot] = add(b, slots[slot], TMB_ROLE_STATE, false, size_of(o), 0);
    }
    if (o->norm) op->in[3] = add(b, "norm", TMB_ROLE_PARAM, false, 1, 0);
}

/* Keras' Adagrad starts from 0.1, Keras 2.0's from 0. */
static void start_slots(bench *b, const optimizer_golden *o)
{
    const float start[SIZE] = {0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f};

    if (strcmp(o->name, "adagrad") == 0)
        assert_ok(b->device->backend->write(b->program, b->op[0].in[2], start));
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
    start_slots(&b, o);
    print_message("%s on %s\n", o->name, device);
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
        assert_floats_near(w, expected + step * SIZE, size_of(o), 1e-6);
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
