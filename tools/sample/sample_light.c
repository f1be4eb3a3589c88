/* sample_light.c - rays, shadows, ambient occlusion and materials
 *
 * A ray meets table and wall by division; through the bounds of each solid it walks by the distance
 * to it (sphere tracing, Hart 1996). A soft shadow is the narrowest place that the ray to the light
 * passes, in distance over way (Quilez); ambient occlusion is how much nearer than expected things
 * are along the normal. Reflections see the window, the room and the table, not the other things;
 * only a polished table mirrors what stands on it.
 */
#include "sample_light.h"

enum { HIT_WALL = -2, HIT_TABLE = -1, WALK_STEPS = 72, SHADOW_STEPS = 20 };

typedef struct {
    int what; /* HIT_WALL, HIT_TABLE or the number of a solid */
    float far;
} hit;

/* What light needs to know of the point that a ray has met. */
typedef struct {
    vec3 at, normal, color;
    float gloss, spread, metal;
    float open; /* share of the surroundings not blocked */
    float lit;  /* share of the key light that arrives */
} surface;

static void walk(const sample_solid *s, int what, vec3 origin, vec3 dir, hit *best)
{
    const vec3 o = sample_solid_local(s, origin), d = sample_solid_local_dir(s, dir);
    float span[2] = {0, best->far}, t;

    if (!sample_solid_span(s, o, d, 0, span)) return;
    t = span[0];
    for (int i = 0; i < WALK_STEPS && t < span[1]; i++) {
        const float near = sample_solid_distance(s, v_along(o, d, t));

        if (near < 0.0004f * t) {
            *best = (hit){what, t};
            return;
        }
        t += 0.9f * near;
    }
}

static hit trace(const sample_scene *scene, vec3 origin, vec3 dir)
{
    const float toward = v_dot(scene->wall_normal, dir);
    hit best = {HIT_WALL, 1e4f};

    if (toward < -1e-4f) {
        best.far = (scene->wall_far + v_dot(scene->wall_normal, origin)) / -toward;
    }
    if (dir.y < -1e-5f) {
        const float t = -origin.y / dir.y;

        if (t < best.far && origin.z + t * dir.z > scene->table_back) {
            best = (hit){HIT_TABLE, t};
        }
    }
    for (int i = 0; i < scene->n; i++) {
        walk(&scene->solid[i], i, origin, dir, &best);
    }
    return best;
}

/* 0 in full shadow, 1 in full light. */
static float shadow(const sample_scene *scene, vec3 at, vec3 normal)
{
    const vec3 origin = v_along(at, normal, 0.02f), dir = scene->light.to_key;
    const float hard = scene->light.hardness;
    float lit = 1;

    for (int i = 0; i < scene->n && lit > 0.01f; i++) {
        const sample_solid *s = &scene->solid[i];
        const vec3 o = sample_solid_local(s, origin), d = sample_solid_local_dir(s, dir);
        /* Beyond this margin a solid cannot reach into the penumbra. */
        const float margin = f_min(sqrtf(v_dot(o, o)) / hard, 1.2f);
        float span[2] = {0, 100}, t;

        if (!sample_solid_span(s, o, d, margin, span)) {
            continue;
        }
        t = f_max(span[0], 0.01f);
        for (int k = 0; k < SHADOW_STEPS && t < span[1] && lit > 0.01f; k++) {
            const float near = sample_solid_distance(s, v_along(o, d, t));

            lit = f_min(lit, hard * near / t + 0.02f);
            t += f_clamp(near, 0.025f, 0.4f);
        }
    }
    return f_step(0, 1, f_max(lit, 0));
}

static float openness(const sample_scene *scene, vec3 at, vec3 normal)
{
    static const float reach[3] = {0.07f, 0.2f, 0.45f};
    static const float weight[3] = {0.28f, 0.26f, 0.22f};
    float near[3], open = 1;

    for (int k = 0; k < 3; k++) {
        near[k] = f_min(reach[k], at.y + normal.y * reach[k]);
    }
    for (int i = 0; i < scene->n; i++) {
        const sample_solid *s = &scene->solid[i];
        const vec3 o = sample_solid_local(s, at), d = sample_solid_local_dir(s, normal);
        const float side =
                f_max(fabsf(o.x - 0.5f * (s->lo.x + s->hi.x)) - 0.5f * (s->hi.x - s->lo.x),
                        fabsf(o.z) - s->hi.z);

        if (side > 2 * reach[2] || o.y - s->hi.y > 2 * reach[2]) {
            continue;
        }
        for (int k = 0; k < 3; k++) {
            near[k] = f_min(near[k], sample_solid_distance(s, v_along(o, d, reach[k])));
        }
    }
    for (int k = 0; k < 3; k++) {
        open -= weight[k] * f_clamp(1 - near[k] / reach[k], 0, 1.2f);
    }
    return f_max(open, 0.1f);
}

