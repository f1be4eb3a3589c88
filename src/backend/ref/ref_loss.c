/* ref_loss.c - cross-entropies with their gradient, and weight penalties
 *
 * LOSS: z (n, k) scores, t the truth, weight (n) or (n, 1), 1 if absent; loss (n) = weight l, dz
 * (n, k) = weight / n * dl/dz with n the samples of this run, so that dz is the gradient of
 * sum(weight l) / n, the mean that Keras reports. Attributes: loss, logits, smoothing s.
 *
 *   t of binary and categorical: (n, k); of sparse: (n, 1), holding the class' number.
 *   t' = t (1 - s) + s / 2 for binary; t (1 - s) + s / k for the others, sparse t first one-hot.
 *
 * logits true: z comes before sigmoid or softmax
 *   binary       l = 1/k sum of max(z, 0) - z t' + log(1 + exp(-|z|))
 *                dl/dz = (sigmoid(z) - t') / k
 *   others       l = -sum of t' log softmax(z)
 *                dl/dz = softmax(z) sum(t') - t'
 *
 * logits false: z are probabilities; clip(p) cuts to [1e-7, 1 - 1e-7] in f32 and, outside, stops
 * the gradient. As keras.losses on TensorFlow compute them:
 *   binary       p = clip(z),             l = -1/k sum of t' log p + (1 - t') log(1 - p)
 *   categorical  p = clip(z / sum of z),  l = -sum of t' log p
 *   sparse       p = clip(z),             l = -sum of t' log(p / sum of p)
 *
 * A class number that is none of 0 .. k-1 gives a NaN loss and NaN gradients. */
#include "ref.h"

#include <math.h>

#define CLIP_LOW  1e-7f
#define CLIP_HIGH (1 - 1e-7f) /* 0.99999988 */

/* One sample. */
typedef struct sample {
    const tmb_attr *attr;
    const float *z, *t;
    float *dz;     /* NULL: not wanted */
    double factor; /* of dz: weight / n */
    int64_t k;
} sample;

/* t' of class j. */
static double truth(const sample *s, int64_t j)
{
    const double smooth = s->attr->smoothing;

    if (s->attr->loss == TMB_BINARY_CROSSENTROPY) return s->t[j] * (1 - smooth) + smooth / 2;
    if (s->attr->loss == TMB_CATEGORICAL_CROSSENTROPY)
        return s->t[j] * (1 - smooth) + smooth / (double)s->k;
    if (!(s->t[0] >= 0 && s->t[0] < (float)s->k) || s->t[0] != floorf(s->t[0])) return NAN;
    return (s->t[0] == (float)j) * (1 - smooth) + smooth / (double)s->k;
}

static void give(const sample *s, int64_t j, double gradient)
{
    if (s->dz) s->dz[j] = (float)(s->factor * gradient);
}

static float clip(float p)
{
    return p < CLIP_LOW ? CLIP_LOW : p > CLIP_HIGH ? CLIP_HIGH : p;
}

static bool clipped(float p)
{
    return p < CLIP_LOW || p > CLIP_HIGH;
}

static double binary_logits(const sample *s)
{
    double sum = 0;

    for (int64_t j = 0; j < s->k; j++) {
        const double z = s->z[j], t = truth(s, j), e = exp(-fabs(z));

        sum += (z > 0 ? z : 0) - z * t + log1p(e);
        give(s, j, ((z < 0 ? e : 1) / (1 + e) - t) / (double)s->k);
    }
    return sum / (double)s->k;
}

static double binary_probabilities(const sample *s)
{
    double sum = 0;

    for (int64_t j = 0; j < s->k; j++) {
        const double p = clip(s->z[j]), t = truth(s, j);

        sum -= t * log(p) + (1 - t) * log(1 - p);
        give(s, j, clipped(s->z[j]) ? 0 : (p - t) / (p * (1 - p)) / (double)s->k);
    }
    return sum / (double)s->k;
}

