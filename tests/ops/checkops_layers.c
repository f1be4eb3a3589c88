/* checkops_layers.c - the cases of learned slopes, merges, layer norms, moved and enlarged pictures */
#include "checkops.h"

/* ---- slopes ---- */

/* alpha of size h, w, c or 1 on each axis; alpha 0: a slope that is not learned. */
static void prelu_case(check_case *c, const int64_t alpha[3], double threshold, double most)
{
    const bool learned = alpha[0] > 0;
    tmb_op *op;

    case_start(c, "alpha %dx%dx%d threshold %.2f most %.2f", (int)alpha[0], (int)alpha[1],
            (int)alpha[2], threshold, most);
    op = add_op(c, TMB_OP_PRELU);
    op->attr.alpha = 0.25f;
    op->attr.threshold = (float)threshold;
    op->attr.most = (float)most;
    op->in[0] = add_rows(c, "x", TMB_ROLE_INPUT, FILL_LATTICE, DIMS(4, 3, 17));
    if (learned)
        op->in[1] = add_plain(
                c, "alpha", TMB_ROLE_PARAM, FILL_SMALL, DIMS(alpha[0], alpha[1], alpha[2]));
    op->out[0] = c->y = add_like(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, 0);
    c->dy = add_like(c, "dy", TMB_ROLE_INPUT, FILL_NORMAL, 0);
    op = add_op(c, TMB_OP_PRELU_BWD);
    op->attr = c->op[0].attr;
    op->in[0] = c->dy;
    op->in[1] = 0;
    op->in[2] = c->op[0].in[1];
    op->out[0] = add_like(c, "dx", TMB_ROLE_OUTPUT, FILL_ZERO, 0);
    add_pair(c, 0, op->out[0]);
    if (!learned) return;
    op->out[1] = add_like(c, "dalpha", TMB_ROLE_GRAD, FILL_ZERO, op->in[2]);
    add_pair(c, op->in[2], op->out[1]);
}

static void visit_slopes(check_case *c, check_visit visit, void *user)
{
    static const int64_t alphas[][3] = {
            {4, 3, 17}, {1, 1, 17}, {4, 1, 1}, {1, 3, 17}, {1, 1, 1}, {0, 0, 0}};

    for (size_t i = 0; i < TMB_COUNT(alphas); i++) {
        prelu_case(c, alphas[i], 0, 0);
        visit(user, c);
        prelu_case(c, alphas[i], i % 2 ? 0.52 : 0, 3.02);
        visit(user, c);
    }
}

/* ---- merges ---- */

/* b like a, or (1, 1, c). Where both may be equal there is a corner, and nothing to nudge. */
static void merge_case(check_case *c, tmb_merge merge, bool spread, bool ties)
{
    const fill fa = ties ? FILL_TIES : FILL_LATTICE, fb = ties ? FILL_TIES : FILL_BITS;
    static const char *const names[] = {"", "product", "", "maximum", "minimum"};
    tmb_op *op;

    case_start(c, "%s%s%s", names[merge], spread ? " spread" : "", ties ? " ties" : "");
    op = add_op(c, TMB_OP_MERGE);
    op->attr.merge = merge;
    op->in[0] = add_rows(c, "a", TMB_ROLE_INPUT, fa, DIMS(4, 3, 17));
    op->in[1] = spread ? add_rows(c, "b", TMB_ROLE_INPUT, fb, DIMS(1, 1, 17))
                       : add_rows(c, "b", TMB_ROLE_INPUT, fb, DIMS(4, 3, 17));
    op->out[0] = c->y = add_like(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, 0);
    c->dy = add_like(c, "dy", TMB_ROLE_INPUT, FILL_NORMAL, 0);
    op = add_op(c, TMB_OP_MERGE_BWD);
    op->attr.merge = merge;
    op->in[0] = c->dy;
    op->in[1] = 0;
    op->in[2] = 1;
    op->out[0] = add_like(c, "da", TMB_ROLE_OUTPUT, FILL_ZERO, 0);
    op->out[1] = add_like(c, "db", TMB_ROLE_OUTPUT, FILL_ZERO, 1);
    if (ties) return;
    add_pair(c, 0, op->out[0]);
    add_pair(c, 1, op->out[1]);
}

