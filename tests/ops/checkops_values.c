/* checkops_values.c - the cases of batch norms, shapes and losses */
#include "checkops.h"

#include <stdio.h>

/* ---- batch normalisation ---- */

typedef struct bn_row {
    int64_t h, channels;
    bool gamma, beta;
    int act;
    fill x;
} bn_row;

/* x, and gamma, beta, mean, var where they are wanted, into op->in. */
static void bn_inputs(check_case *c, tmb_op *op, const bn_row *row, fill f)
{
    const int64_t h = row->h, channels = row->channels;

    op->in[0] = h > 0 ? add_rows(c, "x", TMB_ROLE_INPUT, f, DIMS(h, h, channels))
                      : add_rows(c, "x", TMB_ROLE_INPUT, f, DIMS(channels));
    if (row->gamma)
        op->in[1] = add_plain(c, "gamma", TMB_ROLE_PARAM, FILL_POSITIVE, DIMS(channels));
    if (row->beta) op->in[2] = add_plain(c, "beta", TMB_ROLE_PARAM, FILL_NORMAL, DIMS(channels));
    op->in[3] = add_plain(c, "mean", TMB_ROLE_STATE, FILL_NORMAL, DIMS(channels));
    op->in[4] = add_plain(c, "var", TMB_ROLE_STATE, FILL_POSITIVE, DIMS(channels));
    op->out[0] = add_like(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, op->in[0]);
    op->attr.eps = 1e-3f;
    op->attr.momentum = 0.9f;
    case_set_act(op, row->act);
}

/* The gradient op; its last two inputs are given. */
static void bn_gradient(check_case *c, tmb_op_kind kind, const bn_row *row, const int stat[2])
{
    const tmb_op forward = c->op[0];
    tmb_op *op;
    int dz;

    c->y = forward.out[0];
    c->dy = add_like(c, "dy", TMB_ROLE_INPUT, FILL_NORMAL, c->y);
    dz = add_before_act(c, c->dy, c->y, row->act);
    op = add_op(c, kind);
    op->attr.eps = forward.attr.eps;
    op->in[0] = dz;
    op->in[1] = forward.in[0];
    op->in[2] = forward.in[1];
    op->in[3] = stat[0];
    op->in[4] = stat[1];
    op->out[0] = add_like(c, "dx", TMB_ROLE_OUTPUT, FILL_ZERO, forward.in[0]);
    if (row->gamma) op->out[1] = add_like(c, "dgamma", TMB_ROLE_GRAD, FILL_ZERO, forward.in[1]);
    if (row->beta) op->out[2] = add_like(c, "dbeta", TMB_ROLE_GRAD, FILL_ZERO, forward.in[2]);
    if (!case_smooth(case_acts[row->act].act) || row->x == FILL_NAN) return;
    add_pair(c, forward.in[0], op->out[0]);
    if (row->gamma) add_pair(c, forward.in[1], op->out[1]);
    if (row->beta) add_pair(c, forward.in[2], op->out[2]);
}

static void bn_case(check_case *c, const bn_row *row, bool infer)
{
    tmb_op *op;
    int stat[2];

    case_start(c, "%s %dx%dx%d%s%s %s%s", infer ? "frozen" : "training", (int)row->h, (int)row->h,
            (int)row->channels, row->gamma ? " gamma" : "", row->beta ? " beta" : "",
            case_acts[row->act].name, row->x == FILL_NAN ? " not finite" : "");
    op = add_op(c, infer ? TMB_OP_BN_INFER : TMB_OP_BN);
    bn_inputs(c, op, row, row->x);
    stat[0] = op->in[3];
    stat[1] = op->in[4];
    if (!infer) {
        op->out[1] = stat[0] =
                add_plain(c, "batch_mean", TMB_ROLE_ACT, FILL_ZERO, DIMS(row->channels));
        op->out[2] = stat[1] =
                add_plain(c, "batch_rstd", TMB_ROLE_ACT, FILL_ZERO, DIMS(row->channels));
    }
    bn_gradient(c, infer ? TMB_OP_BN_INFER_BWD : TMB_OP_BN_BWD, row, stat);
}

