/* sample_paint.c - patterns made of noise, waves and cells
 *
 * Noise is value noise: hashes at the corners of a unit grid, smoothly joined; "turbulence" sums
 * three octaves. Edges are ramps of width `soft`, which is what keeps fine patterns from sparkling.
 */
#include "sample_paint.h"

static float hash_at(int i, int j, uint32_t seed)
{
    const uint64_t cell = (uint64_t)(uint32_t)i << 32 | (uint32_t)j;

    return (float)(sample_hash(cell ^ (uint64_t)seed * 0x9e3779b97f4a7c15u) >> 40) * 0x1p-24f;
}

float sample_noise(float u, float v, uint32_t seed)
{
    const int i = f_floor(u), j = f_floor(v);
    const float x = u - (float)i, y = v - (float)j;
    const float sx = x * x * (3 - 2 * x), sy = y * y * (3 - 2 * y);
    const float low = f_mix(hash_at(i, j, seed), hash_at(i + 1, j, seed), sx);
    const float high = f_mix(hash_at(i, j + 1, seed), hash_at(i + 1, j + 1, seed), sx);

    return f_mix(low, high, sy);
}

static float turbulence(float u, float v, uint32_t seed)
{
    return 0.55f * sample_noise(u, v, seed) + 0.3f * sample_noise(2.1f * u, 2.1f * v, seed + 1) +
            0.15f * sample_noise(4.3f * u, 4.3f * v, seed + 2);
}

/* A wave that is 1 on the share `duty` of each repeat and 0 elsewhere. */
static float square_wave(float x, float duty, float soft)
{
    const float from_middle = fabsf(x - (float)f_floor(x) - 0.5f);

    return 1 - f_step(0.5f * duty - soft, 0.5f * duty + soft, from_middle);
}

vec3 sample_color_linear(float red, float green, float blue)
{
    return v_set(powf(red, 2.2f), powf(green, 2.2f), powf(blue, 2.2f));
}

/* Hue and saturation to sRGB, the usual six ramps. */
static vec3 from_hue(float hue, float saturation, float value)
{
    const float h = 6 * (hue - (float)f_floor(hue));
    const float r = f_clamp(fabsf(h - 3) - 1, 0, 1), g = f_clamp(2 - fabsf(h - 2), 0, 1);
    const float b = f_clamp(2 - fabsf(h - 4), 0, 1), s = saturation;

    return sample_color_linear(
            value * (1 - s + s * r), value * (1 - s + s * g), value * (1 - s + s * b));
}

vec3 sample_color(sample_rng *rng)
{
    /* saturation {low, high} and value {low, high}: white, pastel, strong, dark, earthen */
    static const float family[][4] = {{.02f, .14f, .84f, .96f}, {.15f, .40f, .72f, .92f},
            {.55f, .90f, .50f, .88f}, {.20f, .70f, .14f, .36f}, {.35f, .60f, .35f, .62f}};
    const int kind = sample_below(rng, 5);
    const float *f = family[kind];
    const float wild = sample_uniform(rng, 0, 1), warm = sample_uniform(rng, 0.02f, 0.13f);
    const float s = sample_uniform(rng, f[0], f[1]), v = sample_uniform(rng, f[2], f[3]);

    return from_hue(kind == 0 || kind == 4 ? warm : wild, s, v);
}

static vec3 wood(const sample_texture *t, float u, float v)
{
    const int plank = f_floor(v * 0.5f);
    const float tone = hash_at(plank, 7, t->seed), slide = 31 * hash_at(plank, 3, t->seed);
    const float bend = turbulence(u * 0.35f + slide, v * 1.3f, t->seed);
    const float ring = 0.5f + 0.5f * sinf(9 * v + 14 * bend + slide);
    const float fibre = sample_noise(u * 2 + slide, v * 34, t->seed + 9);
    const float share = 0.55f * ring + 0.30f * fibre + 0.5f * (tone - 0.3f);
    const float seam = square_wave(v * 0.5f, 0.985f, 0.004f + t->soft * 0.02f);

    return v_scale(v_mix(t->a, t->b, f_clamp(share * t->rough, 0, 1)), f_mix(0.45f, 1, seam));
}

static vec3 checks(const sample_texture *t, float u, float v)
{
    const float weave = 0.92f + 0.16f * t->rough * sample_noise(u * 24, v * 24, t->seed);
    const float share = square_wave(u, 0.5f, t->soft) + square_wave(v, 0.5f, t->soft);

    return v_scale(v_mix(t->a, t->b, 0.5f * share), weave);
}

