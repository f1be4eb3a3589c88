/* layer_dense.c - Dense: every input of the last axis to every unit, after keras.layers.Dense */
#include "nn/layer.h"

enum { MOST_UNITS = 1 << 24 };

static int dense_build(tmb__layer *layer, const tmb__shape *in)
{
    const int last = in->rank - 1;
    tmb__shape kernel = {.rank = 2};

    TMB_TRY(tmb__layer_check_int(layer, "units", layer->config.filters, 1, MOST_UNITS));
    TMB_TRY(tmb__layer_check_activation(layer));
    TMB_TRY(tmb__layer_check_kernel(layer));
    kernel.dim[0] = in->dim[last];
    kernel.dim[1] = layer->config.filters;
    layer->out = *in;
    layer->out.dim[last] = layer->config.filters;
    TMB_TRY(tmb__layer_kernel(layer, "kernel", &kernel));
    return tmb__layer_bias(layer, layer->config.filters);
}

static void dense_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = tmb__op_of(b, layer, TMB_OP_DENSE);

    op.in[0] = tmb__value_in(b, layer, 0);
    op.in[1] = tmb__weight_in(b, layer, "kernel");
    op.in[2] = tmb__weight_in(b, layer, "bias");
    tmb__emit_last(b, layer, &op);
}

static void dense_backward(tmb__builder *b, const tmb__layer *layer)
{
    const int dy = tmb__gradient_in(b, layer);
    tmb_op op = tmb__op_of(b, layer, TMB_OP_DENSE_BWD_WEIGHTS);

    op.in[0] = tmb__value_in(b, layer, 0);
    op.in[1] = dy;
    op.out[0] = tmb__gradient_out(b, layer, "kernel");
    op.out[1] = tmb__gradient_out(b, layer, "bias");
    if (op.out[0] >= 0) tmb__emit(b, &op);
    if (!tmb__wants_gradient(b, layer, 0)) return;
    op = tmb__op_of(b, layer, TMB_OP_DENSE_BWD_DATA);
    op.in[0] = dy;
    op.in[1] = tmb__weight_in(b, layer, "kernel");
    tmb__emit_back(b, layer, 0, &op);
}

const tmb__layer_type tmb__type_dense = {1, 1, true, dense_build, dense_forward, dense_backward};

tmb_layer tmb_model_add_dense(tmb_model *model, const tmb_dense_opts *opts)
{
    const tmb_dense_opts o = opts ? *opts : (tmb_dense_opts){0};
    const tmb__layer_config config = {
            .filters = o.units,
            .no_bias = o.no_bias,
            .activation = o.activation,
            .alpha = o.alpha,
            .init = o.init,
            .l1 = o.l1,
            .l2 = o.l2,
            .constraint = o.constraint,
    };

    return tmb__model_add(model, TMB__LAYER_DENSE, &config, &o.from, 1, o.name, !o.frozen);
}
