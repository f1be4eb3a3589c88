/* layer_merge.c - Add, Concatenate, Multiply, Maximum, Minimum, Average, Subtract */
#include "nn/layer.h"

enum { ADDENDS = 4, PARTIALS = 0 }; /* addends that one ADD op takes */

/* All inputs have the first one's shape, but for the last axis if `but_last`. */
static int check_equal(const tmb__layer *layer, const tmb__shape *in, bool but_last)
{
    for (int i = 1; i < layer->n_from; i++) {
        tmb__shape other = in[i];

        if (but_last && other.rank == in[0].rank)
            other.dim[other.rank - 1] = in[0].dim[other.rank - 1];
        if (!tmb__shape_equal(&other, &in[0]))
            return tmb__layer_fail(layer,
                    "input %d is %s and the first %s, equal shapes%s expected", i + 1,
                    tmb__shape_text(&in[i]), tmb__shape_text(&in[0]),
                    but_last ? " but for the last axis" : "");
    }
    return 0;
}

static int add_build(tmb__layer *layer, const tmb__shape *in)
{
    TMB_TRY(tmb__layer_check_activation(layer));
    TMB_TRY(check_equal(layer, in, false));
    layer->out = in[0];
    return 0;
}

/* Up to four inputs in one op; more go in rounds, the sum so far being the first of the next. The last
 * op is not emitted. */
static tmb_op add_up(tmb__builder *b, const tmb__layer *layer)
{
    int sum = tmb__value_in(b, layer, 0), next = 1;

    for (;;) {
        tmb_op op = tmb__op_of(b, layer, TMB_OP_ADD);

        op.in[0] = sum;
        for (int i = 1; i < ADDENDS && next < layer->n_from; i++)
            op.in[i] = tmb__value_in(b, layer, next++);
        if (next == layer->n_from) return op;
        sum = op.out[0] = tmb__emit_batch(b, layer, "partial", &layer->out);
        tmb__emit(b, &op);
    }
}

static void add_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = add_up(b, layer);

    tmb__emit_last(b, layer, &op);
}

/* Each input gets the sum's gradient as it is. */
static void add_backward(tmb__builder *b, const tmb__layer *layer)
{
    const int dy = tmb__gradient_in(b, layer);

    for (int i = 0; i < layer->n_from; i++) {
        if (tmb__wants_gradient(b, layer, i)) tmb__pass_gradient(b, layer, i, dy);
    }
}

static int concatenate_build(tmb__layer *layer, const tmb__shape *in)
{
    const int last = in[0].rank - 1;

    TMB_TRY(tmb__layer_check_activation(layer));
    TMB_TRY(check_equal(layer, in, true));
    layer->out = in[0];
    for (int i = 1; i < layer->n_from; i++)
        layer->out.dim[last] += in[i].dim[last];
    return 0;
}

static void concatenate_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = tmb__op_of(b, layer, TMB_OP_CONCAT);

    for (int i = 0; i < layer->n_from; i++)
        op.in[i] = tmb__value_in(b, layer, i);
    tmb__emit_last(b, layer, &op);
}

/* The op cuts the gradient into all its parts; those below which nothing is trained go nowhere. */
static void concatenate_backward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = tmb__op_of(b, layer, TMB_OP_CONCAT_BWD);
    bool wanted = false;

    for (int i = 0; i < layer->n_from; i++)
        wanted = wanted || tmb__wants_gradient(b, layer, i);
    if (!wanted) return;
    op.in[0] = tmb__gradient_in(b, layer);
    for (int i = 0; i < layer->n_from; i++)
        op.out[i] = tmb__emit_batch(b, layer, "part", &tmb__layer_input(b, layer, i)->out);
    tmb__emit(b, &op);
    for (int i = 0; i < layer->n_from; i++) {
        if (tmb__wants_gradient(b, layer, i)) tmb__pass_gradient(b, layer, i, op.out[i]);
    }
}

/* ---- average and difference: sums, scaled ---- */

static tmb_op scale_op(const tmb__builder *b, const tmb__layer *layer, int in, double scale)
{
    tmb_op op = tmb__op_of(b, layer, TMB_OP_SCALE);

    op.in[0] = in;
    op.attr.scale = (float)scale;
    return op;
}

static void average_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op sum = add_up(b, layer), op;

    sum.out[0] = tmb__emit_batch(b, layer, "sum", &layer->out);
    tmb__emit(b, &sum);
    op = scale_op(b, layer, sum.out[0], 1.0 / layer->n_from);
    tmb__emit_last(b, layer, &op);
}

