/* ref_optim.c - gradient norm, optimizer steps, weight averages
 *
 * Updates as Keras 3 writes them (keras/src/optimizers). Every optimizer op works on one parameter
 * w! and its gradient g of the same shape, and on slots of that shape. In order:
 *
 *   0. `norm`, if there, is not finite: nothing is touched, so that a diverged step never
 *      reaches the weights or the slots.
 *   1. lr = run.lr * lr_scale; weight decay, decoupled: w -= lr * weight_decay * w.
 *   2. clip > 0: g * min(1, clip / norm); norm must be there. With the norm of all gradients
 *      this is Keras' global_clipnorm.
 *   3. the update.
 *
 * Attributes of all: lr_scale, weight_decay, clip. Arithmetic in double, stored in f32. */
#include "ref.h"

#include <math.h>

/* GRAD_NORM: norm (1) = square root of the sum of g^2, or over every GRAD tensor of the list. */
void tmb__ref_grad_norm(const ref_call *call)
{
    const bool one = call->in[0].data != NULL;
    const ref_view *grads = one ? call->in : call->grads;
    double sum = 0;

    for (int i = 0; i < (one ? 1 : call->n_grads); i++) {
        for (int64_t e = 0; e < grads[i].count; e++)
            sum += (double)grads[i].data[e] * grads[i].data[e];
    }
    call->out[0].data[0] = (float)sqrt(sum);
}

/* CLIP: g! * min(1, clip / norm) if norm is there, cut to -clip_value .. clip_value if that is above 0;
 * a norm or an element that is not finite stays so. Attributes: clip, clip_value. */
void tmb__ref_clip(const ref_call *call)
{
    const ref_view *g = &call->in[0], *norm = &call->in[1];
    const float clip = call->attr->clip, most = call->attr->clip_value;
    const double by = norm->data && norm->data[0] > clip ? (double)clip / norm->data[0] : 1;

    for (int64_t e = 0; e < g->count; e++) {
        const float ge = (float)(by * g->data[e]);

        g->data[e] = most > 0 && ge > most ? most : most > 0 && ge < -most ? -most : ge;
    }
}

/* Rules 0 to 2 for one op. */
typedef struct rules {
    bool skip;
    double lr, decay, clip; /* decay: factor on w; clip: factor on g */
} rules;

static rules rules_of(const ref_call *call, const ref_view *norm)
{
    const tmb_attr *attr = call->attr;
    rules s = {.lr = (double)call->run->lr * attr->lr_scale, .clip = 1};

    s.skip = norm->data && !isfinite(norm->data[0]);
    s.decay = 1 - s.lr * attr->weight_decay;
    if (attr->clip > 0 && norm->data && norm->data[0] > attr->clip)
        s.clip = (double)attr->clip / norm->data[0];
    return s;
}

/* SGD: without v: w -= lr g. With v! (momentum m): v = m v - lr g; w += v, or with nesterov
 * w += m v - lr g (the new v). Attributes: momentum, nesterov. */
void tmb__ref_sgd(const ref_call *call)
{
    const ref_view *w = &call->in[0], *g = &call->in[1], *v = &call->in[2];
    const rules s = rules_of(call, &call->in[3]);
    const double m = call->attr->momentum;

    for (int64_t e = 0; !s.skip && e < w->count; e++) {
        const double down = s.lr * s.clip * g->data[e];
        double move = -down;

        if (v->data) {
            const double velocity = m * v->data[e] - down;

            v->data[e] = (float)velocity;
            move = call->attr->nesterov ? m * velocity - down : velocity;
        }
        w->data[e] = (float)(w->data[e] * s.decay + move);
    }
}

/* The root that RMSPROP and ADAGRAD divide by: of a, or a - centre^2 if centered, with eps inside (Keras 3),
 * or outside (eps_outside; Keras 1 and 2.0). A difference that rounding made negative is 0. */
