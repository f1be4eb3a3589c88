/* ref_conv.c - convolution, its gradient to the data and to the weights
 *
 * Cross-correlation, as Keras and every network library compute it: the kernel is not flipped.
 * Shapes: x (n, h, w, in), w (kh, kw, in / groups, out), b (out), y (n, oh, ow, out), with
 *
 *   oh = (h + pad top + pad bottom - dilation (kh - 1) - 1) / stride + 1, rounded down; ow alike.
 *
 * Output channel o belongs to group o / (out / groups), which reads the in / groups channels of x
 * from in / groups * group on. Depthwise convolution is groups = in: o = channel * multiplier + m,
 * the order of Keras' depthwise kernel (kh, kw, in, multiplier). Attributes: stride, dilation, pad,
 * groups, act, alpha; kernel repeats kh and kw. */
#include "ref.h"

typedef struct conv_shape {
    int64_t n, h, w, in, oh, ow, out, kh, kw;
    int64_t group_in, group_out; /* channels of one group */
    const tmb_attr *attr;
} conv_shape;

static conv_shape shape_of(
        const tmb_attr *attr, const ref_view *x, const ref_view *w, const ref_view *y)
{
    return (conv_shape){
            .n = x->dim[0],
            .h = x->dim[1],
            .w = x->dim[2],
            .in = x->dim[3],
            .oh = y->dim[1],
            .ow = y->dim[2],
            .out = y->dim[3],
            .kh = w->dim[0],
            .kw = w->dim[1],
            .group_in = w->dim[2],
            .group_out = y->dim[3] / attr->groups,
            .attr = attr,
    };
}

/* Row (axis 0) or column (axis 1) of x under kernel position k of output o; may lie outside. */
static int64_t source(const conv_shape *s, int axis, int64_t o, int64_t k)
{
    return o * s->attr->stride[axis] - s->attr->pad[axis] + k * s->attr->dilation[axis];
}

/* The in values of x at (image, iy, ix), or NULL in the padding. */
static const float *pixel(const conv_shape *s, const float *x, int64_t iy, int64_t ix)
{
    if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w) return NULL;
    return x + (iy * s->w + ix) * s->in;
}

/* sum over (ky, kx, i) of x w, for output (oy, ox, o) of the image at x. */
static double window_dot(const conv_shape *s, const float *x, const float *w, const int64_t at[3])
{
    const int64_t o = at[2], first = o / s->group_out * s->group_in;
    double sum = 0;

    for (int64_t k = 0; k < s->kh * s->kw; k++) {
        const float *row =
                pixel(s, x, source(s, 0, at[0], k / s->kw), source(s, 1, at[1], k % s->kw));
        const float *tap = w + k * s->group_in * s->out + o;

        for (int64_t i = 0; row && i < s->group_in; i++)
            sum += (double)row[first + i] * tap[i * s->out];
    }
    return sum;
}

/* CONV: y[n, oy, ox, o] = act(b[o] + sum over (ky, kx, i) of x[n, iy, ix, first + i] w[ky, kx, i,
 * o]), iy = oy stride - pad top + ky dilation, ix alike; x is 0 outside. */
void tmb__ref_conv(const ref_call *call)
{
    const ref_view *x = &call->in[0], *w = &call->in[1], *b = &call->in[2], *y = &call->out[0];
    const conv_shape s = shape_of(call->attr, x, w, y);

    for (int64_t e = 0; e < y->count; e++) {
        const int64_t at[3] = {e / s.out / s.ow % s.oh, e / s.out % s.ow, e % s.out};
        const int64_t image = e / s.out / s.ow / s.oh;
        const double dot = window_dot(&s, x->data + image * s.h * s.w * s.in, w->data, at);

        y->data[e] = (float)(dot + (b->data ? b->data[at[2]] : 0));
    }
    tmb__ref_activate_all(call->attr, y);
}

