/* layer_merge.c - Add and Concatenate */
#include "nn/layer.h"

enum { ADDENDS = 4 }; /* that one ADD op takes */

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

/* Up to four inputs in one op; more go in rounds, the sum so far being the first of the next. */
static void add_forward(tmb__builder *b, const tmb__layer *layer)
{
    int sum = tmb__value_in(b, layer, 0), next = 1;

    for (;;) {
        tmb_op op = tmb__op_of(b, layer, TMB_OP_ADD);

        op.in[0] = sum;
        for (int i = 1; i < ADDENDS && next < layer->n_from; i++)
            op.in[i] = tmb__value_in(b, layer, next++);
        if (next == layer->n_from) {
            tmb__emit_last(b, layer, &op);
            return;
        }
        sum = op.out[0] = tmb__emit_batch(b, layer, "partial", &layer->out);
        tmb__emit(b, &op);
    }
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

const tmb__layer_type tmb__type_add = {
        2, TMB_LAYER_INPUTS, true, add_build, add_forward, add_backward};
const tmb__layer_type tmb__type_concatenate = {
        2, TMB_LAYER_INPUTS, false, concatenate_build, concatenate_forward, concatenate_backward};

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