static vec3 tiles(const sample_texture *t, float u, float v)
{
    const float shift = t->pattern == SAMPLE_BRICKS ? 0.5f * (float)(f_floor(v) & 1) : 0;
    const float across = t->pattern == SAMPLE_BRICKS ? 0.5f * u + shift : u;
    const int i = f_floor(across), j = f_floor(v);
    const float tone = 1 + 0.35f * t->rough * (hash_at(i, j, t->seed) - 0.5f);
    const float grain = 1 + 0.15f * t->rough * (sample_noise(u * 9, v * 9, t->seed) - 0.5f);
    const float inside = square_wave(across, 0.95f, t->soft) * square_wave(v, 0.92f, t->soft);
    const bool odd = hash_at(i, j, t->seed + 5) < 0.12f * t->rough;

    return v_mix(t->b, v_scale(odd ? t->c : t->a, tone * grain), inside);
}

static vec3 marble(const sample_texture *t, float u, float v)
{
    const float cloud = turbulence(u * 0.7f, v * 0.7f, t->seed);
    const float warp = turbulence(u * 0.9f + 3 * cloud, v * 0.9f - 2 * cloud, t->seed + 20);
    const float vein = f_step(0.80f, 1.0f, 1 - fabsf(2 * warp - 1) * 1.6f);

    return v_mix(v_mix(t->a, t->b, 0.45f * cloud), t->c, 0.6f * vein * t->rough);
}

static vec3 dots(const sample_texture *t, float u, float v)
{
    const int row = f_floor(v);
    const float x = u + 0.5f * (float)(row & 1), y = v;
    const float dx = x - (float)f_floor(x) - 0.5f, dy = y - (float)row - 0.5f;
    const float size = 0.18f + 0.14f * t->rough;

    return v_mix(t->b, t->a, f_step(size - t->soft, size + t->soft, sqrtf(dx * dx + dy * dy)));
}

static vec3 speckles(const sample_texture *t, float u, float v)
{
    const float fine = sample_noise(u * 11, v * 11, t->seed);
    const float spot = sample_noise(u * 6 + 40, v * 6, t->seed + 4);
    const vec3 ground = v_mix(t->a, t->c, 0.25f * t->rough * sample_noise(u, v, t->seed + 8));

    return v_mix(ground, t->b, f_step(0.74f, 0.84f, f_max(fine, spot)));
}

/* Discs of light of several sizes, as a lens shows what is far behind. */
static vec3 lights(const sample_texture *t, float u, float v)
{
    vec3 out = v_mix(t->a, t->b, turbulence(u * 0.4f, v * 0.4f, t->seed));

    for (int k = 0; k < 9; k++) {
        const int i = f_floor(u) + k % 3 - 1, j = f_floor(v) + k / 3 - 1;
        const float x = (float)i + hash_at(i, j, t->seed + 1) - u;
        const float y = (float)j + hash_at(i, j, t->seed + 2) - v;
        const float size = 0.25f + 0.55f * hash_at(i, j, t->seed + 3);
        const float disc = 1 - f_step(size - t->soft, size + t->soft, sqrtf(x * x + y * y));
        const vec3 tint = hash_at(i, j, t->seed + 4) < 0.5f ? t->c : t->b;

        out = v_mix(out, tint, disc * 0.45f * hash_at(i, j, t->seed + 5));
    }
    return out;
}

static vec3 zigzag(const sample_texture *t, float u, float v)
{
    const float wave = fabsf(u - (float)f_floor(u) - 0.5f);

    return v_mix(t->a, t->b, square_wave(v + wave, 0.5f, t->soft));
}

/* Colour a above, b below, and a rim of c where they meet. */
static vec3 glaze(const sample_texture *t, float u, float v)
{
    const float run = 0.5f * t->rough * (turbulence(u * 1.5f, 0, t->seed) - 0.5f);
    const float edge = v - run;
    const vec3 low = v_mix(t->b, t->a, f_step(-t->soft, t->soft, edge));

    return v_mix(low, t->c, 0.7f * (1 - f_step(0.02f, 0.05f + t->soft, fabsf(edge))));
}

