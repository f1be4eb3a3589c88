/* loss_row.c - every loss, with its gradient, of one sample's row of scores
 *
 * Lent to the backends by the host, since its work is nothing beside a net's; validation computes its
 * losses here too. z (k) scores, t the truth, l the loss; dz (k) = factor dl/dz. Attributes: loss, logits,
 * smoothing s, gamma, alpha, balanced (focal), delta (Huber).
 *
 *   t of the sparse loss: (1), holding the class' number; of all others: (k).
 *   t' = t (1 - s) + s / 2 for the binary ones; t (1 - s) + s / k for the categorical ones, sparse t
 *   first one-hot; t for the rest.
 *
 * logits true (cross-entropies only): z comes before sigmoid or softmax
 *   binary       l = 1/k sum of max(z, 0) - z t' + log(1 + exp(-|z|))
 *                dl/dz = (sigmoid(z) - t') / k
 *   categorical  l = -sum of t' log softmax(z)
 *                dl/dz = softmax(z) sum(t') - t'
 *
 * logits false: z are probabilities; clip(p) cuts to [1e-7, 1 - 1e-7] in f32 and, outside, stops
 * the gradient. As keras.losses on TensorFlow compute them:
 *   binary       p = clip(z),             l = -1/k sum of t' log p + (1 - t') log(1 - p)
 *   categorical  p = clip(z / sum of z),  l = -sum of t' log p
 *   sparse       p = clip(z),             l = -sum of t' log(p / sum of p)
 *
 * The focal losses weigh each term of these by how far it is missed: binary by (1 - p_t)^gamma, p_t =
 * t' p + (1 - t') (1 - p), and with `balanced` by t' alpha + (1 - t') (1 - alpha); categorical by alpha
 * (1 - p)^gamma. The rest, from z as it is, stand at element() and below it.
 *
 * A class number that is none of 0 .. k-1 gives a NaN loss and NaN gradients. */
#include "backend/backend.h"

#include <math.h>

#define CLIP_LOW  1e-7f
#define CLIP_HIGH (1 - 1e-7f) /* 0.99999988 */

static bool is_focal(const tmb_loss_row *s)
{
    return s->attr->loss == TMB_BINARY_FOCAL || s->attr->loss == TMB_CATEGORICAL_FOCAL;
}

static bool is_binary(const tmb_loss_row *s)
{
    return s->attr->loss == TMB_BINARY_CROSSENTROPY || s->attr->loss == TMB_BINARY_FOCAL;
}

/* t' of class j. */
static double truth(const tmb_loss_row *s, int64_t j)
{
    const double smooth = s->attr->smoothing;

    if (is_binary(s)) return s->t[j] * (1 - smooth) + smooth / 2;
    if (s->attr->loss != TMB_SPARSE_CATEGORICAL_CROSSENTROPY)
        return s->t[j] * (1 - smooth) + smooth / (double)s->k;
    if (!(s->t[0] >= 0 && s->t[0] < (float)s->k) || s->t[0] != floorf(s->t[0])) return NAN;
    return (s->t[0] == (float)j) * (1 - smooth) + smooth / (double)s->k;
}

/* x, or `low` where it is less; a NaN stays one. */
static double above(double x, double low)
{
    return x < low ? low : x;
}

static void give(const tmb_loss_row *s, int64_t j, double gradient)
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

/* One output's cross-entropy: its probability, loss, gradient, and dp/dz. */
typedef struct term {
    double p, loss, gradient, slope;
} term;

static term binary_term(const tmb_loss_row *s, int64_t j)
{
    const double z = s->z[j], t = truth(s, j), e = exp(-fabs(z)), c = clip(s->z[j]);
    const double p = (z < 0 ? e : 1) / (1 + e);

    if (s->attr->logits)
        return (term){p, (z > 0 ? z : 0) - z * t + log1p(e), p - t, e / ((1 + e) * (1 + e))};
    return (term){z, -(t * log(c) + (1 - t) * log(1 - c)),
            clipped(s->z[j]) ? 0 : (c - t) / (c * (1 - c)), 1};
}