static void visit_merges(check_case *c, check_visit visit, void *user)
{
    static const tmb_merge merges[] = {TMB_MULTIPLY, TMB_MAXIMUM, TMB_MINIMUM};

    for (size_t i = 0; i < 4 * TMB_COUNT(merges); i++) {
        merge_case(c, merges[i / 4], i / 2 % 2, i % 2);
        visit(user, c);
    }
}

/* ---- layer normalisation ---- */

static void norm_case(check_case *c, int64_t side, int64_t channels, bool gamma, bool beta)
{
    tmb_op *op;

    case_start(c, "%dx%dx%d%s%s", (int)side, (int)side, (int)channels, gamma ? " gamma" : "",
            beta ? " beta" : "");
    op = add_op(c, TMB_OP_LN);
    op->attr.eps = 1e-3f;
    op->in[0] = side ? add_rows(c, "x", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(side, side, channels))
                     : add_rows(c, "x", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(channels));
    if (gamma) op->in[1] = add_plain(c, "gamma", TMB_ROLE_PARAM, FILL_POSITIVE, DIMS(channels));
    if (beta) op->in[2] = add_plain(c, "beta", TMB_ROLE_PARAM, FILL_NORMAL, DIMS(channels));
    op->out[0] = c->y = add_like(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, 0);
    c->dy = add_like(c, "dy", TMB_ROLE_INPUT, FILL_NORMAL, 0);
    op = add_op(c, TMB_OP_LN_BWD);
    op->attr.eps = 1e-3f;
    op->in[0] = c->dy;
    op->in[1] = 0;
    op->in[2] = c->op[0].in[1];
    op->out[0] = add_like(c, "dx", TMB_ROLE_OUTPUT, FILL_ZERO, 0);
    if (gamma) op->out[1] = add_like(c, "dgamma", TMB_ROLE_GRAD, FILL_ZERO, op->in[2]);
    if (beta) op->out[2] = add_like(c, "dbeta", TMB_ROLE_GRAD, FILL_ZERO, c->op[0].in[2]);
    add_pair(c, 0, op->out[0]);
    if (gamma) add_pair(c, op->in[2], op->out[1]);
    if (beta) add_pair(c, c->op[0].in[2], op->out[2]);
}

static void visit_norms(check_case *c, check_visit visit, void *user)
{
    norm_case(c, 4, 17, true, true);
    visit(user, c);
    norm_case(c, 3, 8, true, false);
    visit(user, c);
    norm_case(c, 2, 32, false, true);
    visit(user, c);
    norm_case(c, 0, 10, false, false);
    visit(user, c);
    norm_case(c, 0, 70, true, true);
    visit(user, c);
}

/* ---- permute, upsample ---- */

static void permute_case(check_case *c, const int axes[3])
{
    static const int64_t dim[] = {4, 3, 17};
    tmb_op *op;

    case_start(c, "axes %d %d %d", axes[0], axes[1], axes[2]);
    op = add_op(c, TMB_OP_PERMUTE);
    for (int i = 0; i < 3; i++)
        op->attr.axes[i] = axes[i];
    op->in[0] = add_rows(c, "x", TMB_ROLE_INPUT, FILL_NORMAL, 3, dim);
    op->out[0] = add_rows(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO,
            DIMS(dim[axes[0] - 1], dim[axes[1] - 1], dim[axes[2] - 1]));
}

static void upsample_case(check_case *c, int rows, int columns, bool bilinear)
{
    case_start(c, "%dx%d%s", rows, columns, bilinear ? " bilinear" : "");
    add_rows(c, "x", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(4, 3, 17));
    c->y = add_rows(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, DIMS(4 * rows, 3 * columns, 17));
    c->dy = add_like(c, "dy", TMB_ROLE_INPUT, FILL_NORMAL, c->y);
    add_like(c, "dx", TMB_ROLE_OUTPUT, FILL_ZERO, 0);
    for (int i = 0; i < 2; i++) {
        tmb_op *op = add_op(c, i ? TMB_OP_UPSAMPLE_BWD : TMB_OP_UPSAMPLE);

        op->in[0] = 2 * i;
        op->out[0] = 2 * i + 1;
        op->attr.kernel[0] = rows;
        op->attr.kernel[1] = columns;
        op->attr.bilinear = bilinear;
    }
    add_pair(c, 0, 3);
}

