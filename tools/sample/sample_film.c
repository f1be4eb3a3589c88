/* sample_film.c - rays for every pixel, more at edges, then exposure, blur, vignette and grain
 *
 * One ray a pixel; where neighbours differ, four more. The mean brightness then sets the exposure,
 * as a camera does, and a film curve (Narkowicz' fit of ACES) keeps the highlights.
 */
#include "sample_film.h"
#include "sample_light.h"

/* Colours of three floats, row after row. */
static vec3 load(const float *from)
{
    return v_set(from[0], from[1], from[2]);
}

static void store(float *to, vec3 c)
{
    to[0] = c.x;
    to[1] = c.y;
    to[2] = c.z;
}

static vec3 look(const sample_scene *scene, float x, float y)
{
    const sample_camera *c = &scene->camera;
    const float half = 0.5f * (float)scene->height;
    const float u = (x - 0.5f * (float)scene->width) / half + c->shift[0];
    const float v = (half - y) / half + c->shift[1];
    const vec3 side = v_along(v_scale(c->right, u * c->zoom), c->up, v * c->zoom);

    return sample_light_along(scene, c->eye, v_unit(v_add(c->forward, side)));
}

static void first_rays(const sample_scene *scene, float *light)
{
    for (int y = 0; y < scene->height; y++) {
        for (int x = 0; x < scene->width; x++, light += 3) {
            store(light, look(scene, (float)x + 0.5f, (float)y + 0.5f));
        }
    }
}

/* The gain that brings the mean to what the film asks for; one bright lamp counts little. */
static float gain(const sample_scene *scene, const float *light)
{
    const int n = scene->width * scene->height;
    double sum = 0;

    for (int i = 0; i < n; i++) {
        sum += (double)f_min(v_luma(load(light + 3 * (size_t)i)), 1.5f);
    }
    return scene->film.exposure / ((float)(sum / n) + 0.02f);
}

static float curve(float x)
{
    return f_clamp(x * (2.51f * x + 0.03f) / (x * (2.43f * x + 0.59f) + 0.14f), 0, 1);
}

static vec3 develop(const sample_scene *scene, vec3 c, float strength)
{
    const vec3 t = v_mul(c, v_scale(scene->film.tint, strength));

    return v_set(curve(t.x), curve(t.y), curve(t.z));
}

static float contrast(const float *a, const float *b)
{
    const float d = fabsf(a[0] - b[0]) + fabsf(a[1] - b[1]) + fabsf(a[2] - b[2]);

    /* Relative: a dark edge shows as much as a bright one after gamma. */
    return d / (a[0] + a[1] + a[2] + b[0] + b[1] + b[2] + 0.2f);
}

/* The strongest contrast of a pixel with its four neighbours. */
static float edge_at(const sample_scene *scene, const float *p, int x, int y)
{
    const size_t row = 3 * (size_t)scene->width;
    const float left = x > 0 ? contrast(p, p - 3) : 0;
    const float right = x + 1 < scene->width ? contrast(p, p + 3) : 0;
    const float above = y > 0 ? contrast(p, p - row) : 0;
    const float below = y + 1 < scene->height ? contrast(p, p + row) : 0;

    return f_max(f_max(left, right), f_max(above, below));
}

/* The mean of a pixel's first ray, already developed, and of four more. */
static vec3 smooth_pixel(const sample_scene *scene, float strength, vec3 first, int x, int y)
{
    enum { MORE = 4 }; /* the corners of a turned square about the middle */
    static const float at[MORE][2] = {
            {0.12f, 0.38f}, {0.62f, 0.12f}, {0.88f, 0.62f}, {0.38f, 0.88f}};
    vec3 sum = first;

    for (int k = 0; k < MORE; k++) {
        const vec3 c = look(scene, (float)x + at[k][0], (float)y + at[k][1]);

        sum = v_add(sum, develop(scene, c, strength));
    }
    return v_scale(sum, 1.0f / (1 + MORE));
}

/* Writes to `to` the picture with four more rays where `from` has an edge. */
static void more_rays(const sample_scene *scene, float strength, const float *from, float *to)
{
    for (int y = 0; y < scene->height; y++) {
        for (int x = 0; x < scene->width; x++, from += 3, to += 3) {
            const bool edge = edge_at(scene, from, x, y) > 0.1f;

            store(to, edge ? smooth_pixel(scene, strength, load(from), x, y) : load(from));
        }
    }
}