/* The window as a mirror of some blur shows it. */
static vec3 window(const sample_light *l, vec3 dir, float spread)
{
    const float facing = v_dot(dir, l->to_key), soft = 0.02f + 0.8f * spread;
    float x, y, seen;

    if (facing < 0.1f) return v_set(0, 0, 0);
    x = fabsf(v_dot(dir, l->across)) / facing;
    y = fabsf(v_dot(dir, l->upward)) / facing;
    seen = (1 - f_step(l->pane[0] - soft, l->pane[0] + soft, x)) *
            (1 - f_step(l->pane[1] - soft, l->pane[1] + soft, y));
    if (l->cross && spread < 0.15f) {
        seen *= f_step(0.01f, 0.03f + spread * 0.2f, x) * f_step(0.01f, 0.03f + spread * 0.2f, y);
    }
    return v_scale(l->key, seen * 2.2f / (4 * l->pane[0] * l->pane[1] + 4 * soft * soft));
}

static vec3 table_light(const sample_scene *scene)
{
    const sample_light *l = &scene->light;

    return v_along(v_scale(l->sky, 0.7f), l->key, 0.6f * l->to_key.y);
}

static vec3 surroundings(const sample_scene *scene, vec3 from, vec3 dir, float spread)
{
    const sample_light *l = &scene->light;
    vec3 seen = v_mix(l->room, v_scale(l->sky, 0.9f), f_step(0, 1, dir.y));

    if (dir.y < 0) {
        const float t = f_min(from.y / f_max(-dir.y, 0.02f), 6);
        const vec3 down = spread > 0.3f ? l->bounce
                                        : v_mul(table_light(scene),
                                                  sample_texture_at(&scene->table.texture,
                                                          from.x + t * dir.x, from.z + t * dir.z));

        seen = v_mix(seen, down, f_step(0, 0.15f + spread, -dir.y));
    }
    return seen;
}

static float fresnel(float gloss, float spread, float facing)
{
    const float a = 1 - f_clamp(facing, 0, 1), a2 = a * a;

    return gloss + (1 - gloss) * a2 * a2 * a * (1 - 0.85f * f_min(spread, 1));
}

static vec3 shade(const sample_scene *scene, const surface *f, vec3 dir)
{
    const sample_light *l = &scene->light;
    const float facing = -v_dot(f->normal, dir), slope = f_max(v_dot(f->normal, l->to_key), 0);
    const vec3 mirror = v_along(dir, f->normal, 2 * facing);
    const float share = fresnel(f->gloss, f->spread, facing);
    const vec3 ambient = v_scale(v_mix(l->bounce, l->sky, 0.5f + 0.5f * f->normal.y), f->open);
    const vec3 spread_light = v_mul(f->color, v_along(ambient, l->key, slope * f->lit));
    const vec3 tint = v_mix(v_set(1, 1, 1), f->color, f->metal);
    vec3 shine = v_scale(surroundings(scene, f->at, mirror, f->spread), f_mix(f->open, 1, 0.25f));

    shine = v_along(shine, window(l, mirror, f->spread), f_mix(f->lit, 1, 0.15f));
    return v_add(v_scale(spread_light, (1 - f->metal) * (1 - share)),
            v_mul(tint, v_scale(shine, share)));
}

/* Coordinates of a pattern on a face of a box. */
static vec3 box_color(const sample_paint *paint, const sample_solid *s, vec3 p, vec3 n)
{
    const sample_texture *t = &paint->material.texture;
    const float top = 2 * s->half.y;

    if (fabsf(n.y) > 0.6f) return sample_texture_at(t, p.x * 0.3f, p.z * 0.3f);
    if (paint->lay == SAMPLE_LAY_BOOK && n.x > -0.6f && p.y > 0.016f && p.y < top - 0.016f) {
        const float leaf = sample_noise(p.y * 150, 0, t->seed);

        return v_scale(sample_color_linear(0.93f, 0.90f, 0.82f), 0.8f + 0.2f * leaf);
    }
    return sample_texture_at(t, (fabsf(n.x) > 0.6f ? p.z : p.x) * 0.3f, p.y * 0.3f);
}

