/* ref_shape.c - ops that move or join values: pad, add, merge, concatenate, reshape, permute, scale */
#include "ref.h"

#include <math.h>
#include <string.h>

/* PAD: x (n, h, w, c) in a frame of zeros, y (n, top + h + bottom, left + w + right, c).
 * Attribute: pad. BWD: dx is dy without the frame. */
static void pad_rows(const ref_call *call, const ref_view *small, const ref_view *large, int inward)
{
    const int64_t h = small->dim[1], w = small->dim[2], c = small->dim[3];

    for (int64_t row = 0; row < small->dim[0] * h; row++) {
        const int64_t y = row / h * large->dim[1] + row % h + call->attr->pad[0];
        float *inner = small->data + row * w * c;
        float *outer = large->data + (y * large->dim[2] + call->attr->pad[1]) * c;

        memcpy(inward ? inner : outer, inward ? outer : inner, (size_t)(w * c) * sizeof(float));
    }
}

void tmb__ref_pad(const ref_call *call)
{
    memset(call->out[0].data, 0, (size_t)call->out[0].count * sizeof(float));
    pad_rows(call, &call->in[0], &call->out[0], 0);
}

void tmb__ref_pad_bwd(const ref_call *call)
{
    pad_rows(call, &call->out[0], &call->in[0], 1);
}

/* ADD: y = act(a + b + ..), two to four tensors of one shape. Attributes: act, alpha. */
void tmb__ref_add(const ref_call *call)
{
    const ref_view *y = &call->out[0];

    for (int64_t e = 0; e < y->count; e++) {
        double sum = 0;

        for (int i = 0; i < TMB_OP_INPUTS; i++) {
            if (call->in[i].data) sum += call->in[i].data[e];
        }
        y->data[e] = (float)sum;
    }
    tmb__ref_activate_all(call->attr, y);
}

/* MERGE of two: y = a b, or the larger or smaller of both. a (n, .., c) and b like a, or (n, 1, .., c):
 * the same for all places of a channel. Attribute: merge. */
static int64_t spread(const ref_view *b, const ref_view *a, int64_t e)
{
    int64_t at = 0, step = 1;

    for (int i = a->rank - 1; i >= 0; i--) {
        if (b->dim[i] > 1) at += e % a->dim[i] * step;
        step *= b->dim[i];
        e /= a->dim[i];
    }
    return at;
}

void tmb__ref_merge(const ref_call *call)
{
    const ref_view *a = &call->in[0], *b = &call->in[1], *y = &call->out[0];
    const tmb_merge merge = call->attr->merge;

    for (int64_t e = 0; e < y->count; e++) {
        const double va = a->data[e], vb = b->data[spread(b, a, e)];
        const bool takes_a = merge == TMB_MAXIMUM ? va >= vb : va <= vb;

        y->data[e] = (float)(merge == TMB_MULTIPLY ? va * vb : takes_a ? va : vb);
    }
}

/* MERGE_BWD: da = dy b and db = dy a summed over the places that share b; of a maximum or minimum, dy
 * goes to the one that was taken, to a where they are equal. */
void tmb__ref_merge_bwd(const ref_call *call)
{
    const ref_view *dy = &call->in[0], *a = &call->in[1], *b = &call->in[2];
    const ref_view *da = &call->out[0], *db = &call->out[1];
    const tmb_merge merge = call->attr->merge;

    if (db->data) memset(db->data, 0, (size_t)db->count * sizeof(float));
    for (int64_t e = 0; e < a->count; e++) {
        const int64_t at = spread(b, a, e);
        const double va = a->data[e], vb = b->data[at];
        const bool takes_a = merge == TMB_MAXIMUM ? va >= vb : va <= vb;

        if (da->data) da->data[e] = (float)(dy->data[e] * (merge == TMB_MULTIPLY ? vb : takes_a));
        if (db->data)
            db->data[at] += (float)(dy->data[e] * (merge == TMB_MULTIPLY ? va : !takes_a));
    }
}

/* Copy the parts (.., c0), (.., c1), .. to or from the whole (.., c0 + c1 + ..). */
static void join(const ref_view *whole, const ref_view *parts, int n_parts, int split)
{
    const int64_t last = ref_last(whole), rows = ref_rows(whole);
    int64_t first = 0;

    for (int i = 0; i < n_parts; i++) {
        const int64_t c = ref_last(&parts[i]);

        if (!parts[i].data) continue;
        for (int64_t r = 0; r < rows; r++) {
            float *in_whole = whole->data + r * last + first, *in_part = parts[i].data + r * c;

            memcpy(split ? in_part : in_whole, split ? in_whole : in_part,
                    (size_t)c * sizeof(float));
        }
        first += c;
    }
}

