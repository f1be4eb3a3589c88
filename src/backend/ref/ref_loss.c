/* ref_loss.c - losses with their gradient, and weight penalties
 *
 * LOSS: z (n, k) scores, t (n, k) the truth, of the sparse loss (n, 1), weight (n) or (n, 1), 1 if
 * absent; loss (n) = weight l, dz (n, k) = weight / n * dl/dz with n the samples of this run, so that
 * dz is the gradient of sum(weight l) / n, the mean that Keras reports; without the / n if `sum`.
 * Attributes: loss, sum, and those that host->loss looks at; what l is stands there (loss_row.c). */
#include "ref.h"

#include <math.h>

void tmb__ref_loss(const ref_call *call)
{
    const ref_view *z = &call->in[0], *t = &call->in[1], *weight = &call->in[2];
    const int64_t n = z->dim[0], k = z->dim[1], t_row = t->count / n;

    for (int64_t i = 0; i < n; i++) {
        const double w = weight->data ? weight->data[i] : 1;
        const tmb_loss_row row = {
                .attr = call->attr,
                .z = z->data + i * k,
                .t = t->data + i * t_row,
                .dz = call->out[1].data ? call->out[1].data + i * k : NULL,
                .factor = call->attr->sum ? w : w / (double)n,
                .k = k,
        };

        call->out[0].data[i] = (float)(w * call->host->loss(&row));
    }
}

/* PENALTY: value (1) = l1 sum |w| + l2 sum w^2, without a factor 1/2, as keras.regularizers; and
 * g! += l1 sign(w) + 2 l2 w if g is there; w - start in the place of w if start is. Attributes: l1, l2. */
void tmb__ref_penalty(const ref_call *call)
{
    const ref_view *w = &call->in[0], *g = &call->in[1], *start = &call->in[2];
    const double l1 = call->attr->l1, l2 = call->attr->l2;
    double value = 0;

    for (int64_t e = 0; e < w->count; e++) {
        const double we = w->data[e] - (start->data ? (double)start->data[e] : 0),
                     sign = (we > 0) - (we < 0);

        value += l1 * fabs(we) + l2 * we * we;
        if (g->data) g->data[e] = (float)(g->data[e] + l1 * sign + 2 * l2 * we);
    }
    call->out[0].data[0] = (float)value;
}