/* d(miss^gamma b)/dz = miss^gamma db/dz - gamma miss^(gamma - 1) (2 t - 1) dp/dz b. */
static double binary(const tmb_loss_row *s)
{
    const double gamma = is_focal(s) ? s->attr->gamma : 0, k = (double)s->k;
    double sum = 0;

    for (int64_t j = 0; j < s->k; j++) {
        const term b = binary_term(s, j);
        const double t = truth(s, j), miss = above(t + b.p - 2 * t * b.p, 0);
        const double share = s->attr->balanced && is_focal(s)
                ? t * s->attr->alpha + (1 - t) * (1 - s->attr->alpha)
                : 1;
        double gradient = pow(miss, gamma) * b.gradient;

        if (gamma > 0 && miss > 0)
            gradient -= gamma * pow(miss, gamma - 1) * (2 * t - 1) * b.slope * b.loss;
        sum += share * pow(miss, gamma) * b.loss;
        give(s, j, share * gradient / k);
    }
    return sum / k;
}

/* With l_j = -alpha (1 - q)^gamma t' log q: *loss is l_j, the result q dl_j/dq. */
static double categorical_term(
        const tmb_loss_row *s, double t, double q, double log_q, double *loss)
{
    const double gamma = is_focal(s) ? s->attr->gamma : 0, alpha = is_focal(s) ? s->attr->alpha : 1;
    const double miss = pow(1 - q, gamma);
    double slope = miss;

    if (gamma > 0 && q < 1) slope -= gamma * pow(1 - q, gamma - 1) * q * log_q;
    *loss = -alpha * miss * t * log_q;
    return -alpha * slope * t;
}

/* log softmax(z) = z - max - log sum exp(z - max); with h = q dl/dq, dl/dz = h - q sum of h. */
static double softmax_logits(const tmb_loss_row *s)
{
    double most = s->z[0], sum = 0, loss = 0, all = 0, one;

    for (int64_t j = 1; j < s->k; j++)
        most = s->z[j] > most ? s->z[j] : most;
    for (int64_t j = 0; j < s->k; j++)
        sum += exp(s->z[j] - most);
    for (int64_t j = 0; j < s->k; j++) {
        const double log_q = s->z[j] - most - log(sum);

        all += categorical_term(s, truth(s, j), exp(log_q), log_q, &one);
        loss += one;
    }
    for (int64_t j = 0; j < s->k; j++) {
        const double log_q = s->z[j] - most - log(sum), q = exp(log_q);

        give(s, j, categorical_term(s, truth(s, j), q, log_q, &one) - q * all);
    }
    return loss;
}

/* With q = z / S and g_j = dl/dq_j (0 where clipped): dl/dz_j = (g_j - sum of g q) / S. */
static double categorical_probabilities(const tmb_loss_row *s)
{
    double sum = 0, loss = 0, dot = 0, one;

    for (int64_t j = 0; j < s->k; j++)
        sum += s->z[j];
    for (int64_t j = 0; j < s->k; j++) {
        const float q = (float)(s->z[j] / sum), c = clip(q);
        const double slope = categorical_term(s, truth(s, j), c, log(c), &one);

        loss += one;
        dot += clipped(q) ? 0 : slope;
    }
    for (int64_t j = 0; j < s->k; j++) {
        const float q = (float)(s->z[j] / sum), c = clip(q);
        const double slope = categorical_term(s, truth(s, j), c, log(c), &one);

        give(s, j, ((clipped(q) ? 0 : slope / c) - dot) / sum);
    }
    return loss;
}

/* With P = sum of p: l = sum(t') log P - sum of t' log p, dl/dz_j = sum(t') / P - t'_j / p_j. */
static double sparse_probabilities(const tmb_loss_row *s)
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

/* One element's loss and *g = dl/dp; their mean over k is the sample's (KL divergence: the sum).
 * A bound stops the gradient. */
