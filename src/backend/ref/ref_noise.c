/* ref_noise.c - what is random while training: dropout and its relatives
 *
 * Element e, row-major over the n rows of the run, has a random word of its own, so that the values
 * depend on (run.seed, run.step, id) and on nothing else; the gradient makes them again. */
#include "ref.h"

#include <math.h>

#define TWO_PI 6.283185307179586

/* Word e of host->random(run.seed, run.step, id). */
static uint32_t word(const ref_call *call, int64_t e)
{
    const tmb_run *run = call->run;
    uint32_t words[4];

    call->host->random(run->seed, run->step, call->attr->id, (uint64_t)e / 4, 1, words);
    return words[e % 4];
}

/* A normal value for element e: words 2 k and 2 k + 1 give those of elements 2 k and 2 k + 1, as cosine
 * and sine. Box and Muller: A note on the generation of random normal deviates, 1958. */
static double normal(const ref_call *call, int64_t e)
{
    const double u = (word(call, e & ~(int64_t)1) + 1.0) / 0x1p32; /* above 0 */
    const double turn = TWO_PI * (word(call, e | 1) / 0x1p32);

    return sqrt(-2 * log(u)) * (e & 1 ? sin(turn) : cos(turn));
}

/* DROPOUT, by noise:
 *   DROP             y = x / (1 - rate) if word e is at least rate * 2^32, else 0; rate 1 keeps nothing
 *   DROP_CHANNELS    the same, by the word of number (sample, channel): one for all places of a channel
 *   GAUSSIAN_FACTOR  y = x (1 + normal sqrt(rate / (1 - rate)))
 *   GAUSSIAN         y = x + rate normal
 * Attributes: noise, rate, id. BWD: the same function of dy (of GAUSSIAN there is none: dx = dy). */
void tmb__ref_dropout(const ref_call *call)
{
    const ref_view *x = &call->in[0], *y = &call->out[0];
    const tmb_noise noise = call->attr->noise;
    const double rate = call->attr->rate, deviation = sqrt(rate / (1 - rate));
    const int64_t last = ref_last(x), sample = x->count / x->dim[0];

    for (int64_t e = 0; e < y->count; e++) {
        const int64_t channel = e / sample * last + e % last;
        const double v = x->data[e];

        if (noise == TMB_NOISE_GAUSSIAN)
            y->data[e] = (float)(v + rate * normal(call, e));
        else if (noise == TMB_NOISE_GAUSSIAN_FACTOR)
            y->data[e] = (float)(v * (1 + deviation * normal(call, e)));
        else if (word(call, noise == TMB_NOISE_DROP ? e : channel) >= rate * 0x1p32)
            y->data[e] = (float)(v / (1 - rate));
        else
            y->data[e] = 0;
    }
}