static void visit_moves(check_case *c, check_visit visit, void *user)
{
    static const int axes[][3] = {{1, 2, 3}, {2, 1, 3}, {3, 1, 2}, {2, 3, 1}, {3, 2, 1}};
    static const int sizes[][2] = {{2, 2}, {1, 3}, {3, 2}, {4, 1}};

    for (size_t i = 0; i < TMB_COUNT(axes); i++) {
        permute_case(c, axes[i]);
        visit(user, c);
    }
    for (size_t i = 0; i < 2 * TMB_COUNT(sizes); i++) {
        upsample_case(c, sizes[i / 2][0], sizes[i / 2][1], i % 2);
        visit(user, c);
    }
}

/* ---- random photos ---- */

typedef struct random_row {
    const char *name;
    tmb_attr attr;
    int64_t rows, columns; /* of the crop */
} random_row;

static const random_row random_rows[] = {
        {"flip both", {.random = TMB_RANDOM_FLIP, .flip = {true, true}}, 6, 7},
        {"flip columns", {.random = TMB_RANDOM_FLIP, .flip = {false, true}}, 6, 7},
        {"rotation", {.random = TMB_RANDOM_ROTATION, .range = {-0.4f, 0.4f}, .bilinear = true}, 6,
                7},
        {"rotation wrap",
                {.random = TMB_RANDOM_ROTATION,
                        .range = {0, 1},
                        .bilinear = true,
                        .edge = TMB_EDGE_WRAP},
                6, 7},
        {"zoom constant",
                {.random = TMB_RANDOM_ZOOM,
                        .range = {-0.5f, 0.9f, -0.3f, 0.7f},
                        .bilinear = true,
                        .edge = TMB_EDGE_CONSTANT,
                        .fill = 3},
                6, 7},
        {"zoom nearest",
                {.random = TMB_RANDOM_ZOOM,
                        .range = {-0.5f, 0.9f},
                        .fixed = true,
                        .edge = TMB_EDGE_NEAREST},
                6, 7},
        {"translation",
                {.random = TMB_RANDOM_TRANSLATION,
                        .range = {-1, 1, -1, 1},
                        .bilinear = true,
                        .edge = TMB_EDGE_REFLECT},
                6, 7},
        {"crop", {.random = TMB_RANDOM_CROP, .edge = TMB_EDGE_NEAREST}, 4, 3},
        {"crop of the middle",
                {.random = TMB_RANDOM_CROP,
                        .fixed = true,
                        .bilinear = true,
                        .edge = TMB_EDGE_NEAREST},
                4, 3},
        {"contrast", {.random = TMB_RANDOM_CONTRAST, .range = {0.5f, 0.9f}, .values = {-1, 1}}, 6,
                7},
        {"brightness", {.random = TMB_RANDOM_BRIGHTNESS, .range = {-0.5f, 0.5f}, .values = {-2, 2}},
                6, 7},
};

static void visit_random(check_case *c, check_visit visit, void *user)
{
    for (size_t i = 0; i < TMB_COUNT(random_rows); i++) {
        const random_row *row = &random_rows[i];
        tmb_op *op;

        case_start(c, "%s", row->name);
        op = add_op(c, TMB_OP_RANDOM);
        op->attr = row->attr;
        op->attr.id = 3;
        op->in[0] = add_rows(c, "x", TMB_ROLE_INPUT, FILL_NORMAL, DIMS(6, 7, 3));
        op->out[0] = add_rows(c, "y", TMB_ROLE_OUTPUT, FILL_ZERO, DIMS(row->rows, row->columns, 3));
        visit(user, c);
    }
}

void check_cases_layers(check_case *c, check_visit visit, void *user)
{
    visit_slopes(c, visit, user);
    visit_merges(c, visit, user);
    visit_norms(c, visit, user);
    visit_moves(c, visit, user);
    visit_random(c, visit, user);
}