/* CONCAT: y (.., ca + cb + ..) is a, b, .. side by side on the last axis; others are equal. */
void tmb__ref_concat(const ref_call *call)
{
    join(&call->out[0], call->in, TMB_OP_INPUTS, 0);
}

/* CONCAT_BWD: da, db, .. are the pieces of dy in the same order. */
void tmb__ref_concat_bwd(const ref_call *call)
{
    join(&call->in[0], call->out, TMB_OP_OUTPUTS, 1);
}

/* RESHAPE: the same values in the same row-major order under another shape; n stays. */
void tmb__ref_reshape(const ref_call *call)
{
    memcpy(call->out[0].data, call->in[0].data, (size_t)call->out[0].count * sizeof(float));
}

/* PERMUTE: axis i + 1 of y is axis axes[i] of x; the batch stays first. Its gradient is the PERMUTE
 * that undoes it. Attribute: axes. */
void tmb__ref_permute(const ref_call *call)
{
    const ref_view *x = &call->in[0], *y = &call->out[0];
    int64_t step[5] = {0}, size = 1;

    for (int i = x->rank - 1; i >= 0; size *= x->dim[i--]) {
        int k = 0;

        while (k + 1 < x->rank && call->attr->axes[k] != i)
            k++;
        step[i == 0 ? 0 : k + 1] = size; /* in x, of the axis of y */
    }
    for (int64_t e = 0; e < y->count; e++) {
        int64_t at = 0, rest = e;

        for (int i = y->rank - 1; i >= 0; rest /= y->dim[i--])
            at += rest % y->dim[i] * step[i];
        y->data[e] = x->data[at];
    }
}

/* Place `o` of an axis made `times` longer lies between the pixels at[0] and at[1] of the short one, by
 * weight[0] and weight[1]: half-pixel centres, edges repeated, as tf.image.resize has it. */
static void between(int64_t at[2], double weight[2], int64_t o, int times, int64_t size)
{
    const double where = ((double)o + 0.5) / times - 0.5, low = floor(where);

    weight[1] = where - low;
    weight[0] = 1 - weight[1];
    at[0] = low < 0 ? 0 : (int64_t)low;
    at[1] = (int64_t)low + 1 < size ? (int64_t)low + 1 : size - 1;
}

/* UPSAMPLE: y (n, h th, w tw, c) from x (n, h, w, c) with {th, tw} = kernel: each pixel th by tw times,
 * or bilinear. After keras.layers.UpSampling2D. BWD: the same shares of dy added up. Attributes: kernel,
 * bilinear. */
static void upsample(const ref_call *call, const ref_view *small, const ref_view *large, int back)
{
    const int64_t h = small->dim[1], w = small->dim[2], c = small->dim[3];
    const int64_t rows = large->dim[1], columns = large->dim[2];

    for (int64_t p = 0; p < large->count / c; p++) {
        const int64_t r = p / columns % rows, s = p % columns;
        int64_t i[2] = {r / call->attr->kernel[0]}, j[2] = {s / call->attr->kernel[1]};
        double wi[2] = {1}, wj[2] = {1};

        if (call->attr->bilinear) between(i, wi, r, call->attr->kernel[0], h);
        if (call->attr->bilinear) between(j, wj, s, call->attr->kernel[1], w);
        for (int k = 0; k < 4; k++) {
            const int64_t at = ((p / columns / rows * h + i[k / 2]) * w + j[k % 2]) * c;
            const float share = (float)(wi[k / 2] * wj[k % 2]);

            for (int64_t e = 0; share != 0 && e < c; e++) {
                if (back)
                    small->data[at + e] += share * large->data[p * c + e];
                else
                    large->data[p * c + e] += share * small->data[at + e];
            }
        }
    }
}

void tmb__ref_upsample(const ref_call *call)
{
    memset(call->out[0].data, 0, (size_t)call->out[0].count * sizeof(float));
    upsample(call, &call->in[0], &call->out[0], 0);
}

void tmb__ref_upsample_bwd(const ref_call *call)
{
    memset(call->out[0].data, 0, (size_t)call->out[0].count * sizeof(float));
    upsample(call, &call->out[0], &call->in[0], 1);
}

/* SCALE: y = x * scale + offset. Attributes: scale, offset. Its gradient is SCALE with offset 0. */
void tmb__ref_scale(const ref_call *call)
{
    const ref_view *x = &call->in[0], *y = &call->out[0];

    for (int64_t e = 0; e < y->count; e++)
        y->data[e] = (float)((double)x->data[e] * call->attr->scale + call->attr->offset);
}