static void visit_norms(check_case *c, check_visit visit, void *user)
{
    static const bn_row rows[] = {
            {4, 1, true, true, 0, FILL_NORMAL},
            {3, 3, true, true, 0, FILL_NORMAL},
            {5, 17, true, false, 0, FILL_NORMAL},
            {2, 32, false, true, 1, FILL_NORMAL},
            {7, 64, true, true, 1, FILL_NORMAL},
            {4, 16, false, false, 0, FILL_NORMAL},
            {4, 8, true, true, 7, FILL_NORMAL},
            {0, 10, true, true, 0, FILL_NORMAL},
            {4, 8, true, true, 2, FILL_NORMAL},
            {3, 4, true, true, 0, FILL_NAN},
    };

    for (size_t i = 0; i < TMB_COUNT(rows); i++) {
        bn_case(c, &rows[i], false);
        visit(user, c);
        bn_case(c, &rows[i], true);
        if (rows[i].x != FILL_NAN) visit(user, c);
    }
}

/* ---- shapes ---- */

static void dropout_case(check_case *c, tmb_noise noise, double rate, uint32_t id)
{
    static const char *const names[] = {"", " channels", " factors", " added"};

    case_start(c, "rate %.2f layer %u%s", rate, (unsigned)id, names[noise]);
    add_rows(c, "x", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(7, 33));
    c->y = add_like(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, 0);
    c->dy = add_like(c, "dy", TMB_ROLE_INPUT, FILL_NORMAL, 0);
    add_like(c, "dx", TMB_ROLE_OUTPUT, FILL_ZERO, 0);
    for (int i = 0; i < 2; i++) {
        tmb_op *op = add_op(c, i ? TMB_OP_DROPOUT_BWD : TMB_OP_DROPOUT);

        op->in[0] = 2 * i;
        op->out[0] = 2 * i + 1;
        op->attr.noise = noise;
        op->attr.rate = (float)rate;
        op->attr.id = id;
    }
    if (noise != TMB_NOISE_GAUSSIAN) add_pair(c, 0, 3);
}

static void pad_case(check_case *c, const int pad[4], int64_t channels)
{
    const int64_t h = 5, w = 4, ph = h + pad[0] + pad[2], pw = w + pad[1] + pad[3];

    case_start(c, "%d %d %d %d around 5x4x%d", pad[0], pad[1], pad[2], pad[3], (int)channels);
    add_rows(c, "x", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(h, w, channels));
    c->y = add_rows(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, DIMS(ph, pw, channels));
    c->dy = add_like(c, "dy", TMB_ROLE_INPUT, FILL_NORMAL, c->y);
    add_like(c, "dx", TMB_ROLE_OUTPUT, FILL_ZERO, 0);
    for (int i = 0; i < 2; i++) {
        tmb_op *op = add_op(c, i ? TMB_OP_PAD_BWD : TMB_OP_PAD);

        op->in[0] = 2 * i;
        op->out[0] = 2 * i + 1;
        for (int k = 0; k < 4; k++)
            op->attr.pad[k] = pad[k];
    }
    add_pair(c, 0, 3);
}

static void add_case(check_case *c, int parts, int act, int64_t channels)
{
    tmb_op *op;

    case_start(c, "%d tensors of %d channels %s", parts, (int)channels, case_acts[act].name);
    op = add_op(c, TMB_OP_ADD);
    case_set_act(op, act);
    for (int i = 0; i < parts; i++)
        op->in[i] = add_rows(c, "part", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(5, 3, channels));
    op->out[0] = add_like(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, 0);
}

static void concat_case(check_case *c, int parts, bool flat)
{
    static const int64_t channels[] = {3, 17, 1, 32, 5, 64, 2, 8};
    int64_t sum = 0;
    tmb_op *op;

    case_start(c, "%d parts%s", parts, flat ? " of rows" : "");
    op = add_op(c, TMB_OP_CONCAT);
    for (int i = 0; i < parts; i++) {
        op->in[i] = flat
                ? add_rows(c, "part", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(channels[i]))
                : add_rows(c, "part", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(4, 3, channels[i]));
        sum += channels[i];
    }
    c->y = flat ? add_rows(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, DIMS(sum))
                : add_rows(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, DIMS(4, 3, sum));
    op->out[0] = c->y;
    c->dy = add_like(c, "dy", TMB_ROLE_INPUT, FILL_NORMAL, c->y);
    op = add_op(c, TMB_OP_CONCAT_BWD);
    op->in[0] = c->dy;
    for (int i = 0; i < parts; i++) {
        op->out[i] = add_like(c, "dpart", TMB_ROLE_OUTPUT, FILL_ZERO, i);
        add_pair(c, i, op->out[i]);
    }
}

static void plain_case(check_case *c, tmb_op_kind kind)
{
    tmb_op *op;

    case_start(c, "4x3x17");
    op = add_op(c, kind);
    op->attr.scale = 1 / 127.5f;
    op->attr.offset = -1;
    op->in[0] = add_rows(c, "x", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(4, 3, 17));
    op->out[0] = kind == TMB_OP_RESHAPE ? add_rows(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, DIMS(204))
                                        : add_like(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, 0);
}