static void average_backward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = scale_op(b, layer, tmb__gradient_in(b, layer), 1.0 / layer->n_from);

    op.out[0] = tmb__emit_batch(b, layer, "share", &layer->out);
    tmb__emit(b, &op);
    for (int i = 0; i < layer->n_from; i++) {
        if (tmb__wants_gradient(b, layer, i)) tmb__pass_gradient(b, layer, i, op.out[0]);
    }
}

static void subtract_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op minus = scale_op(b, layer, tmb__value_in(b, layer, 1), -1);
    tmb_op op = tmb__op_of(b, layer, TMB_OP_ADD);

    minus.out[0] = tmb__emit_batch(b, layer, "minus", &layer->out);
    tmb__emit(b, &minus);
    op.in[0] = tmb__value_in(b, layer, 0);
    op.in[1] = minus.out[0];
    tmb__emit_last(b, layer, &op);
}

static void subtract_backward(tmb__builder *b, const tmb__layer *layer)
{
    const int dy = tmb__gradient_in(b, layer);
    tmb_op op = scale_op(b, layer, dy, -1);

    if (tmb__wants_gradient(b, layer, 0)) tmb__pass_gradient(b, layer, 0, dy);
    if (tmb__wants_gradient(b, layer, 1)) tmb__emit_back(b, layer, 1, &op);
}

/* ---- products, maxima, minima: MERGE ops in a row ---- */

/* `small` has the axes of `large`, or 1 for all but the channels. */
static bool is_spread(const tmb__shape *small, const tmb__shape *large)
{
    if (small->rank != large->rank) return false;
    for (int i = 0; i + 1 < small->rank; i++) {
        if (small->dim[i] != 1) return false;
    }
    return small->dim[small->rank - 1] == large->dim[large->rank - 1];
}

static int merge_build(tmb__layer *layer, const tmb__shape *in)
{
    TMB_TRY(tmb__layer_check_activation(layer));
    layer->out = in[0];
    if (layer->kind != TMB__LAYER_MULTIPLY) return check_equal(layer, in, false);
    for (int i = 1; i < layer->n_from; i++) {
        if (tmb__shape_count(&in[i]) > tmb__shape_count(&layer->out)) layer->out = in[i];
    }
    for (int i = 0; i < layer->n_from; i++) {
        if (!tmb__shape_equal(&in[i], &layer->out) && !is_spread(&in[i], &layer->out))
            return tmb__layer_fail(layer,
                    "input %d is %s and the largest %s, the same or (1, 1, channels) expected",
                    i + 1, tmb__shape_text(&in[i]), tmb__shape_text(&layer->out));
    }
    return 0;
}

/* The shape of what inputs 0 .. i give: the largest of theirs. */
static tmb__shape partial_shape(const tmb__builder *b, const tmb__layer *layer, int i)
{
    tmb__shape shape = tmb__layer_input(b, layer, 0)->out;

    for (int k = 1; k <= i; k++) {
        const tmb__shape *next = &tmb__layer_input(b, layer, k)->out;

        if (tmb__shape_count(next) > tmb__shape_count(&shape)) shape = *next;
    }
    return shape;
}

/* What inputs 0 .. i give; the tensors between the first input and the end stand one after the other. */
static int partial(const tmb__builder *b, const tmb__layer *layer, int i)
{
    return i == 0 ? tmb__value_in(b, layer, 0) : tmb__place_of(b, layer)->kept[PARTIALS] + i - 1;
}

/* The larger one comes first in the op: is that input i, rather than what those before it give? */
static bool is_swapped(const tmb__builder *b, const tmb__layer *layer, int i)
{
    const tmb__shape so_far = partial_shape(b, layer, i - 1);

    return tmb__shape_count(&tmb__layer_input(b, layer, i)->out) > tmb__shape_count(&so_far);
}

static tmb_op merge_op(const tmb__builder *b, const tmb__layer *layer, tmb_op_kind kind)
{
    tmb_op op = tmb__op_of(b, layer, kind);

    op.attr.merge = layer->kind == TMB__LAYER_MULTIPLY ? TMB_MULTIPLY
            : layer->kind == TMB__LAYER_MAXIMUM        ? TMB_MAXIMUM
                                                       : TMB_MINIMUM;
    return op;
}

