/* colour.c - random changes of colour: channel shift, gain, saturation, contrast, brightness
 *
 * Ours are linear, so they make one 3x3 matrix and one offset, applied in one pass with the clip to
 * 0..255 and the net's scale behind it:
 *
 *   gain        x_k = g_k x_k
 *   saturation  x   = grey + s (x - grey),   grey = (299 R + 587 G + 114 B) / 1000
 *   contrast    x   = M + c (x - M),         M the photo's mean grey
 *   brightness  x   = f x
 *
 * Keras' brightness goes through an 8-bit picture (affine_transformations.py: apply_brightness_shift)
 * and is kept as it is, era by era.
 *
 * Loops run over LANES values, a multiple of 3 and of every vector's width, so that a lane always
 * holds the same channel and a compiler can take several lanes at once. The matrix then reads: value i
 * is a sum over the values i-2 .. i+2, with weight 0 for those of another pixel. */
#include "data/augment.h"

#include <math.h>
#include <string.h>

enum { LANES = 48, REACH = 2, TAPS = 2 * REACH + 1 };

static const double grey_of[3] = {0.299, 0.587, 0.114};

static bool has_linear(const tmb_transform *t)
{
    return t->contrast != 0 || t->saturation != 0 || t->gain[0] != 0 || t->gain[1] != 0 ||
            t->gain[2] != 0;
}

static bool has_shift(const tmb_transform *t)
{
    const double *by = t->channel_shift_intensity;

    return by[0] != 0 || by[1] != 0 || by[2] != 0 || by[3] != 0;
}

bool tmb__colour_any(const tmb_transform *t)
{
    return has_shift(t) || t->has_brightness || has_linear(t);
}

static float clip(float v, float lo, float hi)
{
    v = v < lo ? lo : v;
    return v > hi ? hi : v;
}

/* ---- lanes ---- */

static void spread(float lanes[LANES], const float *by_channel, int channels)
{
    for (int i = 0; i < LANES; i++)
        lanes[i] = by_channel[i % channels];
}

/* Copies of a constant size cost nothing; only a photo's last values are fewer. */
static void load(float lanes[LANES], const float *x, int64_t n)
{
    if (n >= LANES) {
        memcpy(lanes, x, LANES * sizeof *x);
    } else {
        memcpy(lanes, x, (size_t)n * sizeof *x);
    }
}

static void store(float *x, const float lanes[LANES], int64_t n)
{
    if (n >= LANES) {
        memcpy(x, lanes, LANES * sizeof *x);
    } else {
        memcpy(x, lanes, (size_t)n * sizeof *x);
    }
}

static void find_extent(const float *x, int64_t n, float *lo, float *hi)
{
    float v[LANES], low[LANES], high[LANES];

    spread(v, x, 1);
    memcpy(low, v, sizeof low);
    memcpy(high, v, sizeof high);
    for (int64_t from = 0; from < n; from += LANES) {
        load(v, x + from, n - from);
        for (int i = 0; i < LANES; i++) {
            low[i] = v[i] < low[i] ? v[i] : low[i];
            high[i] = v[i] > high[i] ? v[i] : high[i];
        }
    }
    *lo = low[0];
    *hi = high[0];
    for (int i = 1; i < LANES; i++) {
        *lo = low[i] < *lo ? low[i] : *lo;
        *hi = high[i] > *hi ? high[i] : *hi;
    }
}

/* A lane adds up some thousand values of at most 255, which a float does to six digits. */
static void find_means(const float *x, int64_t n, int channels, double mean[4])
{
    float v[LANES], sum[LANES] = {0};

    for (int64_t from = 0; from < n; from += LANES) {
        memset(v, 0, sizeof v);
        load(v, x + from, n - from);
        for (int i = 0; i < LANES; i++)
            sum[i] += v[i];
    }
    for (int i = 0; i < LANES; i++)
        mean[i % channels] += (double)sum[i] * channels / (double)n;
}

static void run_scale(float *x, int64_t n, int channels, const float *scale, const float *shift)
{
    float v[LANES] = {0}, by[LANES], plus[LANES];

    spread(by, scale, channels);
    spread(plus, shift, channels);
    for (int64_t from = 0; from < n; from += LANES) {
        load(v, x + from, n - from);
        for (int i = 0; i < LANES; i++)
            v[i] = v[i] * by[i] + plus[i];
        store(x + from, v, n - from);
    }
}

/* ---- Keras' ---- */

/* Clipped to what the whole photo had before. */
static void shift_channels(const tmb_transform *t, float *x, int64_t n, int channels)
{
    float by_channel[4], v[LANES] = {0}, by[LANES], lo, hi;

    for (int k = 0; k < 4; k++)
        by_channel[k] = (float)t->channel_shift_intensity[k];
    find_extent(x, n, &lo, &hi);
    spread(by, by_channel, channels);
    for (int64_t from = 0; from < n; from += LANES) {
        load(v, x + from, n - from);
        for (int i = 0; i < LANES; i++)
            v[i] = clip(v[i] + by[i], lo, hi);
        store(x + from, v, n - from);
    }
}

/* Pillow's blend of black and the picture: outside of 0..1 clipped, then cut to a whole number. */
static float blend_with_black(float v, float factor)
{
    return truncf(clip(factor * v, 0, 255));
}

/* Keras 2.1.5 to 2.8 stretch the contrast to 0..255 first and leave it so. Later ones do that only to
 * pixels outside 0..255, and undo it. A fourth channel is Pillow's alpha, which keeps its values. */