vec3 sample_texture_at(const sample_texture *t, float u0, float v0)
{
    const float u = (u0 * t->turn[0] - v0 * t->turn[1]) * t->scale;
    const float v = (u0 * t->turn[1] + v0 * t->turn[0]) * t->scale;

    switch (t->pattern) {
    case SAMPLE_WOOD:
        return wood(t, u, v);
    case SAMPLE_CHECKS:
        return checks(t, u, v);
    case SAMPLE_STRIPES:
        return v_mix(t->a, t->b, square_wave(v, 0.3f + 0.3f * t->rough, t->soft));
    case SAMPLE_TILES:
    case SAMPLE_BRICKS:
        return tiles(t, u, v);
    case SAMPLE_MARBLE:
        return marble(t, u, v);
    case SAMPLE_DOTS:
        return dots(t, u, v);
    case SAMPLE_SPECKLES:
        return speckles(t, u, v);
    case SAMPLE_LIGHTS:
        return lights(t, u, v);
    case SAMPLE_ZIGZAG:
        return zigzag(t, u, v);
    case SAMPLE_GLAZE:
        return glaze(t, u, v);
    case SAMPLE_PLAIN:
        break;
    }
    return v_scale(t->a, 1 + 0.25f * t->rough * (turbulence(u, v, t->seed) - 0.5f));
}

static void texture_turn(sample_texture *t, float angle)
{
    t->turn[0] = cosf(angle);
    t->turn[1] = sinf(angle);
}

static void texture_colors(sample_texture *t, sample_rng *rng)
{
    t->a = sample_color(rng);
    t->b = sample_color(rng);
    t->c = sample_color(rng);
    t->seed = (uint32_t)sample_next(rng);
}

/* Rooms are calmer than crockery: grey in part, and patterns of neighbouring tones. */
static void room_colors(sample_texture *t, sample_rng *rng)
{
    const float grey = sample_uniform(rng, 0.3f, 0.9f), near = sample_uniform(rng, 0.15f, 0.5f);
    const float light = sample_uniform(rng, 0.25f, 0.9f);

    texture_colors(t, rng);
    t->a = v_mix(t->a, v_scale(v_set(1, 0.97f, 0.92f), v_luma(t->a)), grey);
    t->b = v_mix(t->a, t->b, near);
    if (t->pattern == SAMPLE_TILES || t->pattern == SAMPLE_BRICKS) {
        t->b = v_scale(v_set(1, 0.97f, 0.93f), light); /* mortar */
        t->c = v_mix(t->a, t->c, near);
    } else if (t->pattern == SAMPLE_MARBLE) {
        t->c = v_scale(t->a, f_mix(0.2f, 1.6f, light));
    }
}

/* Light and dark tone of a timber: pine, oak, walnut, grey driftwood, or painted. */
static void wood_colors(sample_texture *t, sample_rng *rng)
{
    static const float tone[][4] = {/* hue, saturation, light, dark */
            {.085f, .42f, .88f, .66f}, {.080f, .50f, .72f, .46f}, {.060f, .55f, .46f, .22f},
            {.090f, .15f, .66f, .42f}, {.070f, .60f, .60f, .32f}};
    const float *k = tone[sample_below(rng, 5)];
    const float hue = k[0] + sample_uniform(rng, -0.015f, 0.015f);
    const float value = sample_uniform(rng, 0.85f, 1.1f);

    t->a = from_hue(hue, k[1] * 0.85f, k[2] * value);
    t->b = from_hue(hue - 0.01f, k[1] * 1.1f, k[3] * value);
}

void sample_texture_table(sample_texture *t, sample_rng *rng)
{
    static const sample_pattern kinds[] = {SAMPLE_WOOD, SAMPLE_WOOD, SAMPLE_WOOD, SAMPLE_CHECKS,
            SAMPLE_CHECKS, SAMPLE_STRIPES, SAMPLE_TILES, SAMPLE_MARBLE, SAMPLE_PLAIN, SAMPLE_PLAIN,
            SAMPLE_SPECKLES, SAMPLE_DOTS};

    t->pattern = kinds[sample_below(rng, (int)(sizeof kinds / sizeof *kinds))];
    room_colors(t, rng);
    texture_turn(t, sample_uniform(rng, 0, 2 * SAMPLE_PI));
    t->rough = sample_uniform(rng, 0.5f, 1.2f);
    t->soft = sample_uniform(rng, 0.01f, 0.05f);
    t->scale = sample_uniform(rng, 1.2f, 4.0f);
    if (t->pattern == SAMPLE_WOOD) {
        wood_colors(t, rng);
        t->scale = sample_uniform(rng, 0.7f, 1.6f);
    } else if (t->pattern == SAMPLE_CHECKS || t->pattern == SAMPLE_STRIPES) {
        t->a = sample_color_linear(0.93f, 0.91f, 0.87f);
    } else if (t->pattern == SAMPLE_MARBLE || t->pattern == SAMPLE_TILES) {
        t->scale = sample_uniform(rng, 0.5f, 1.3f);
    } else if (t->pattern == SAMPLE_SPECKLES) {
        t->scale = sample_uniform(rng, 3, 6);
    }
}

