/* ref_norm.c - batch normalisation, training and inference; layer normalisation
 *
 * x and y (..., c); statistics, gamma and beta (c). An absent gamma counts as 1, an absent beta as
 * 0. After keras.layers.BatchNormalization: mean and biased variance of all axes but the last;
 * epsilon inside the root. Attributes: eps; BN also momentum; BN and BN_INFER act, alpha. */
#include "ref.h"

#include <math.h>

static double gamma_of(const ref_view *gamma, int64_t c)
{
    return gamma->data ? gamma->data[c] : 1;
}

/* Mean and biased variance of channel c, in two passes. */
static void moments(double out[2], const ref_view *x, int64_t c)
{
    const int64_t last = ref_last(x), rows = ref_rows(x);
    double sum = 0, squares = 0;

    for (int64_t r = 0; r < rows; r++)
        sum += x->data[r * last + c];
    out[0] = sum / (double)rows;
    for (int64_t r = 0; r < rows; r++)
        squares += (x->data[r * last + c] - out[0]) * (x->data[r * last + c] - out[0]);
    out[1] = squares / (double)rows;
}

/* y[.., c] = x[.., c] * scale + shift with scale = gamma rstd, shift = beta - mean scale. */
static void normalise(const ref_view *y, const ref_view *x, int64_t c, const double line[2])
{
    const int64_t last = ref_last(x), rows = ref_rows(x);

    for (int64_t r = 0; r < rows; r++)
        y->data[r * last + c] = (float)(x->data[r * last + c] * line[0] + line[1]);
}

/* moving = momentum * moving + (1 - momentum) * batch, of mean and variance. A batch whose
 * statistics are not finite leaves both alone: a diverged step must not reach the kept state. */
static void move(const ref_call *call, int64_t c, const double batch[2])
{
    const double m = call->attr->momentum;

    if (!isfinite((float)batch[0]) || !isfinite((float)batch[1])) return;
    for (int i = 0; i < 2; i++) {
        float *moving = &call->in[3 + i].data[c];

        *moving = (float)(m * *moving + (1 - m) * batch[i]);
    }
}

/* BN: y = act(gamma (x - mean) rstd + beta) by the batch's mean and rstd = 1 / sqrt(var + eps),
 * which are kept for BN_BWD; the moving mean! and var! take a step towards the batch's. */
void tmb__ref_bn(const ref_call *call)
{
    const ref_view *x = &call->in[0], *y = &call->out[0];
    const int64_t last = ref_last(x);

    for (int64_t c = 0; c < last; c++) {
        const float *beta = call->in[2].data;
        double batch[2], rstd, line[2];

        moments(batch, x, c);
        rstd = 1 / sqrt(batch[1] + call->attr->eps);
        line[0] = gamma_of(&call->in[1], c) * rstd;
        line[1] = (beta ? beta[c] : 0) - batch[0] * line[0];
        normalise(y, x, c, line);
        call->out[1].data[c] = (float)batch[0];
        call->out[2].data[c] = (float)rstd;
        move(call, c, batch);
    }
    tmb__ref_activate_all(call->attr, y);
}

/* sum over rows of dy, and of dy xhat with xhat = (x - mean) rstd, for channel c. */
static void gradient_sums(double out[2], const ref_call *call, int64_t c, const double stat[2])
{
    const ref_view *dy = &call->in[0], *x = &call->in[1];
    const int64_t last = ref_last(x), rows = ref_rows(x);

    out[0] = out[1] = 0;
    for (int64_t r = 0; r < rows; r++) {
        const double xhat = (x->data[r * last + c] - stat[0]) * stat[1];

        out[0] += dy->data[r * last + c];
        out[1] += dy->data[r * last + c] * xhat;
    }
    if (call->out[1].data) call->out[1].data[c] = (float)out[1];
    if (call->out[2].data) call->out[2].data[c] = (float)out[0];
}

/* BN_BWD, Ioffe and Szegedy 2015, N = rows: dgamma = sum dy xhat, dbeta = sum dy,
 * dx = gamma rstd (dy - dbeta / N - xhat dgamma / N). Outputs may be absent. dy: before act. */
void tmb__ref_bn_bwd(const ref_call *call)
{
    const ref_view *dy = &call->in[0], *x = &call->in[1], *dx = &call->out[0];
    const int64_t last = ref_last(x), rows = ref_rows(x);

    for (int64_t c = 0; c < last; c++) {
        const double stat[2] = {call->in[3].data[c], call->in[4].data[c]}; /* mean, rstd */
        const double scale = gamma_of(&call->in[2], c) * stat[1];
        double sums[2];

        gradient_sums(sums, call, c, stat);
        for (int64_t r = 0; dx->data && r < rows; r++) {
            const int64_t e = r * last + c;
            const double xhat = (x->data[e] - stat[0]) * stat[1];

            dx->data[e] = (float)(scale *
                    (dy->data[e] - sums[0] / (double)rows - xhat * sums[1] / (double)rows));
        }
    }
}