static double element(const tmb_attr *attr, double t, double p, double *g)
{
    const double e = p - t, size = fabs(e), sign = (e > 0) - (e < 0), low = 1e-7f;

    switch (attr->loss) {
    case TMB_HINGE: /* max(1 - t p, 0) */
        *g = 1 - t * p > 0 ? -t : 0;
        return above(1 - t * p, 0);
    case TMB_SQUARED_HINGE:
        *g = -2 * t * above(1 - t * p, 0);
        return above(1 - t * p, 0) * above(1 - t * p, 0);
    case TMB_HUBER: /* e^2 / 2, a line from delta on */
        *g = size <= attr->delta ? e : attr->delta * sign;
        return size <= attr->delta ? e * e / 2 : attr->delta * (size - (double)attr->delta / 2);
    case TMB_LOG_COSH: /* |e| + log(1 + exp(-2 |e|)) - log 2 */
        *g = tanh(e);
        return size + log1p(exp(-2 * size)) - log(2);
    case TMB_MEAN_ABSOLUTE_ERROR:
        *g = sign;
        return size;
    case TMB_MEAN_ABSOLUTE_PERCENTAGE_ERROR: /* 100 |e| / max(|t|, 1e-7) */
        *g = 100 * sign / above(fabs(t), low);
        return 100 * size / above(fabs(t), low);
    case TMB_MEAN_SQUARED_LOGARITHMIC_ERROR: { /* of log(1 + max(x, 1e-7)) */
        const double d = log1p(above(p, low)) - log1p(above(t, low));

        *g = p > low ? 2 * d / (1 + p) : 0;
        return d * d;
    }
    case TMB_KL_DIVERGENCE: { /* t log(t / p), both cut to [1e-7, 1] */
        const double tc = -above(-above(t, low), -1), pc = -above(-above(p, low), -1);

        *g = pc == p ? -tc / pc : 0;
        return tc * log(tc / pc);
    }
    case TMB_POISSON: /* p - t log(p + 1e-7) */
        *g = 1 - t / (p + low);
        return p - t * log(p + low);
    default: /* TMB_MEAN_SQUARED_ERROR */
        *g = 2 * e;
        return e * e;
    }
}

/* The hinges want -1 and 1: a sample whose truths are all 0 or 1 gets them. */
static bool wants_signs(const tmb_loss_row *s)
{
    if (s->attr->loss != TMB_HINGE && s->attr->loss != TMB_SQUARED_HINGE) return false;
    for (int64_t j = 0; j < s->k; j++) {
        if (s->t[j] != 0 && s->t[j] != 1) return false;
    }
    return true;
}

static double elements(const tmb_loss_row *s)
{
    const double parts = s->attr->loss == TMB_KL_DIVERGENCE ? 1 : (double)s->k;
    const bool signs = wants_signs(s);
    double sum = 0, g;

    for (int64_t j = 0; j < s->k; j++) {
        sum += element(s->attr, signs ? 2 * s->t[j] - 1 : s->t[j], s->z[j], &g);
        give(s, j, g / parts);
    }
    return sum / parts;
}

/* max(1 + largest (1 - t) p - sum of t p, 0). */
static double categorical_hinge(const tmb_loss_row *s)
{
    double right = 0, most = -INFINITY, loss;
    int64_t at = 0;

    for (int64_t j = 0; j < s->k; j++) {
        const double wrong = (1.0 - s->t[j]) * s->z[j];

        right += (double)s->t[j] * s->z[j];
        if (!(wrong <= most)) {
            most = wrong;
            at = j;
        }
    }
    loss = 1 + most - right;
    for (int64_t j = 0; j < s->k; j++)
        give(s, j, loss > 0 ? (j == at ? 1.0 - s->t[j] : 0) - s->t[j] : 0);
    return above(loss, 0);
}

/* -t.p / (|t| |p|), neither length taken below 1e-7. */
static double cosine(const tmb_loss_row *s)
{
    double tt = 0, pp = 0, tp = 0, t_len, p_len, along;

    for (int64_t j = 0; j < s->k; j++) {
        tt += (double)s->t[j] * s->t[j];
        pp += (double)s->z[j] * s->z[j];
        tp += (double)s->t[j] * s->z[j];
    }
    t_len = above(sqrt(tt), 1e-7f);
    p_len = above(sqrt(pp), 1e-7f);
    along = sqrt(pp) > 1e-7f ? tp / (t_len * p_len * pp) : 0;
    for (int64_t j = 0; j < s->k; j++)
        give(s, j, along * s->z[j] - s->t[j] / (t_len * p_len));
    return -tp / (t_len * p_len);
}

double tmb__loss_row(const tmb_loss_row *s)
{
    switch (s->attr->loss) {
    case TMB_BINARY_CROSSENTROPY:
    case TMB_BINARY_FOCAL:
        return binary(s);
    case TMB_CATEGORICAL_CROSSENTROPY:
    case TMB_CATEGORICAL_FOCAL:
        return s->attr->logits ? softmax_logits(s) : categorical_probabilities(s);
    case TMB_SPARSE_CATEGORICAL_CROSSENTROPY:
        return s->attr->logits ? softmax_logits(s) : sparse_probabilities(s);
    case TMB_CATEGORICAL_HINGE:
        return categorical_hinge(s);
    case TMB_COSINE_SIMILARITY:
        return cosine(s);
    default:
        return elements(s);
    }
}