enum { BLUR_TAPS = 4 }; /* weights of the Gaussian to each side of its middle */

/* The weighted mean around pixel i of a line of n; steps are in floats. */
static vec3 blur_at(const float *line, int i, int n, size_t step, const float *weight)
{
    vec3 c = {0};

    for (int k = -BLUR_TAPS; k <= BLUR_TAPS; k++) {
        const int at = i + k < 0 ? 0 : i + k >= n ? n - 1 : i + k;

        c = v_along(c, load(line + (size_t)at * step), weight[k < 0 ? -k : k]);
    }
    return c;
}

/* One direction of the blur: size[1] lines of size[0] pixels, steps to the next of each. */
static void blur_lines(
        const float *from, float *to, const int size[2], const size_t step[2], float sigma)
{
    float weight[BLUR_TAPS + 1], sum = 0;

    for (int k = 0; k <= BLUR_TAPS; k++) {
        weight[k] = expf(-0.5f * (float)(k * k) / (sigma * sigma));
        sum += k ? 2 * weight[k] : weight[k];
    }
    for (int k = 0; k <= BLUR_TAPS; k++) {
        weight[k] /= sum;
    }
    for (int j = 0; j < size[1]; j++, from += step[1], to += step[1]) {
        for (int i = 0; i < size[0]; i++) {
            store(to + (size_t)i * step[0], blur_at(from, i, size[0], step[0], weight));
        }
    }
}

static void blur(const sample_scene *scene, float *picture, float *spare)
{
    const int w = scene->width, h = scene->height, across[2] = {w, h}, down[2] = {h, w};
    const size_t step_across[2] = {3, 3 * (size_t)w}, step_down[2] = {3 * (size_t)w, 3};

    blur_lines(picture, spare, across, step_across, scene->film.blur);
    blur_lines(spare, picture, down, step_down, scene->film.blur);
}

/* About normal, deviation 1: the sum of four bytes of a hash. */
static float grain_at(uint64_t key, size_t i)
{
    const uint64_t h = sample_hash(key + i);
    const int sum =
            (int)(h & 255) + (int)(h >> 8 & 255) + (int)(h >> 16 & 255) + (int)(h >> 24 & 255);

    return ((float)sum - 510) / 147.8f;
}

/* Linear light to bytes: gamma, contrast about the middle, grain. */
static void print_pixel(const sample_film *film, uint64_t grain, size_t i, vec3 light, uint8_t *rgb)
{
    const float part[3] = {light.x, light.y, light.z};
    const float shared = grain_at(grain, i);

    for (size_t k = 0; k < 3; k++) {
        const float c = powf(part[k], 1 / 2.2f);
        const float own = grain_at(grain ^ 0x5bd1e995u, 3 * i + k);
        const float out =
                0.5f + (c - 0.5f) * film->contrast + film->noise * (0.7f * shared + 0.6f * own);

        rgb[k] = (uint8_t)(255 * f_clamp(out, 0, 1) + 0.5f);
    }
}

static void print(const sample_scene *scene, uint64_t grain, const float *picture, uint8_t *rgb)
{
    const int w = scene->width, h = scene->height;

    for (int y = 0; y < h; y++) {
        const float v = 2 * ((float)y + 0.5f) / (float)h - 1;

        for (int x = 0; x < w; x++) {
            const float u = 2 * ((float)x + 0.5f) / (float)w - 1;
            const float left = 1 - scene->film.vignette * 0.5f * (u * u + v * v);
            const size_t i = (size_t)y * (size_t)w + (size_t)x;

            print_pixel(&scene->film, grain, i, v_scale(load(picture + 3 * i), left), rgb + 3 * i);
        }
    }
}

void sample_film_expose(
        const sample_scene *scene, uint64_t grain, float *light, float *spare, uint8_t *rgb)
{
    const size_t n = (size_t)scene->width * (size_t)scene->height;
    float strength;

    first_rays(scene, light);
    strength = gain(scene, light);
    for (size_t i = 0; i < n; i++) {
        store(light + 3 * i, develop(scene, load(light + 3 * i), strength));
    }
    more_rays(scene, strength, light, spare);
    if (scene->film.blur > 0) {
        blur(scene, spare, light);
    }
    print(scene, grain, spare, rgb);
}