void sample_texture_wall(sample_texture *t, sample_rng *rng)
{
    static const sample_pattern kinds[] = {SAMPLE_PLAIN, SAMPLE_PLAIN, SAMPLE_PLAIN, SAMPLE_LIGHTS,
            SAMPLE_LIGHTS, SAMPLE_LIGHTS, SAMPLE_TILES, SAMPLE_BRICKS, SAMPLE_STRIPES, SAMPLE_DOTS,
            SAMPLE_WOOD, SAMPLE_ZIGZAG};

    t->pattern = kinds[sample_below(rng, (int)(sizeof kinds / sizeof *kinds))];
    room_colors(t, rng);
    texture_turn(t, 0);
    t->rough = sample_uniform(rng, 0.4f, 1.2f);
    t->soft = sample_uniform(rng, 0.05f, 0.2f);
    t->scale = sample_uniform(rng, 0.5f, 1.8f);
    if (t->pattern == SAMPLE_WOOD) {
        wood_colors(t, rng);
        texture_turn(t, sample_chance(rng, 0.5f) ? SAMPLE_PI / 2 : 0);
    } else if (t->pattern == SAMPLE_STRIPES) {
        texture_turn(t, SAMPLE_PI / 2);
    }
}

/* A pattern for a pot: u in turns, so `scale` must repeat a whole number of times in one turn. */
static void texture_pot(sample_texture *t, sample_rng *rng)
{
    static const sample_pattern kinds[] = {SAMPLE_STRIPES, SAMPLE_STRIPES, SAMPLE_DOTS,
            SAMPLE_ZIGZAG, SAMPLE_GLAZE, SAMPLE_GLAZE, SAMPLE_SPECKLES, SAMPLE_CHECKS};
    const bool plain = sample_chance(rng, 0.7f);

    texture_colors(t, rng);
    texture_turn(t, 0);
    t->pattern = plain ? SAMPLE_PLAIN : kinds[sample_below(rng, 8)];
    t->scale = (float)(5 + 2 * sample_below(rng, 5));
    t->rough = plain ? 0.3f : sample_uniform(rng, 0.3f, 1.2f);
    t->soft = sample_uniform(rng, 0.02f, 0.06f);
    if (t->pattern == SAMPLE_STRIPES && sample_chance(rng, 0.35f)) {
        texture_turn(t, SAMPLE_PI / 2); /* upright */
    } else if (t->pattern == SAMPLE_GLAZE) {
        t->scale = (float)(2 + sample_below(rng, 3));
    }
}

void sample_material_pot(sample_material *m, sample_rng *rng)
{
    const float kind = sample_uniform(rng, 0, 1);

    texture_pot(&m->texture, rng);
    m->metal = 0;
    if (kind < 0.55f) { /* glossy glaze */
        m->gloss = sample_uniform(rng, 0.04f, 0.07f);
        m->spread = sample_uniform(rng, 0.02f, 0.15f);
    } else if (kind < 0.85f) { /* matte clay, satin */
        m->gloss = sample_uniform(rng, 0.02f, 0.04f);
        m->spread = sample_uniform(rng, 0.35f, 0.9f);
    } else { /* steel, copper, brass, or dark enamel that shines like them */
        static const float tint[][3] = {{.82f, .82f, .84f}, {.85f, .58f, .45f}, {.84f, .72f, .45f}};
        const float *c = tint[sample_below(rng, 3)];

        m->texture.pattern = SAMPLE_PLAIN;
        m->texture.rough = 0.15f;
        m->texture.a = sample_color_linear(c[0], c[1], c[2]);
        m->gloss = 0.75f;
        m->spread = sample_uniform(rng, 0.08f, 0.4f);
        m->metal = 1;
    }
}
