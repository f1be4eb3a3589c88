/* cpu_depth.c - depthwise convolutions of a list in bf16, forward; their gradients are the library's */
#include "cpu_conv.h"

enum { VECTORS = 128 }; /* bytes of a place of the kernel, for 32 channels */

bool tmb__cpu_depth_fits(const struct tmb_program *p, const tmb_op *op, const cpu_conv *c)
{
    const tmb_activation act = op->attr.act;

    return p->bf16 && c->groups == c->in && c->in == c->out && c->in > 1 &&
            (act == TMB_LINEAR || act == TMB_RELU || act == TMB_RELU6);
}

/* Slots x, w, b, y, space. */
static void forward(const cpu_stage *stage, const cpu_task *task)
{
    cpu_bf16_depth call = *(const cpu_bf16_depth *)stage->data;
    const cpu_bf16_source x = {tmb__cpu_at(stage, task, 0), call.x_half, NULL};

    call.end.bias = tmb__cpu_at(stage, task, 2);
    tmb__cpu_bf16_depthwise(&call, &x, tmb__cpu_at(stage, task, 1), tmb__cpu_at(stage, task, 3),
            tmb__cpu_at(stage, task, 4));
}

cpu_bf16_depth tmb__cpu_depth_geometry(const cpu_conv *c)
{
    return (cpu_bf16_depth){.h = c->h,
            .w = c->w,
            .c = c->in,
            .oh = c->oh,
            .ow = c->ow,
            .kh = c->kh,
            .kw = c->kw,
            .pad = {c->pad[0], c->pad[1]},
            .stride = {c->stride[0], c->stride[1]},
            .dilation = {c->dilation[0], c->dilation[1]}};
}

size_t tmb__cpu_depth_space(const cpu_conv *c)
{
    return (size_t)((c->in + 31) / 32 * c->kh * c->kw) * VECTORS;
}

int tmb__cpu_depth_forward(struct tmb_program *p, int op, const cpu_conv *c)
{
    const tmb_op *o = &p->ops[op];
    const int space = tmb__cpu_buffer(p, CPU_TEMP, tmb__cpu_depth_space(c));
    cpu_bf16_depth *call = tmb__cpu_keep(p, sizeof *call);
    cpu_stage *stage;

    if (!call || space < 0) return TMB_ENOMEM;
    *call = tmb__cpu_depth_geometry(c);
    call->x_half = tmb__cpu_half(p, o->in[0]);
    stage = tmb__cpu_rows(p, op, forward);
    stage->data = call;
    stage->later = tmb__cpu_relu_taker(p, op) >= 0;
    call->end = (cpu_bf16_end){.half = tmb__cpu_keep_half(p, o->out[0]),
            .relu = o->attr.act != TMB_LINEAR && !stage->later,
            .most = o->attr.act == TMB_RELU6 ? 6 : 0};
    tmb__cpu_use(stage, o->in[0], CPU_READ | CPU_OWN);
    tmb__cpu_use(stage, o->in[1], CPU_READ);
    tmb__cpu_use(stage, o->in[2], CPU_READ);
    tmb__cpu_use(stage, o->out[0], CPU_WRITE | CPU_OWN);
    tmb__cpu_use(stage, space, CPU_WRITE | CPU_OWN);
    p->how[op] = "own bf16";
    return 0;
}