/* BN_INFER: y = act(gamma (x - mean) / sqrt(var + eps) + beta) by the moving statistics; also the
 * form of a frozen layer in training, as Keras 2.0 of TensorFlow and later have it. */
void tmb__ref_bn_infer(const ref_call *call)
{
    const ref_view *x = &call->in[0], *y = &call->out[0];
    const int64_t last = ref_last(x);

    for (int64_t c = 0; c < last; c++) {
        const float *beta = call->in[2].data;
        double line[2];

        line[0] = gamma_of(&call->in[1], c) / sqrt((double)call->in[4].data[c] + call->attr->eps);
        line[1] = (beta ? beta[c] : 0) - call->in[3].data[c] * line[0];
        normalise(y, x, c, line);
    }
    tmb__ref_activate_all(call->attr, y);
}

/* BN_INFER_BWD: the statistics are constants, so dx = dy gamma rstd; dgamma and dbeta as in BN_BWD
 * with xhat by the moving statistics. Each output may be absent. */
void tmb__ref_bn_infer_bwd(const ref_call *call)
{
    const ref_view *dy = &call->in[0], *dx = &call->out[0];
    const int64_t last = ref_last(dy), rows = ref_rows(dy);

    for (int64_t c = 0; c < last; c++) {
        const double rstd = 1 / sqrt((double)call->in[4].data[c] + call->attr->eps);
        const double stat[2] = {call->in[3].data[c], rstd};
        double sums[2];

        gradient_sums(sums, call, c, stat);
        for (int64_t r = 0; dx->data && r < rows; r++)
            dx->data[r * last + c] =
                    (float)(dy->data[r * last + c] * gamma_of(&call->in[2], c) * rstd);
    }
}

/* Mean and 1 / sqrt(variance + eps) of row r of x (rows, c). */
static void row_moments(double out[2], const ref_call *call, const float *x, int64_t c)
{
    double sum = 0, squares = 0;

    for (int64_t j = 0; j < c; j++)
        sum += x[j];
    out[0] = sum / (double)c;
    for (int64_t j = 0; j < c; j++)
        squares += (x[j] - out[0]) * (x[j] - out[0]);
    out[1] = 1 / sqrt(squares / (double)c + call->attr->eps);
}

/* LN: y = gamma (x - mean) rstd + beta, mean and biased variance of each row, the last axis. After
 * keras.layers.LayerNormalization. Attribute: eps. */
void tmb__ref_ln(const ref_call *call)
{
    const ref_view *gamma = &call->in[1], *beta = &call->in[2];
    const int64_t c = ref_last(&call->in[0]), rows = ref_rows(&call->in[0]);

    for (int64_t r = 0; r < rows; r++) {
        const float *x = call->in[0].data + r * c;
        double m[2];

        row_moments(m, call, x, c);
        for (int64_t j = 0; j < c; j++)
            call->out[0].data[r * c + j] = (float)((x[j] - m[0]) * m[1] * gamma_of(gamma, j) +
                    (beta->data ? beta->data[j] : 0));
    }
}

/* dgamma = sum over rows of dy xhat, dbeta = sum of dy. */
static void ln_weights(const ref_call *call, int64_t j)
{
    const int64_t c = ref_last(&call->in[1]), rows = ref_rows(&call->in[1]);
    double sums[2] = {0};

    for (int64_t r = 0; r < rows; r++) {
        const float *x = call->in[1].data + r * c;
        const double dy = call->in[0].data[r * c + j];
        double m[2];

        row_moments(m, call, x, c);
        sums[0] += dy;
        sums[1] += dy * (x[j] - m[0]) * m[1];
    }
    if (call->out[1].data) call->out[1].data[j] = (float)sums[1];
    if (call->out[2].data) call->out[2].data[j] = (float)sums[0];
}

/* LN_BWD, with g = dy gamma and xhat = (x - mean) rstd of a row:
 * dx = rstd (g - mean of g - xhat mean of g xhat). Ba, Kiros, Hinton: Layer normalization, 2016. */
void tmb__ref_ln_bwd(const ref_call *call)
{
    const ref_view *gamma = &call->in[2], *dx = &call->out[0];
    const int64_t c = ref_last(&call->in[1]), rows = ref_rows(&call->in[1]);

    for (int64_t j = 0; j < c; j++)
        ln_weights(call, j);
    for (int64_t r = 0; dx->data && r < rows; r++) {
        const float *dy = call->in[0].data + r * c, *x = call->in[1].data + r * c;
        double m[2], sums[2] = {0};

        row_moments(m, call, x, c);
        for (int64_t j = 0; j < c; j++) {
            sums[0] += dy[j] * gamma_of(gamma, j);
            sums[1] += dy[j] * gamma_of(gamma, j) * (x[j] - m[0]) * m[1];
        }
        for (int64_t j = 0; j < c; j++) {
            const double xhat = (x[j] - m[0]) * m[1];

            dx->data[r * c + j] = (float)(m[1] *
                    (dy[j] * gamma_of(gamma, j) - (sums[0] + xhat * sums[1]) / (double)c));
        }
    }
}
