/* ref_dense.c - the fully connected layer and its gradients
 *
 * Acts on the last axis, as Keras' Dense does: x (..., in) counts as (rows, in), w (in, units),
 * b (units), y (..., units). Attributes: act, alpha. */
#include "ref.h"

/* DENSE: y[r, u] = act(b[u] + sum over i of x[r, i] w[i, u]). */
void tmb__ref_dense(const ref_call *call)
{
    const ref_view *x = &call->in[0], *w = &call->in[1], *b = &call->in[2], *y = &call->out[0];
    const int64_t in = w->dim[0], units = w->dim[1];

    for (int64_t e = 0; e < y->count; e++) {
        const float *row = x->data + e / units * in;
        double sum = 0;

        for (int64_t i = 0; i < in; i++)
            sum += (double)row[i] * w->data[i * units + e % units];
        y->data[e] = (float)(sum + (b->data ? b->data[e % units] : 0));
    }
    tmb__ref_activate_all(call->attr, y);
}

/* DENSE_BWD_DATA: dx[r, i] = sum over u of dy[r, u] w[i, u]; dy as before the activation. */
void tmb__ref_dense_bwd_data(const ref_call *call)
{
    const ref_view *dy = &call->in[0], *w = &call->in[1], *dx = &call->out[0];
    const int64_t in = w->dim[0], units = w->dim[1];

    for (int64_t e = 0; e < dx->count; e++) {
        const float *row = dy->data + e / in * units, *tap = w->data + e % in * units;
        double sum = 0;

        for (int64_t u = 0; u < units; u++)
            sum += (double)row[u] * tap[u];
        dx->data[e] = (float)sum;
    }
}

/* DENSE_BWD_WEIGHTS: dw[i, u] = sum over r of x[r, i] dy[r, u]; db[u] = sum over r of dy[r, u]. */
void tmb__ref_dense_bwd_weights(const ref_call *call)
{
    const ref_view *x = &call->in[0], *dy = &call->in[1], *dw = &call->out[0], *db = &call->out[1];
    const int64_t in = dw->dim[0], units = dw->dim[1], rows = ref_rows(dy);

    for (int64_t e = 0; e < dw->count; e++) {
        double sum = 0;

        for (int64_t r = 0; r < rows; r++)
            sum += (double)x->data[r * in + e / units] * dy->data[r * units + e % units];
        dw->data[e] = (float)sum;
    }
    for (int64_t u = 0; db->data && u < units; u++) {
        double sum = 0;

        for (int64_t r = 0; r < rows; r++)
            sum += dy->data[r * units + u];
        db->data[u] = (float)sum;
    }
}