/* -sum of t' log softmax(z) through log softmax(z) = z - max - log sum exp(z - max). */
static double softmax_logits(const sample *s)
{
    double most = s->z[0], sum = 0, loss = 0, all = 0;

    for (int64_t j = 1; j < s->k; j++)
        most = s->z[j] > most ? s->z[j] : most;
    for (int64_t j = 0; j < s->k; j++) {
        sum += exp(s->z[j] - most);
        all += truth(s, j);
    }
    for (int64_t j = 0; j < s->k; j++) {
        const double t = truth(s, j);

        loss -= t * (s->z[j] - most - log(sum));
        give(s, j, exp(s->z[j] - most) / sum * all - t);
    }
    return loss;
}

/* With q = z / S and g_j = -t'_j / q_j (0 where clipped): dl/dz_j = (g_j - sum of g q) / S. */
static double categorical_probabilities(const sample *s)
{
    double sum = 0, loss = 0, dot = 0;

    for (int64_t j = 0; j < s->k; j++)
        sum += s->z[j];
    for (int64_t j = 0; j < s->k; j++) {
        const float q = (float)(s->z[j] / sum);

        loss -= truth(s, j) * log(clip(q));
        dot -= clipped(q) ? 0 : truth(s, j);
    }
    for (int64_t j = 0; j < s->k; j++) {
        const float q = (float)(s->z[j] / sum);

        give(s, j, ((clipped(q) ? 0 : -truth(s, j) / q) - dot) / sum);
    }
    return loss;
}

/* With P = sum of p: l = sum(t') log P - sum of t' log p, dl/dz_j = sum(t') / P - t'_j / p_j. */
static double sparse_probabilities(const sample *s)
{
    double sum = 0, loss = 0, all = 0;

    for (int64_t j = 0; j < s->k; j++) {
        sum += clip(s->z[j]);
        all += truth(s, j);
        loss -= truth(s, j) * log(clip(s->z[j]));
    }
    for (int64_t j = 0; j < s->k; j++)
        give(s, j, clipped(s->z[j]) ? 0 : all / sum - truth(s, j) / s->z[j]);
    return loss + all * log(sum);
}

static double sample_loss(const sample *s)
{
    if (s->attr->loss == TMB_BINARY_CROSSENTROPY)
        return s->attr->logits ? binary_logits(s) : binary_probabilities(s);
    if (s->attr->logits) return softmax_logits(s);
    return s->attr->loss == TMB_CATEGORICAL_CROSSENTROPY ? categorical_probabilities(s)
                                                         : sparse_probabilities(s);
}

void tmb__ref_loss(const ref_call *call)
{
    const ref_view *z = &call->in[0], *t = &call->in[1], *weight = &call->in[2];
    const int64_t n = z->dim[0], k = z->dim[1], t_row = t->count / n;

    for (int64_t i = 0; i < n; i++) {
        const double w = weight->data ? weight->data[i] : 1;
        const sample s = {
                .attr = call->attr,
                .z = z->data + i * k,
                .t = t->data + i * t_row,
                .dz = call->out[1].data ? call->out[1].data + i * k : NULL,
                .factor = w / (double)n,
                .k = k,
        };

        call->out[0].data[i] = (float)(w * sample_loss(&s));
    }
}

/* PENALTY: value (1) = l1 sum |w| + l2 sum w^2, without a factor 1/2, as keras.regularizers; and
 * g! += l1 sign(w) + 2 l2 w if g is there. Attributes: l1, l2. */
void tmb__ref_penalty(const ref_call *call)
{
    const ref_view *w = &call->in[0], *g = &call->in[1];
    const double l1 = call->attr->l1, l2 = call->attr->l2;
    double value = 0;

    for (int64_t e = 0; e < w->count; e++) {
        const double we = w->data[e], sign = (we > 0) - (we < 0);

        value += l1 * fabs(we) + l2 * we * we;
        if (g->data) g->data[e] = (float)(g->data[e] + l1 * sign + 2 * l2 * we);
    }
    call->out[0].data[0] = (float)value;
}