static double rms(const tmb_attr *attr, double a, double centre)
{
    const double variance = a - centre * centre;
    const double square = variance > 0 ? variance : 0;

    return attr->eps_outside ? sqrt(square) + attr->eps : sqrt(square + attr->eps);
}

/* RMSPROP: a! = rho a + (1 - rho) g^2; centered: centre! = rho centre + (1 - rho) g; move = lr g /
 * rms; with m!: m = momentum m + move, w -= m; without: w -= move.
 * Attributes: rho, eps, eps_outside, momentum (if m is there), centered (if centre is there). */
void tmb__ref_rmsprop(const ref_call *call)
{
    const ref_view *w = &call->in[0], *g = &call->in[1], *a = &call->in[2];
    const ref_view *m = &call->in[3], *centre = &call->in[4];
    const rules s = rules_of(call, &call->in[5]);
    const double rho = call->attr->rho;

    for (int64_t e = 0; !s.skip && e < w->count; e++) {
        const double ge = s.clip * g->data[e], square = rho * a->data[e] + (1 - rho) * ge * ge;
        const double mean = centre->data ? rho * centre->data[e] + (1 - rho) * ge : 0;
        double move = s.lr * ge / rms(call->attr, square, mean);

        if (m->data) move += (double)call->attr->momentum * m->data[e];
        a->data[e] = (float)square;
        if (centre->data) centre->data[e] = (float)mean;
        if (m->data) m->data[e] = (float)move;
        w->data[e] = (float)(w->data[e] * s.decay - move);
    }
}

/* ADAM: t = run.step + 1, lr_t = lr sqrt(1 - beta2^t) / (1 - beta1^t), m! += (g - m) (1 - beta1),
 * v! += (g^2 - v) (1 - beta2), vmax! = max(vmax, v); w -= lr_t m / (sqrt(v) + eps), by vmax with
 * amsgrad. Attributes: beta1, beta2, eps, amsgrad (if vmax is there). With weight_decay: AdamW. */
void tmb__ref_adam(const ref_call *call)
{
    const ref_view *w = &call->in[0], *g = &call->in[1], *m = &call->in[2], *v = &call->in[3];
    const ref_view *vmax = &call->in[4];
    const rules s = rules_of(call, &call->in[5]);
    const double b1 = call->attr->beta1, b2 = call->attr->beta2, t = (double)call->run->step + 1;
    const double lr = s.lr * sqrt(1 - pow(b2, t)) / (1 - pow(b1, t));

    for (int64_t e = 0; !s.skip && e < w->count; e++) {
        const double ge = s.clip * g->data[e];
        const double mean = m->data[e] + (ge - m->data[e]) * (1 - b1);
        double square = v->data[e] + (ge * ge - v->data[e]) * (1 - b2);

        m->data[e] = (float)mean;
        v->data[e] = (float)square;
        if (vmax->data) {
            square = fmax(vmax->data[e], square);
            vmax->data[e] = (float)square;
        }
        w->data[e] = (float)(w->data[e] * s.decay - lr * mean / (sqrt(square) + call->attr->eps));
    }
}

/* ADAGRAD: a! += g^2; w -= lr g / sqrt(a + eps), or with eps_outside (Keras 2.0) / (sqrt(a) + eps).
 * Attributes: eps, eps_outside. */
void tmb__ref_adagrad(const ref_call *call)
{
    const ref_view *w = &call->in[0], *g = &call->in[1], *a = &call->in[2];
    const rules s = rules_of(call, &call->in[3]);

    for (int64_t e = 0; !s.skip && e < w->count; e++) {
        const double ge = s.clip * g->data[e], sum = a->data[e] + ge * ge;

        a->data[e] = (float)sum;
        w->data[e] = (float)(w->data[e] * s.decay - s.lr * ge / rms(call->attr, sum, 0));
    }
}