static void visit_shapes(check_case *c, check_visit visit, void *user)
{
    static const double rates[] = {0, 0.25, 0.5, 1};
    static const int pads[][4] = {{1, 1, 1, 1}, {0, 0, 1, 1}, {2, 0, 1, 3}, {0, 0, 0, 0}};

    for (uint32_t i = 0; i < 4; i++) {
        dropout_case(c, TMB_NOISE_DROP, rates[i], i);
        visit(user, c);
        dropout_case(c, (tmb_noise)i, rates[i % 3], i + 4);
        visit(user, c);
        pad_case(c, pads[i], i % 2 ? 3 : 17);
        visit(user, c);
        concat_case(c, i < 3 ? (int)i + 2 : 8, i == 1);
        visit(user, c);
        add_case(c, i < 3 ? (int)i + 2 : 2, (int)i, i % 2 ? 17 : 32);
        visit(user, c);
    }
    plain_case(c, TMB_OP_RESHAPE);
    visit(user, c);
    plain_case(c, TMB_OP_SCALE);
    visit(user, c);
}

/* ---- losses ---- */

typedef struct loss_row {
    tmb_loss loss;
    bool logits;
    int64_t classes;
    float smoothing;
    bool weight;
    fill z, t;
} loss_row;

static void loss_case(check_case *c, const loss_row *row, bool gradient)
{
    static const char *const names[TMB_LOSSES] = {"", "binary", "categorical", "sparse",
            "binary focal", "categorical focal", "hinge", "squared hinge", "categorical hinge",
            "huber", "log-cosh", "mse", "mae", "mape", "msle", "kl", "poisson", "cosine"};
    const bool sparse = row->loss == TMB_SPARSE_CATEGORICAL_CROSSENTROPY;
    tmb_op *op;

    case_start(c, "%s %s of %d smoothing %.1f%s%s%s", names[row->loss],
            row->logits ? "logits" : "probabilities", (int)row->classes, (double)row->smoothing,
            row->weight ? " weighted" : "", gradient ? "" : " alone",
            row->z == FILL_EDGE || row->z == FILL_FAR ? " extreme" : "");
    if (!row->logits) c->nudge = 0x1p-8;
    c->share_batch = true;
    op = add_op(c, TMB_OP_LOSS);
    op->attr.loss = row->loss;
    op->attr.logits = row->logits;
    op->attr.smoothing = row->smoothing;
    op->attr.gamma = 2;
    op->attr.alpha = 0.25f;
    op->attr.balanced = row->weight;
    op->attr.delta = 0.5f;
    op->in[0] = add_rows(c, "z", TMB_ROLE_INPUT, row->z, DIMS(row->classes));
    op->in[1] = add_rows(c, "t", TMB_ROLE_INPUT, row->t, DIMS(sparse ? 1 : row->classes));
    if (row->weight) op->in[2] = add_rows(c, "weight", TMB_ROLE_INPUT, FILL_POSITIVE, DIMS(1));
    op->out[0] = c->y = add_plain(c, "loss", TMB_ROLE_OUTPUT, FILL_ZERO, DIMS(c->max_batch));
    c->tensor[c->y].batched = true;
    if (!gradient) return;
    op->out[1] = add_like(c, "dz", TMB_ROLE_OUTPUT, FILL_ZERO, op->in[0]);
    /* loss is weighted already, and dz belongs to its sum over n. */
    if (row->z != FILL_EDGE && row->z != FILL_FAR) add_pair(c, op->in[0], op->out[1]);
}

