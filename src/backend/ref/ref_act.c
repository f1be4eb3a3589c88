/* ref_act.c - activations, slopes that are learned, softmax
 *
 * Formulas as Keras has them (keras.activations). Softmax is an op of its own and no `act`. */
#include "ref.h"

#include <math.h>
#include <string.h>

/* Klambauer, Unterthiner, Mayr, Hochreiter: Self-normalizing neural networks, 2017. */
#define SELU_SCALE 1.0507009873554805
#define SELU_ALPHA 1.6732632423543772
#define SQRT_HALF  0.70710678118654752
#define SQRT_2PI   2.5066282746310005
#define SQRT_2_PI  0.79788456080286536 /* sqrt(2 / pi) */
#define CUBIC      0.044715

static double sigmoid(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); /* neither overflows */
}

static double softplus(double x)
{
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

static double within(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x; /* a NaN stays one */
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
        return softplus(x);
    case TMB_GELU:
        return 0.5 * x * (1 + erf(x * SQRT_HALF));
    case TMB_SWISH:
        return x * sigmoid(x);
    case TMB_HARD_SIGMOID:
        return within(x / 6 + 0.5, 0, 1);
    case TMB_SOFTSIGN:
        return x / (1 + fabs(x));
    case TMB_EXPONENTIAL:
        return exp(x);
    case TMB_GELU_TANH:
        return 0.5 * x * (1 + tanh(SQRT_2_PI * (x + CUBIC * x * x * x)));
    case TMB_HARD_SWISH:
        return x * within(x / 6 + 0.5, 0, 1);
    case TMB_MISH:
        return x * tanh(softplus(x));
    default:
        return x;
    }
}

/* The slopes of the three without a short formula. */
static double gelu_tanh_slope(double x)
{
    const double t = tanh(SQRT_2_PI * (x + CUBIC * x * x * x));

    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * SQRT_2_PI * (1 + 3 * CUBIC * x * x);
}

static double mish_slope(double x)
{
    const double t = tanh(softplus(x));

    return t + x * (1 - t * t) * sigmoid(x);
}

/* d act / dx from y = act(x) where that is enough, else from x. At the corners (0, and 6 of RELU6) it
 * is that of the flat or lower side: relu'(0) = 0, as TensorFlow. */
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
    case TMB_HARD_SIGMOID:
        return y > 0 && y < 1 ? 1.0 / 6 : 0;
    case TMB_SOFTSIGN:
        return (1 - fabs(y)) * (1 - fabs(y));
    case TMB_EXPONENTIAL:
        return y;
    case TMB_GELU_TANH:
        return gelu_tanh_slope(x);
    case TMB_HARD_SWISH:
        return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5;
    case TMB_MISH:
        return mish_slope(x);
    default:
        return 1;
    }
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

/* ACT_BWD: dx = dy act'(x). y = act(x) is always given; x is needed for GELU, GELU_TANH, SWISH,
 * HARD_SWISH and MISH only: an op that fuses its activation never stores it. alpha is not negative. */
void tmb__ref_act_bwd(const ref_call *call)
{
    const ref_view *dy = &call->in[0], *y = &call->in[1], *x = &call->in[2], *dx = &call->out[0];

    for (int64_t e = 0; e < dx->count; e++) {
        const double from = x->data ? x->data[e] : 0;

        dx->data[e] =
                (float)(dy->data[e] * slope(call->attr->act, call->attr->alpha, y->data[e], from));
    }
}

/* Where in alpha the slope of element e of x (n, ..) stands: alpha has the axes of a sample, those that
 * share a slope being 1. */
static int64_t slope_at(const ref_view *alpha, const ref_view *x, int64_t e)
{
    int64_t at = 0, step = 1;

    for (int i = alpha->rank - 1; i >= 0; i--) {
        const int64_t size = x->dim[i + 1];

        if (alpha->dim[i] > 1) at += e % size * step;
        step *= alpha->dim[i];
        e /= size;
    }
    return at;
}

/* PRELU: y = x, at most `most` if that is set, for x > threshold; else slope (x - threshold), the slope
 * from alpha, or the attribute alpha where there is no tensor. He, Zhang, Ren, Sun: Delving deep into
 * rectifiers, 2015; the rest as keras.layers.ReLU. Attributes: alpha, threshold, most. */
void tmb__ref_prelu(const ref_call *call)
{
    const ref_view *x = &call->in[0], *alpha = &call->in[1], *y = &call->out[0];
    const double threshold = call->attr->threshold, most = call->attr->most;

    for (int64_t e = 0; e < x->count; e++) {
        const double v = x->data[e];
        const double slope = alpha->data ? alpha->data[slope_at(alpha, x, e)] : call->attr->alpha;
        const double above = most > 0 && v > most ? most : v;

        y->data[e] = (float)(v > threshold ? above : slope * (v - threshold));
    }
}

/* PRELU_BWD: dx = dy, 0 or slope dy; dalpha = sum of dy (x - threshold) over the elements below that
 * share it. At the corner x = threshold both are 0, as TensorFlow with alpha. */
void tmb__ref_prelu_bwd(const ref_call *call)
{
    const ref_view *dy = &call->in[0], *x = &call->in[1], *alpha = &call->in[2];
    const ref_view *dx = &call->out[0], *dalpha = &call->out[1];
    const double threshold = call->attr->threshold, most = call->attr->most;

    if (dalpha->data) memset(dalpha->data, 0, (size_t)dalpha->count * sizeof(float));
    for (int64_t e = 0; e < x->count; e++) {
        const int64_t at = alpha->data ? slope_at(alpha, x, e) : 0;
        const double v = x->data[e], slope = alpha->data ? alpha->data[at] : call->attr->alpha;
        const double above = most > 0 && v > most ? 0 : 1;

        if (dx->data)
            dx->data[e] = (float)(dy->data[e] *
                    (v > threshold                  ? above
                                    : v < threshold ? slope
                                                    : 0));
        if (dalpha->data && v < threshold)
            dalpha->data[at] += (float)(dy->data[e] * (v - threshold));
    }
}

/* SOFTMAX over the last axis: y[r, j] = exp(x[r, j] - max) / sum over k of exp(x[r, k] - max), or its
 * logarithm if act is TMB_LOG_SOFTMAX. */
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
            y[j] = (float)(call->attr->act == TMB_LOG_SOFTMAX ? x[j] - most - log(sum)
                                                              : exp(x[j] - most) / sum);
    }
}

/* SOFTMAX_BWD: dx[r, j] = y[r, j] (dy[r, j] - sum over k of dy[r, k] y[r, k]); of the logarithm
 * dy[r, j] - exp(y[r, j]) sum over k of dy[r, k]. */
void tmb__ref_softmax_bwd(const ref_call *call)
{
    const int64_t last = ref_last(&call->in[0]), rows = ref_rows(&call->in[0]);

    for (int64_t r = 0; r < rows; r++) {
        const float *dy = call->in[0].data + r * last, *y = call->in[1].data + r * last;
        float *dx = call->out[0].data + r * last;
        const bool log = call->attr->act == TMB_LOG_SOFTMAX;
        double dot = 0;

        for (int64_t j = 0; j < last; j++)
            dot += log ? dy[j] : (double)dy[j] * y[j];
        for (int64_t j = 0; j < last; j++)
            dx[j] = (float)(log ? dy[j] - exp(y[j]) * dot : y[j] * (dy[j] - dot));
    }
}