/* ADADELTA: a! = rho a + (1 - rho) g^2; u = g sqrt(d + eps) / sqrt(a + eps); d! = rho d + (1 - rho)
 * u^2; w -= lr u. Attributes: rho, eps. */
void tmb__ref_adadelta(const ref_call *call)
{
    const ref_view *w = &call->in[0], *g = &call->in[1], *a = &call->in[2], *d = &call->in[3];
    const rules s = rules_of(call, &call->in[4]);
    const double rho = call->attr->rho, eps = call->attr->eps;

    for (int64_t e = 0; !s.skip && e < w->count; e++) {
        const double ge = s.clip * g->data[e], square = rho * a->data[e] + (1 - rho) * ge * ge;
        const double move = ge * sqrt(d->data[e] + eps) / sqrt(square + eps);

        a->data[e] = (float)square;
        d->data[e] = (float)(rho * d->data[e] + (1 - rho) * move * move);
        w->data[e] = (float)(w->data[e] * s.decay - s.lr * move);
    }
}

/* ADAMAX: m! += (g - m) (1 - beta1), u! = max(beta2 u, |g|); w -= lr m / ((1 - beta1^t) (u + eps)), t =
 * run.step + 1. Attributes: beta1, beta2, eps. */
void tmb__ref_adamax(const ref_call *call)
{
    const ref_view *w = &call->in[0], *g = &call->in[1], *m = &call->in[2], *u = &call->in[3];
    const rules s = rules_of(call, &call->in[4]);
    const double b1 = call->attr->beta1, b2 = call->attr->beta2;
    const double lr = s.lr / (1 - pow(b1, (double)call->run->step + 1));

    for (int64_t e = 0; !s.skip && e < w->count; e++) {
        const double ge = s.clip * g->data[e];
        const double mean = m->data[e] + (ge - m->data[e]) * (1 - b1);
        const double most = fmax(b2 * u->data[e], fabs(ge));

        m->data[e] = (float)mean;
        u->data[e] = (float)most;
        w->data[e] = (float)(w->data[e] * s.decay - lr * mean / (most + call->attr->eps));
    }
}

/* NADAM: u_t = beta1 (1 - 0.96^t / 2), U = product of u_1 .. u_t, t = run.step + 1; m! and v! as ADAM;
 * w -= lr (u_t+1 m / (1 - U u_t+1) + (1 - u_t) g / (1 - U)) / (sqrt(v / (1 - beta2^t)) + eps).
 * Attributes: beta1, beta2, eps. */
void tmb__ref_nadam(const ref_call *call)
{
    const ref_view *w = &call->in[0], *g = &call->in[1], *m = &call->in[2], *v = &call->in[3];
    const rules s = rules_of(call, &call->in[4]);
    const double b1 = call->attr->beta1, b2 = call->attr->beta2, t = (double)call->run->step + 1;
    const double now = b1 * (1 - 0.5 * pow(0.96, t)), next = b1 * (1 - 0.5 * pow(0.96, t + 1));
    double product = pow(b1, t);

    for (int i = 1; i <= t && i < 1000; i++) /* 0.96^1000 is below a double's last bit */
        product *= 1 - 0.5 * pow(0.96, i);
    for (int64_t e = 0; !s.skip && e < w->count; e++) {
        const double ge = s.clip * g->data[e];
        const double mean = m->data[e] + (ge - m->data[e]) * (1 - b1);
        const double square = v->data[e] + (ge * ge - v->data[e]) * (1 - b2);
        const double ahead = next * mean / (1 - product * next) + (1 - now) * ge / (1 - product);

        m->data[e] = (float)mean;
        v->data[e] = (float)square;
        w->data[e] = (float)(w->data[e] * s.decay -
                s.lr * ahead / (sqrt(square / (1 - pow(b2, t))) + call->attr->eps));
    }
}