static void merge_forward(tmb__builder *b, const tmb__layer *layer)
{
    int so_far = tmb__value_in(b, layer, 0);

    for (int i = 1; i < layer->n_from; i++) {
        const tmb__shape shape = partial_shape(b, layer, i);
        const bool swapped = is_swapped(b, layer, i);
        tmb_op op = merge_op(b, layer, TMB_OP_MERGE);

        op.in[swapped] = so_far;
        op.in[!swapped] = tmb__value_in(b, layer, i);
        if (i == layer->n_from - 1) {
            tmb__emit_last(b, layer, &op);
            return;
        }
        so_far = op.out[0] = tmb__emit_batch(b, layer, "partial", &shape);
        if (i == 1) tmb__place_of(b, layer)->kept[PARTIALS] = so_far;
        tmb__emit(b, &op);
    }
}

static void merge_backward(tmb__builder *b, const tmb__layer *layer)
{
    int dy = tmb__gradient_in(b, layer);

    for (int i = layer->n_from - 1; i > 0; i--) {
        const tmb__shape shape = partial_shape(b, layer, i - 1);
        const bool swapped = is_swapped(b, layer, i), wants = tmb__wants_gradient(b, layer, i);
        tmb_op op = merge_op(b, layer, TMB_OP_MERGE_BWD);
        bool more = false;

        for (int k = 0; k < i; k++)
            more = more || tmb__wants_gradient(b, layer, k);
        if (!more && !wants) return;
        op.in[0] = dy;
        op.in[1 + swapped] = partial(b, layer, i - 1);
        op.in[2 - swapped] = tmb__value_in(b, layer, i);
        if (more) dy = op.out[swapped] = tmb__emit_batch(b, layer, "d_partial", &shape);
        if (wants)
            op.out[!swapped] = tmb__emit_batch(b, layer, "dx", &tmb__layer_input(b, layer, i)->out);
        tmb__emit(b, &op);
        if (wants) tmb__pass_gradient(b, layer, i, op.out[!swapped]);
        if (!more) return;
    }
    tmb__pass_gradient(b, layer, 0, dy);
}

const tmb__layer_type tmb__type_add = {
        2, TMB_LAYER_INPUTS, true, add_build, add_forward, add_backward};
const tmb__layer_type tmb__type_concatenate = {
        2, TMB_LAYER_INPUTS, false, concatenate_build, concatenate_forward, concatenate_backward};

const tmb__layer_type tmb__type_average = {
        2, TMB_LAYER_INPUTS, false, add_build, average_forward, average_backward};
const tmb__layer_type tmb__type_subtract = {
        2, 2, true, add_build, subtract_forward, subtract_backward};
const tmb__layer_type tmb__type_merge = {
        2, TMB_LAYER_INPUTS, false, merge_build, merge_forward, merge_backward};

static tmb_layer add_merge(tmb_model *model, tmb__layer_kind kind, const tmb_merge_opts *opts)
{
    const tmb_merge_opts o = opts ? *opts : (tmb_merge_opts){0};
    const tmb__layer_config config = {.activation = o.activation};
    int n = 0;

    while (n < TMB_LAYER_INPUTS && o.from[n] != 0)
        n++;
    return tmb__model_add(model, kind, &config, o.from, n, o.name, true);
}

tmb_layer tmb_model_add_add(tmb_model *model, const tmb_merge_opts *opts)
{
    return add_merge(model, TMB__LAYER_ADD, opts);
}

tmb_layer tmb_model_add_concatenate(tmb_model *model, const tmb_merge_opts *opts)
{
    return add_merge(model, TMB__LAYER_CONCATENATE, opts);
}

tmb_layer tmb_model_add_merge(tmb_model *model, tmb_merge merge, const tmb_merge_opts *opts)
{
    static const tmb__layer_kind kinds[] = {
            [TMB_MULTIPLY] = TMB__LAYER_MULTIPLY,
            [TMB_AVERAGE] = TMB__LAYER_AVERAGE,
            [TMB_MAXIMUM] = TMB__LAYER_MAXIMUM,
            [TMB_MINIMUM] = TMB__LAYER_MINIMUM,
            [TMB_SUBTRACT] = TMB__LAYER_SUBTRACT,
    };

    if (merge < TMB_MULTIPLY || (size_t)merge >= TMB_COUNT(kinds))
        return tmb__model_refuse(model, "merge", (int)merge);
    return add_merge(model, kinds[merge], opts);
}