static void visit_losses(check_case *c, check_visit visit, void *user)
{
    static const loss_row rows[] = {
            {TMB_BINARY_CROSSENTROPY, true, 1, 0, false, FILL_NORMAL, FILL_BITS},
            {TMB_BINARY_CROSSENTROPY, true, 3, 0.1f, true, FILL_NORMAL, FILL_BITS},
            {TMB_BINARY_CROSSENTROPY, true, 2, 0, false, FILL_FAR, FILL_BITS},
            {TMB_BINARY_CROSSENTROPY, false, 1, 0, false, FILL_PROBABILITY, FILL_BITS},
            {TMB_BINARY_CROSSENTROPY, false, 3, 0.1f, true, FILL_PROBABILITY, FILL_BITS},
            {TMB_BINARY_CROSSENTROPY, false, 3, 0, false, FILL_EDGE, FILL_BITS},
            {TMB_CATEGORICAL_CROSSENTROPY, true, 3, 0, false, FILL_NORMAL, FILL_ONE_HOT},
            {TMB_CATEGORICAL_CROSSENTROPY, true, 17, 0.1f, true, FILL_NORMAL, FILL_ONE_HOT},
            {TMB_CATEGORICAL_CROSSENTROPY, true, 5, 0, false, FILL_FAR, FILL_ONE_HOT},
            {TMB_CATEGORICAL_CROSSENTROPY, false, 3, 0, false, FILL_PROBABILITY, FILL_ONE_HOT},
            {TMB_CATEGORICAL_CROSSENTROPY, false, 4, 0.1f, true, FILL_PROBABILITY, FILL_ONE_HOT},
            {TMB_CATEGORICAL_CROSSENTROPY, false, 3, 0, false, FILL_EDGE, FILL_ONE_HOT},
            {TMB_SPARSE_CATEGORICAL_CROSSENTROPY, true, 3, 0, false, FILL_NORMAL, FILL_CLASS},
            {TMB_SPARSE_CATEGORICAL_CROSSENTROPY, true, 64, 0.1f, true, FILL_NORMAL, FILL_CLASS},
            /* Class 2 of two: a NaN. */
            {TMB_SPARSE_CATEGORICAL_CROSSENTROPY, true, 2, 0, true, FILL_FAR, FILL_CLASS},
            {TMB_SPARSE_CATEGORICAL_CROSSENTROPY, false, 3, 0, false, FILL_PROBABILITY, FILL_CLASS},
            {TMB_SPARSE_CATEGORICAL_CROSSENTROPY, false, 4, 0.1f, true, FILL_PROBABILITY,
                    FILL_CLASS},
            {TMB_SPARSE_CATEGORICAL_CROSSENTROPY, false, 3, 0, false, FILL_EDGE, FILL_CLASS},
            {TMB_BINARY_FOCAL, true, 3, 0.1f, false, FILL_NORMAL, FILL_BITS},
            {TMB_BINARY_FOCAL, true, 1, 0, true, FILL_FAR, FILL_BITS},
            {TMB_BINARY_FOCAL, false, 3, 0, true, FILL_PROBABILITY, FILL_BITS},
            {TMB_CATEGORICAL_FOCAL, true, 4, 0.1f, true, FILL_NORMAL, FILL_ONE_HOT},
            {TMB_CATEGORICAL_FOCAL, true, 4, 0, false, FILL_FAR, FILL_ONE_HOT},
            {TMB_CATEGORICAL_FOCAL, false, 4, 0, false, FILL_PROBABILITY, FILL_ONE_HOT},
            {TMB_HINGE, false, 3, 0, true, FILL_NORMAL, FILL_BITS},
            {TMB_SQUARED_HINGE, false, 3, 0, false, FILL_NORMAL, FILL_BITS},
            {TMB_CATEGORICAL_HINGE, false, 3, 0, true, FILL_NORMAL, FILL_ONE_HOT},
            {TMB_HUBER, false, 3, 0, false, FILL_NORMAL, FILL_NORMAL},
            {TMB_LOG_COSH, false, 3, 0, true, FILL_NORMAL, FILL_NORMAL},
            {TMB_MEAN_SQUARED_ERROR, false, 1, 0, true, FILL_NORMAL, FILL_NORMAL},
            {TMB_MEAN_ABSOLUTE_ERROR, false, 3, 0, false, FILL_NORMAL, FILL_NORMAL},
            {TMB_MEAN_ABSOLUTE_PERCENTAGE_ERROR, false, 3, 0, false, FILL_NORMAL, FILL_POSITIVE},
            {TMB_MEAN_SQUARED_LOGARITHMIC_ERROR, false, 3, 0, true, FILL_POSITIVE, FILL_POSITIVE},
            {TMB_KL_DIVERGENCE, false, 3, 0, true, FILL_PROBABILITY, FILL_PROBABILITY},
            {TMB_POISSON, false, 3, 0, false, FILL_POSITIVE, FILL_POSITIVE},
            {TMB_COSINE_SIMILARITY, false, 5, 0, true, FILL_NORMAL, FILL_NORMAL},
    };

    for (size_t i = 0; i < TMB_COUNT(rows); i++) {
        loss_case(c, &rows[i], true);
        visit(user, c);
        loss_case(c, &rows[i], false);
        if (i % 6 == 0) visit(user, c);
    }
}

void check_cases_values(check_case *c, check_visit visit, void *user)
{
    visit_norms(c, visit, user);
    visit_shapes(c, visit, user);
    visit_losses(c, visit, user);
}