/* The colours of a pot's parts; its drink is flat and shines as well. */
static void pot_color(const sample_paint *paint, int part, vec3 p, vec3 n, surface *f)
{
    const sample_marks *m = &paint->marks;
    const float outward = n.x * p.x + n.z * p.z;
    const bool inside = m->open && p.y > 0.04f && (outward < 0 || n.y > 0.7f);

    if (part == SAMPLE_PART_HANDLE && paint->handle_own) {
        f->color = paint->handle;
    } else if (part == SAMPLE_PART_SPOUT && paint->spout_own) {
        f->color = paint->spout;
    } else if (part != SAMPLE_PART_BODY) {
        return;
    } else if (inside && fabsf(p.y - m->liquid_y + 0.01f) < 0.016f) {
        f->color = paint->liquid;
        f->normal = v_set(0, 1, 0);
        f->gloss = 0.03f;
        f->spread = 0.05f;
        f->metal = 0;
    } else if (inside && paint->inside_own && (outward < 0 || p.y < 0.5f * m->rim_y)) {
        f->color = paint->inside;
    } else if (paint->rim_width > 0 && fabsf(p.y - m->rim_y) < paint->rim_width) {
        f->color = paint->rim;
    } else if (p.y > m->knob_y) {
        f->color = paint->knob;
    } else if (p.y > m->lid_y && paint->lid_own) {
        f->color = paint->lid;
    }
}

static void solid_paint(const sample_scene *scene, int i, surface *f)
{
    const sample_solid *s = &scene->solid[i];
    const sample_paint *paint = &scene->paint[i];
    const vec3 p = sample_solid_local(s, f->at), n = sample_solid_normal(s, p);

    f->normal = sample_solid_world_dir(s, n);
    f->gloss = paint->material.gloss;
    f->spread = paint->material.spread;
    f->metal = paint->material.metal;
    if (paint->lay == SAMPLE_LAY_BOX || paint->lay == SAMPLE_LAY_BOOK) {
        f->color = box_color(paint, s, p, n);
        return;
    }
    f->color = sample_texture_at(&paint->material.texture, atan2f(p.z, p.x) / (2 * SAMPLE_PI),
            (p.y - 0.55f * s->hi.y) / paint->around);
    if (paint->lay == SAMPLE_LAY_POT) {
        pot_color(paint, sample_solid_part(s, p), p, n, f);
    }
}

static vec3 wall_light(const sample_scene *scene, vec3 at)
{
    const sample_light *l = &scene->light;
    const vec3 across = v_cross(v_set(0, 1, 0), scene->wall_normal);
    const float u = v_dot(at, across), slope = f_max(v_dot(scene->wall_normal, l->to_key), 0);
    /* Brighter towards the light, as a wall beside a window is. */
    const float side = 1 + 0.5f * f_clamp(u * v_dot(across, l->to_key) / 3, -1, 1);
    const float lit = slope > 0 ? shadow(scene, at, scene->wall_normal) : 0;

    return v_mul(sample_texture_at(&scene->wall, u, at.y),
            v_scale(v_along(v_scale(l->sky, 0.7f), l->key, 0.15f + 0.6f * slope * lit), side));
}

static void table_paint(const sample_scene *scene, surface *f)
{
    f->normal = v_set(0, 1, 0);
    f->color = sample_texture_at(&scene->table.texture, f->at.x, f->at.z);
    f->gloss = scene->table.gloss;
    f->spread = scene->table.spread;
}

/* What a polished table shows of the things on it, without their shadows. */
static vec3 table_mirror(const sample_scene *scene, const surface *f, vec3 dir, vec3 color)
{
    const vec3 mirror = v_set(dir.x, -dir.y, dir.z);
    const float share = fresnel(f->gloss, f->spread, -dir.y) * 1.5f;
    const hit h = trace(scene, v_along(f->at, f->normal, 0.002f), mirror);
    surface seen = {.at = v_along(f->at, mirror, h.far), .open = 0.8f, .lit = 0.7f};

    if (h.what < 0) return color;
    solid_paint(scene, h.what, &seen);
    return v_mix(color, shade(scene, &seen, mirror), share);
}

vec3 sample_light_along(const sample_scene *scene, vec3 origin, vec3 dir)
{
    const hit h = trace(scene, origin, dir);
    surface f = {.at = v_along(origin, dir, h.far)};
    vec3 color;

    if (h.what == HIT_WALL) return wall_light(scene, f.at);
    if (h.what == HIT_TABLE) {
        table_paint(scene, &f);
    } else {
        solid_paint(scene, h.what, &f);
    }
    f.open = openness(scene, f.at, f.normal);
    f.lit = v_dot(f.normal, scene->light.to_key) > 0 ? shadow(scene, f.at, f.normal) : 0;
    color = shade(scene, &f, dir);
    return h.what == HIT_TABLE && f.spread < 0.4f ? table_mirror(scene, &f, dir, color) : color;
}