/* LION: w -= lr sign(beta1 m + (1 - beta1) g); m! = beta2 m + (1 - beta2) g. Attributes: beta1, beta2. */
void tmb__ref_lion(const ref_call *call)
{
    const ref_view *w = &call->in[0], *g = &call->in[1], *m = &call->in[2];
    const rules s = rules_of(call, &call->in[3]);
    const double b1 = call->attr->beta1, b2 = call->attr->beta2;

    for (int64_t e = 0; !s.skip && e < w->count; e++) {
        const double ge = s.clip * g->data[e], way = b1 * m->data[e] + (1 - b1) * ge;

        m->data[e] = (float)(b2 * m->data[e] + (1 - b2) * ge);
        w->data[e] = (float)(w->data[e] * s.decay - s.lr * ((way > 0) - (way < 0)));
    }
}

/* EMA: average! = d average + (1 - d) w with d = decay, or min(decay, (1 + step) / (10 + step))
 * with warm_up, step = run.step. Attributes: decay, warm_up. */
void tmb__ref_ema(const ref_call *call)
{
    const ref_view *w = &call->in[0], *average = &call->in[1];
    const double step = (double)call->run->step, early = (1 + step) / (10 + step);
    double d = call->attr->decay;

    if (call->attr->warm_up && early < d) d = early;
    for (int64_t e = 0; e < w->count; e++)
        average->data[e] = (float)(d * average->data[e] + (1 - d) * w->data[e]);
}

/* Element e of w is the first of those that share a norm: 0 along each axis that the norm goes over. */
static bool is_first(const ref_view *w, unsigned axes, int64_t e)
{
    for (int i = w->rank - 1; i >= 0; e /= w->dim[i--]) {
        if (axes >> i & 1 && e % w->dim[i] != 0) return false;
    }
    return true;
}

/* How far behind the first the k-th of them stands; -1: there are no more. */
static int64_t behind(const ref_view *w, unsigned axes, int64_t k)
{
    int64_t at = 0, step = 1;

    for (int i = w->rank - 1; i >= 0; step *= w->dim[i--]) {
        if (!(axes >> i & 1)) continue;
        at += k % w->dim[i] * step;
        k /= w->dim[i];
    }
    return k > 0 ? -1 : at;
}

/* What w is multiplied with, by the root of the sum of its squares. */
static double held(const tmb_constraint *c, double root)
{
    const double low = c->limit == TMB_MIN_MAX_NORM ? c->min : 0;
    const double within = root < low ? low : root > c->max ? c->max : root;

    if (c->limit == TMB_UNIT_NORM) return 1 / (1e-7 + root);
    if (c->limit == TMB_MAX_NORM) return within / (1e-7 + root);
    return (c->rate * within + (1 - (double)c->rate) * root) / (1e-7 + root);
}

/* CONSTRAIN: w! = max(w, 0) if NON_NEG, else w held(norm), the norm over the axes that have a bit in
 * axes. After keras.constraints. Not if `norm`, of the gradients, is there and not finite.
 * Attribute: constraint. */
void tmb__ref_constrain(const ref_call *call)
{
    const ref_view *w = &call->in[0];
    const tmb_constraint *c = &call->attr->constraint;
    const bool norms = c->limit != TMB_NON_NEG;

    if (call->in[1].data && !isfinite(call->in[1].data[0])) return;
    for (int64_t e = 0; e < w->count; e++) {
        double sum = 0, factor;

        if (!norms) w->data[e] = w->data[e] < 0 ? 0 : w->data[e];
        if (!norms || !is_first(w, c->axes, e)) continue;
        for (int64_t k = 0, at; (at = behind(w, c->axes, k)) >= 0; k++)
            sum += (double)w->data[e + at] * w->data[e + at];
        factor = held(c, sqrt(sum));
        for (int64_t k = 0, at; (at = behind(w, c->axes, k)) >= 0; k++)
            w->data[e + at] = (float)(w->data[e + at] * factor);
    }
}
