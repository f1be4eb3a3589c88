/* ref_shape.c - ops that move or join values: pad, add, concatenate, reshape, scale, dropout */
#include "ref.h"

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

/* SCALE: y = x * scale + offset. Attributes: scale, offset. Its gradient is SCALE with offset 0. */
void tmb__ref_scale(const ref_call *call)
{
    const ref_view *x = &call->in[0], *y = &call->out[0];

    for (int64_t e = 0; e < y->count; e++)
        y->data[e] = (float)((double)x->data[e] * call->attr->scale + call->attr->offset);
}

/* DROPOUT: element e (row-major over the n rows of the run) is kept, and divided by 1 - rate, if
 * word e of host->random(run.seed, run.step, id) is at least rate * 2^32; else it is 0. rate 1
 * keeps nothing. Attributes: rate, id. BWD: the same function of dy; the mask is made again. */
void tmb__ref_dropout(const ref_call *call)
{
    const ref_view *x = &call->in[0], *y = &call->out[0];
    const double least = (double)call->attr->rate * 0x1p32, keep = 1 - (double)call->attr->rate;
    const tmb_run *run = call->run;
    uint32_t words[64];

    for (int64_t e = 0; e < y->count; e++) {
        if (e % 64 == 0)
            call->host->random(run->seed, run->step, call->attr->id, (uint64_t)e / 4, 16, words);
        y->data[e] = words[e % 64] >= least ? (float)(x->data[e] / keep) : 0;
    }
}