/* Output position that reads input position i through kernel position k, or -1. */
static int64_t target(const conv_shape *s, int axis, int64_t i, int64_t k)
{
    const int64_t size = axis == 0 ? s->oh : s->ow;
    const int64_t o = i + s->attr->pad[axis] - k * s->attr->dilation[axis];

    if (o < 0 || o % s->attr->stride[axis] != 0 || o / s->attr->stride[axis] >= size) return -1;
    return o / s->attr->stride[axis];
}

/* sum over every (ky, kx, o) whose window holds input (iy, ix, i) of dy w; dy of one image. */
static double window_scatter(
        const conv_shape *s, const float *dy, const float *w, const int64_t at[3])
{
    const int64_t group = at[2] / s->group_in, i = at[2] % s->group_in;
    double sum = 0;

    for (int64_t k = 0; k < s->kh * s->kw; k++) {
        const int64_t oy = target(s, 0, at[0], k / s->kw), ox = target(s, 1, at[1], k % s->kw);
        const int64_t first = group * s->group_out;
        const float *tap = w + (k * s->group_in + i) * s->out + first;

        if (oy < 0 || ox < 0) continue;
        for (int64_t o = 0; o < s->group_out; o++)
            sum += (double)dy[(oy * s->ow + ox) * s->out + first + o] * tap[o];
    }
    return sum;
}

/* CONV_BWD_DATA: dx[n, iy, ix, i] = sum over all (ky, kx, o) that read it of dy[n, oy, ox, o]
 * w[..., o]. dy is the gradient before the activation: ACT_BWD has been through it. */
void tmb__ref_conv_bwd_data(const ref_call *call)
{
    const ref_view *dy = &call->in[0], *w = &call->in[1], *dx = &call->out[0];
    const conv_shape s = shape_of(call->attr, dx, w, dy);

    for (int64_t e = 0; e < dx->count; e++) {
        const int64_t at[3] = {e / s.in / s.w % s.h, e / s.in % s.w, e % s.in};
        const int64_t image = e / s.in / s.w / s.h;

        dx->data[e] =
                (float)window_scatter(&s, dy->data + image * s.oh * s.ow * s.out, w->data, at);
    }
}

/* sum over (oy, ox) of one image of x[.., channel] dy[.., o], for kernel position (ky, kx). */
static double plane_dot(const conv_shape *s, const float *x, const float *dy, const int64_t at[4])
{
    double sum = 0;

    for (int64_t p = 0; p < s->oh * s->ow; p++) {
        const float *row =
                pixel(s, x, source(s, 0, p / s->ow, at[0]), source(s, 1, p % s->ow, at[1]));

        if (row) sum += (double)row[at[2]] * dy[p * s->out + at[3]];
    }
    return sum;
}

/* CONV_BWD_WEIGHTS: dw[ky, kx, i, o] = sum over (n, oy, ox) of x[n, iy, ix, first + i] dy[.., o];
 * db[o] = sum over (n, oy, ox) of dy[.., o]. Sums, not means: the loss has divided by n. */
void tmb__ref_conv_bwd_weights(const ref_call *call)
{
    const ref_view *x = &call->in[0], *dy = &call->in[1], *dw = &call->out[0], *db = &call->out[1];
    const conv_shape s = shape_of(call->attr, x, dw, dy);

    for (int64_t e = 0; e < dw->count; e++) {
        const int64_t o = e % s.out, i = e / s.out % s.group_in, k = e / s.out / s.group_in;
        const int64_t at[4] = {k / s.kw, k % s.kw, o / s.group_out * s.group_in + i, o};
        double sum = 0;

        for (int64_t n = 0; n < s.n; n++)
            sum += plane_dot(
                    &s, x->data + n * s.h * s.w * s.in, dy->data + n * s.oh * s.ow * s.out, at);
        dw->data[e] = (float)sum;
    }
    for (int64_t o = 0; db->data && o < s.out; o++) {
        double sum = 0;

        for (int64_t p = 0; p < s.n * s.oh * s.ow; p++)
            sum += dy->data[p * s.out + o];
        db->data[o] = (float)sum;
    }
}
