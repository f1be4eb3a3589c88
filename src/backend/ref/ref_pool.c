/* ref_pool.c - maximum and mean over windows, and over whole planes
 *
 * Shapes: x (n, h, w, c), y (n, oh, ow, c), sizes as for convolution with dilation 1; global: y (n,
 * c). Attributes: max; for POOL also kernel, stride, pad. As in Keras (TensorFlow) padding takes no
 * part: a maximum ignores it, a mean divides by the number of real pixels in the window. `where` is
 * an I32 workspace of y's shape; here it holds the winner's position iy * w + ix, any backend may
 * store what it likes. It must be there for a maximum whose gradient is wanted. */
#include "ref.h"

#include <string.h>

/* The real pixels under one window: rows y0 .. y1 - 1, columns x0 .. x1 - 1 of an (h, w) plane. */
typedef struct window {
    int64_t y0, y1, x0, x1;
} window;

static void range(int64_t *from, int64_t *to, int64_t start, int64_t kernel, int64_t size)
{
    *from = start < 0 ? 0 : start;
    *to = start + kernel > size ? size : start + kernel;
}

static window window_at(const tmb_attr *attr, int64_t oy, int64_t ox, int64_t h, int64_t w)
{
    window win;

    range(&win.y0, &win.y1, oy * attr->stride[0] - attr->pad[0], attr->kernel[0], h);
    range(&win.x0, &win.x1, ox * attr->stride[1] - attr->pad[1], attr->kernel[1], w);
    return win;
}

/* Position of the first maximum in scan order: rows from the top, in a row from the left. `x`
 * points at the wanted channel of the plane's first pixel. */
static int64_t first_maximum(const float *x, int64_t w, int64_t c, const window *win)
{
    int64_t best = win->y0 * w + win->x0;

    for (int64_t iy = win->y0; iy < win->y1; iy++) {
        for (int64_t ix = win->x0; ix < win->x1; ix++) {
            if (x[(iy * w + ix) * c] > x[best * c]) best = iy * w + ix;
        }
    }
    return best;
}

static double mean(const float *x, int64_t w, int64_t c, const window *win)
{
    double sum = 0;

    for (int64_t iy = win->y0; iy < win->y1; iy++) {
        for (int64_t ix = win->x0; ix < win->x1; ix++)
            sum += x[(iy * w + ix) * c];
    }
    return sum / (double)((win->y1 - win->y0) * (win->x1 - win->x0));
}

/* One value of y, element e, from the window of the plane that starts at x. */
static void pool_one(const ref_call *call, const float *x, const window *win, int64_t e)
{
    const int64_t w = call->in[0].dim[2], c = call->in[0].dim[3];

    if (!call->attr->max) {
        call->out[0].data[e] = (float)mean(x, w, c, win);
    } else {
        const int64_t best = first_maximum(x, w, c, win);

        call->out[0].data[e] = x[best * c];
        if (call->out[1].index) call->out[1].index[e] = (int32_t)best;
    }
}

/* POOL: y[n, oy, ox, c] = maximum or mean of the window's real pixels. Every window has one. */
void tmb__ref_pool(const ref_call *call)
{
    const ref_view *x = &call->in[0], *y = &call->out[0];
    const int64_t h = x->dim[1], w = x->dim[2], c = x->dim[3], oh = y->dim[1], ow = y->dim[2];

    for (int64_t e = 0; e < y->count; e++) {
        const window win = window_at(call->attr, e / c / ow % oh, e / c % ow, h, w);

        pool_one(call, x->data + e / c / ow / oh * h * w * c + e % c, &win, e);
    }
}

/* Hand dy of one output to the pixels of its window: all to the winner, or equal shares. */
static void unpool_one(const ref_call *call, float *dx, const window *win, int64_t e)
{
    const int64_t w = call->out[0].dim[2], c = call->out[0].dim[3];
    const float dy = call->in[0].data[e];
    const int64_t n = (win->y1 - win->y0) * (win->x1 - win->x0);

    if (call->attr->max) {
        dx[call->in[1].index[e] * c] += dy;
        return;
    }
    for (int64_t iy = win->y0; iy < win->y1; iy++) {
        for (int64_t ix = win->x0; ix < win->x1; ix++)
            dx[(iy * w + ix) * c] += dy / (float)n;
    }
}

/* POOL_BWD: the gradient of a maximum goes to the first maximum in scan order, that of a mean is
 * shared equally by the real pixels; where windows overlap the shares add up. */
void tmb__ref_pool_bwd(const ref_call *call)
{
    const ref_view *dy = &call->in[0], *dx = &call->out[0];
    const int64_t h = dx->dim[1], w = dx->dim[2], c = dx->dim[3], oh = dy->dim[1], ow = dy->dim[2];

    memset(dx->data, 0, (size_t)dx->count * sizeof *dx->data);
    for (int64_t e = 0; e < dy->count; e++) {
        const window win = window_at(call->attr, e / c / ow % oh, e / c % ow, h, w);

        unpool_one(call, dx->data + e / c / ow / oh * h * w * c + e % c, &win, e);
    }
}

/* GLOBAL_POOL: y[n, c] = maximum or mean of the whole plane (h, w). */
void tmb__ref_global_pool(const ref_call *call)
{
    const ref_view *x = &call->in[0], *y = &call->out[0];
    const int64_t plane = x->dim[1] * x->dim[2], c = x->dim[3];
    const window all = {.y1 = x->dim[1], .x1 = x->dim[2]};

    for (int64_t e = 0; e < y->count; e++)
        pool_one(call, x->data + e / c * plane * c + e % c, &all, e);
}

/* GLOBAL_POOL_BWD: as POOL_BWD with one window. */
void tmb__ref_global_pool_bwd(const ref_call *call)
{
    const ref_view *dy = &call->in[0], *dx = &call->out[0];
    const int64_t plane = dx->dim[1] * dx->dim[2], c = dx->dim[3];
    const window all = {.y1 = dx->dim[1], .x1 = dx->dim[2]};

    memset(dx->data, 0, (size_t)dx->count * sizeof *dx->data);
    for (int64_t e = 0; e < dy->count; e++)
        unpool_one(call, dx->data + e / c * plane * c + e % c, &all, e);
}
