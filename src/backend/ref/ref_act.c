/* ref_act.c - activations and softmax
 *
 * Formulas as Keras has them (keras.activations). Softmax is an op of its own and no `act`. */
#include "ref.h"

#include <math.h>

/* Klambauer, Unterthiner, Mayr, Hochreiter: Self-normalizing neural networks, 2017. */
#define SELU_SCALE 1.0507009873554805
#define SELU_ALPHA 1.6732632423543772
#define SQRT_HALF  0.70710678118654752
#define SQRT_2PI   2.5066282746310005

static double sigmoid(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); /* neither overflows */
}

double tmb__ref_activate(tmb_activation act, float alpha, double x)
{
    switch (act) {
    case TMB_RELU:
        return x < 0 ? 0 : x; /* a NaN stays one */
    case TMB_RELU6:
        return x < 0 ? 0 : x > 6 ? 6 : x;
    case TMB_LEAKY_RELU:
        return x > 0 ? x : alpha * x;
    case TMB_ELU:
        return x > 0 ? x : alpha * expm1(x);
    case TMB_SELU:
        return SELU_SCALE * (x > 0 ? x : SELU_ALPHA * expm1(x));
    case TMB_SIGMOID:
        return sigmoid(x);
    case TMB_TANH:
        return tanh(x);
    case TMB_SOFTPLUS:
        return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
    case TMB_GELU:
        return 0.5 * x * (1 + erf(x * SQRT_HALF));
    case TMB_SWISH:
        return x * sigmoid(x);
    case TMB_LINEAR:
    case TMB_SOFTMAX:
        break;
    }
    return x;
}

/* d act / dx from y = act(x) where that is enough, from x for GELU and SWISH. At the corners
 * (0, and 6 of RELU6) it is that of the flat or lower side: relu'(0) = 0, as TensorFlow. */
static double slope(tmb_activation act, float alpha, double y, double x)
{
    switch (act) {
    case TMB_RELU:
        return y > 0;
    case TMB_RELU6:
        return y > 0 && y < 6;
    case TMB_LEAKY_RELU:
        return y > 0 ? 1 : alpha;
    case TMB_ELU:
        return y > 0 ? 1 : y + alpha;
    case TMB_SELU:
        return y > 0 ? SELU_SCALE : y + SELU_SCALE * SELU_ALPHA;
    case TMB_SIGMOID:
        return y * (1 - y);
    case TMB_TANH:
        return 1 - y * y;
    case TMB_SOFTPLUS:
        return -expm1(-y); /* sigmoid(x) */
    case TMB_GELU:
        return 0.5 * (1 + erf(x * SQRT_HALF)) + x * exp(-x * x / 2) / SQRT_2PI;
    case TMB_SWISH:
        return sigmoid(x) * (1 + x * (1 - sigmoid(x)));
    case TMB_LINEAR:
    case TMB_SOFTMAX:
        break;
    }
    return 1;
}

void tmb__ref_activate_all(const tmb_attr *attr, const ref_view *y)
{
    if (attr->act == TMB_LINEAR) return;
    for (int64_t e = 0; e < y->count; e++)
        y->data[e] = (float)tmb__ref_activate(attr->act, attr->alpha, y->data[e]);
}

/* ACT: y = act(x), element by element, any shape. Attributes: act, alpha. */
void tmb__ref_act(const ref_call *call)
{
    const ref_view *x = &call->in[0], *y = &call->out[0];

    for (int64_t e = 0; e < y->count; e++)
        y->data[e] = (float)tmb__ref_activate(call->attr->act, call->attr->alpha, x->data[e]);
}

/* ACT_BWD: dx = dy act'(x). y = act(x) is always given; x is needed for GELU and SWISH only: an op
 * that fuses its activation never stores it. alpha is not negative. */
void tmb__ref_act_bwd(const ref_call *call)
{
    const ref_view *dy = &call->in[0], *y = &call->in[1], *x = &call->in[2], *dx = &call->out[0];

    for (int64_t e = 0; e < dx->count; e++) {
        const double from = x->data ? x->data[e] : 0;

        dx->data[e] =
                (float)(dy->data[e] * slope(call->attr->act, call->attr->alpha, y->data[e], from));
    }
}

/* SOFTMAX over the last axis: y[r, j] = exp(x[r, j] - max) / sum over k of exp(x[r, k] - max). */
void tmb__ref_softmax(const ref_call *call)
{
    const int64_t last = ref_last(&call->in[0]), rows = ref_rows(&call->in[0]);

    for (int64_t r = 0; r < rows; r++) {
        const float *x = call->in[0].data + r * last;
        float *y = call->out[0].data + r * last;
        double most = x[0], sum = 0;

        for (int64_t j = 1; j < last; j++)
            most = x[j] > most ? x[j] : most;
        for (int64_t j = 0; j < last; j++)
            sum += exp(x[j] - most);
        for (int64_t j = 0; j < last; j++)
            y[j] = (float)(exp(x[j] - most) / sum);
    }
}

/* SOFTMAX_BWD: dx[r, j] = y[r, j] (dy[r, j] - sum over k of dy[r, k] y[r, k]). */
void tmb__ref_softmax_bwd(const ref_call *call)
{
    const int64_t last = ref_last(&call->in[0]), rows = ref_rows(&call->in[0]);

    for (int64_t r = 0; r < rows; r++) {
        const float *dy = call->in[0].data + r * last, *y = call->in[1].data + r * last;
        float *dx = call->out[0].data + r * last;
        double dot = 0;

        for (int64_t j = 0; j < last; j++)
            dot += (double)dy[j] * y[j];
        for (int64_t j = 0; j < last; j++)
            dx[j] = (float)(y[j] * (dy[j] - dot));
    }
}