static int keras_brightness(const tmb__colour *how, float *x, int64_t n)
{
    const bool older = how->preset == TMB_PRESET_KERAS2;
    float lo, hi, extent;
    bool stretch;

    if (how->channels == 2)
        return tmb__fail(TMB_EINVAL, "brightness as in Keras: 2 channels, expected 1, 3 or 4");
    find_extent(x, n, &lo, &hi);
    stretch = older || lo < 0 || hi > 255;
    extent = hi - lo;
    for (int64_t i = 0; i < n; i++) {
        float v = x[i];

        if (stretch) {
            v -= lo;
            if (extent != 0) v /= extent;
            v *= 255;
        }
        v = truncf(v);
        if (how->channels < 4 || i % 4 < 3)
            v = blend_with_black(v, (float)how->transform->brightness);
        if (stretch && !older) v = v / 255 * extent + lo;
        x[i] = v;
    }
    return 0;
}

/* ---- ours ---- */

/* Weights of the values i-2 .. i+2 for each lane i, and what is added. */
typedef struct mixer {
    float tap[TAPS][LANES], add[LANES];
} mixer;

static void find_mixer(mixer *out, const tmb_transform *t, const float *x, int64_t n, int channels)
{
    const bool colours = channels >= 3;
    const double f = t->has_brightness ? t->brightness : 1;
    const double s = colours ? 1 + t->saturation : 1, c = 1 + t->contrast;
    double mean[4] = {0}, middle = 0;

    if (c != 1) find_means(x, n, channels, mean);
    for (int k = 0; k < TMB_MIN(channels, 3); k++)
        middle += (colours ? grey_of[k] : 1.0 / channels) * (1 + t->gain[k]) * mean[k];
    for (int i = 0; i < LANES; i++) {
        const int k = i % channels;

        out->add[i] = (float)(k < 3 ? f * (1 - c) * middle : 0);
        for (int tap = 0; tap < TAPS; tap++) {
            const int j = k + tap - REACH; /* channel of that value, if it is of the same pixel */
            const bool same = j >= 0 && j < TMB_MIN(channels, 3) && k < 3;
            const double grey = !same || !colours ? 0 : grey_of[j];

            out->tap[tap][i] = (float)(j == 3 && k == 3 ? 1
                            : same ? f * c * (1 + t->gain[j]) * ((j == k) * s + (1 - s) * grey)
                                   : 0);
        }
    }
}

static void run_mixer(
        const mixer *m, float *x, int64_t n, int channels, const float *scale, const float *shift)
{
    float padded[LANES + 2 * REACH] = {0}, v[LANES], by[LANES], plus[LANES];

    spread(by, scale, channels);
    spread(plus, shift, channels);
    for (int64_t from = 0; from < n; from += LANES) {
        load(padded + REACH, x + from, n - from);
        for (int i = 0; i < LANES; i++) {
            float sum = m->tap[0][i] * padded[i] + m->tap[1][i] * padded[i + 1];

            sum += m->tap[2][i] * padded[i + 2];
            sum += m->tap[3][i] * padded[i + 3] + m->tap[4][i] * padded[i + 4];
            v[i] = clip(sum + m->add[i], 0, 255) * by[i] + plus[i];
        }
        store(x + from, v, n - from);
    }
}

/* Copies for wider registers. Every lane is on its own, so all give the same bits. */
#if defined(__x86_64__)
__attribute__((flatten, target("avx2"))) static void run_mixer_avx2(
        const mixer *m, float *x, int64_t n, int channels, const float *scale, const float *shift)
{
    run_mixer(m, x, n, channels, scale, shift);
}

__attribute__((flatten, target("avx512f"))) static void run_mixer_avx512(
        const mixer *m, float *x, int64_t n, int channels, const float *scale, const float *shift)
{
    run_mixer(m, x, n, channels, scale, shift);
}

static void run_mixer_best(
        const mixer *m, float *x, int64_t n, int channels, const float *scale, const float *shift)
{
    if (tmb__isa_allowed(TMB_ISA_AVX512) && __builtin_cpu_supports("avx512f")) {
        run_mixer_avx512(m, x, n, channels, scale, shift);
    } else if (tmb__isa_allowed(TMB_ISA_AVX2) && __builtin_cpu_supports("avx2")) {
        run_mixer_avx2(m, x, n, channels, scale, shift);
    } else {
        run_mixer(m, x, n, channels, scale, shift);
    }
}
#else
static void run_mixer_best(
        const mixer *m, float *x, int64_t n, int channels, const float *scale, const float *shift)
{
    run_mixer(m, x, n, channels, scale, shift);
}
#endif

int tmb__colour_run(const tmb__colour *how, float *x, int64_t pixels)
{
    const bool keras = how->preset != TMB_PRESET_CORRECT && how->transform->has_brightness;
    const int channels = how->channels;
    const int64_t n = pixels * channels;
    tmb_transform ours = *how->transform;
    mixer m;

    if (has_shift(&ours)) shift_channels(&ours, x, n, channels);
    if (keras) {
        TMB_TRY(keras_brightness(how, x, n));
        ours.has_brightness = false;
    }
    if (!ours.has_brightness && !has_linear(&ours)) {
        run_scale(x, n, channels, how->scale, how->shift);
        return 0;
    }
    find_mixer(&m, &ours, x, n, channels);
    run_mixer_best(&m, x, n, channels, how->scale, how->shift);
    return 0;
}
