/* sample_clutter.c - fruit, jars, bottles, bowls, books and boxes around the pot
 *
 * The same lots are drawn for both classes. A place is tried a few times; what does not fit stays
 * away. Things in front of the pot are low or to the side, so that it is never hidden by much.
 */
#include "sample_scene.h"

enum { PROFILE_KNOTS = 12 };

/* Outlines of turned things, about natural size. */
typedef struct {
    int n;
    float r; /* half the wall */
    float at[PROFILE_KNOTS][2];
} profile;

static const profile fruit_profiles[] = {
        /* apple */
        {8, .02f,
                {{0, .09f}, {.16f, .03f}, {.31f, .14f}, {.38f, .38f}, {.33f, .60f}, {.18f, .71f},
                        {.06f, .67f}, {0, .60f}}},
        /* orange */
        {7, .02f,
                {{0, .02f}, {.20f, .07f}, {.33f, .22f}, {.36f, .38f}, {.30f, .57f}, {.16f, .69f},
                        {0, .72f}}},
        /* lemon */
        {8, .02f,
                {{0, .0f}, {.06f, .05f}, {.2f, .16f}, {.27f, .36f}, {.25f, .52f}, {.15f, .68f},
                        {.05f, .76f}, {0, .82f}}},
        /* pear */
        {8, .02f,
                {{0, .03f}, {.2f, .05f}, {.32f, .20f}, {.32f, .38f}, {.2f, .60f}, {.14f, .78f},
                        {.08f, .88f}, {0, .9f}}},
};

static const profile ware_profiles[] = {
        /* bottle */
        {9, .02f,
                {{0, .03f}, {.2f, .03f}, {.23f, .1f}, {.23f, .72f}, {.17f, .9f}, {.075f, 1.02f},
                        {.07f, 1.3f}, {.08f, 1.32f}, {0, 1.32f}}},
        /* jar */
        {10, .02f,
                {{0, .03f}, {.28f, .03f}, {.31f, .1f}, {.31f, .52f}, {.25f, .63f}, {.25f, .68f},
                        {.28f, .70f}, {.28f, .80f}, {.24f, .82f}, {0, .82f}}},
        /* vase */
        {7, .025f,
                {{0, .03f}, {.16f, .03f}, {.29f, .3f}, {.24f, .6f}, {.11f, .86f}, {.12f, .98f},
                        {.17f, 1.06f}}},
        /* bowl */
        {5, .025f, {{0, .05f}, {.16f, .04f}, {.32f, .14f}, {.43f, .30f}, {.46f, .36f}}},
        /* can */
        {7, .02f,
                {{0, .02f}, {.24f, .02f}, {.255f, .05f}, {.255f, .34f}, {.255f, .63f}, {.24f, .66f},
                        {0, .66f}}},
        /* candle */
        {6, .02f, {{0, .02f}, {.15f, .02f}, {.16f, .06f}, {.16f, .46f}, {.14f, .5f}, {0, .48f}}},
        /* plate */
        {5, .02f, {{0, .03f}, {.3f, .03f}, {.42f, .05f}, {.52f, .09f}, {.58f, .12f}}},
};

/* Red and green apple, orange, lemon, pear: sRGB of the ground and of the blush. */
static const float fruit_colors[][6] = {{.80f, .12f, .10f, .88f, .62f, .20f},
        {.95f, .52f, .08f, .98f, .62f, .12f}, {.96f, .84f, .22f, .92f, .80f, .28f},
        {.70f, .74f, .26f, .82f, .66f, .28f}};

static sample_solid *solid_next(sample_scene *scene)
{
    sample_solid *s = &scene->solid[scene->n];

    *s = (sample_solid){.flat = 1, .blend = 0.02f};
    scene->paint[scene->n] = (sample_paint){0};
    return s;
}

static void turned_make(sample_scene *scene, const profile *from, float size, sample_pool *pool)
{
    sample_path path = {0};
    sample_knot k[PROFILE_KNOTS];
    sample_solid *s = &scene->solid[scene->n];

    for (int i = 0; i < from->n; i++) {
        k[i] = (sample_knot){from->at[i][0] * size, from->at[i][1] * size, from->r};
    }
    sample_path_curve(&path, k, from->n, 5);
    sample_solid_turn(s, &path, SAMPLE_GRID_SMALL, pool);
    scene->paint[scene->n].lay = SAMPLE_LAY_TURNED;
    scene->paint[scene->n].around = 2 * SAMPLE_PI * s->hi.x;
}

static void fruit_make(sample_scene *scene, sample_rng *rng, sample_pool *pool)
{
    const int kind = sample_below(rng, 4);
    const float *c = fruit_colors[kind], size = sample_uniform(rng, 0.75f, 1.1f);
    sample_material *m = &scene->paint[scene->n].material;

    turned_make(scene, &fruit_profiles[kind], size, pool);
    m->texture.pattern = SAMPLE_MARBLE;
    m->texture.turn[0] = 1;
    m->texture.scale = 2;
    m->texture.a = sample_color_linear(c[0], c[1], c[2]);
    m->texture.b = sample_color_linear(c[3], c[4], c[5]);
    if (kind == 0 && sample_chance(rng, 0.4f)) { /* a green apple */
        m->texture.a = sample_color_linear(0.55f, 0.70f, 0.20f);
    }
    m->texture.c = m->texture.b;
    m->texture.rough = 0.4f;
    m->texture.seed = (uint32_t)sample_next(rng);
    m->gloss = 0.04f;
    m->spread = sample_uniform(rng, 0.2f, 0.5f);
}

static void ware_make(sample_scene *scene, sample_rng *rng, sample_pool *pool)
{
    const int kind = sample_below(rng, (int)(sizeof ware_profiles / sizeof *ware_profiles));

    turned_make(scene, &ware_profiles[kind], sample_uniform(rng, 0.7f, 1.25f), pool);
    sample_material_pot(&scene->paint[scene->n].material, rng);
}

static void box_make(sample_scene *scene, sample_rng *rng, bool book)
{
    sample_solid *s = &scene->solid[scene->n];
    sample_paint *paint = &scene->paint[scene->n];

    s->half.x = sample_uniform(rng, 0.25f, book ? 0.60f : 0.42f);
    s->half.y = book ? sample_uniform(rng, 0.05f, 0.13f) : sample_uniform(rng, 0.12f, 0.45f);
    s->half.z = book ? s->half.x * 0.72f : sample_uniform(rng, 0.15f, 0.40f);
    s->round = book ? 0.012f : sample_uniform(rng, 0.01f, 0.04f);
    s->lo = v_set(-s->half.x, 0, -s->half.z);
    s->hi = v_set(s->half.x, 2 * s->half.y, s->half.z);
    s->step[SAMPLE_PART_BODY] = 0.004f;
    sample_material_pot(&paint->material, rng);
    paint->lay = book ? SAMPLE_LAY_BOOK : SAMPLE_LAY_BOX;
    paint->material.metal = 0;
    paint->material.gloss = 0.03f;
    paint->material.spread = sample_uniform(rng, 0.3f, 0.9f);
}

/* Half the width of the pot as the camera sees it, and whether a thing at x, z would hide it. */
static bool hides(const sample_scene *scene, const sample_solid *thing, float x, float z)
{
    const sample_solid *pot = &scene->solid[0];
    const float left = v_dot(pot->axis[0], v_set(pot->lo.x, 0, 0));
    const float right = v_dot(pot->axis[0], v_set(pot->hi.x, 0, 0));
    const float half = f_max(f_max(fabsf(left), fabsf(right)), scene->paint[0].marks.reach);

    if (z < 0.1f || thing->hi.y < 0.38f * pot->hi.y) return false;
    return fabsf(x - 0.5f * (left + right)) - thing->hi.x < 0.72f * half;
}

/* Free of the pot (a disc and a bar through it, handle to spout) and of the other things. */
static bool fits(const sample_scene *scene, float x, float z, float radius)
{
    const sample_solid *pot = &scene->solid[0];
    const vec3 local = sample_solid_local(pot, v_set(x, 0, z));
    const float bar_x = local.x - f_clamp(local.x, pot->lo.x, pot->hi.x);

    if (sqrtf(bar_x * bar_x + local.z * local.z) < radius + 0.12f) return false;
    if (sqrtf(local.x * local.x + local.z * local.z) < radius + scene->paint[0].marks.reach) {
        return false;
    }
    for (int i = 1; i < scene->n; i++) {
        const sample_solid *s = &scene->solid[i];
        const float dx = x - s->place.x, dz = z - s->place.z;
        const float reach = sqrtf(s->hi.x * s->hi.x + s->hi.z * s->hi.z) * 0.8f;

        if (dx * dx + dz * dz < (radius + reach) * (radius + reach)) return false;
    }
    return true;
}

/* Leans or lays a fruit on its side: y and z of its frame turn, and it is lifted to touch down. */
static void lean(sample_solid *s, float angle)
{
    const float c = cosf(angle), k = sinf(angle), middle = 0.5f * s->hi.y;
    const vec3 up = s->axis[1], side = s->axis[2];

    s->axis[1] = v_add(v_scale(up, c), v_scale(side, k));
    s->axis[2] = v_sub(v_scale(side, c), v_scale(up, k));
    /* Half its height when it leans by `angle`, as an ellipsoid has it. */
    s->place.y = sqrtf(middle * middle * c * c + s->hi.x * s->hi.x * k * k);
    s->place = v_along(s->place, s->axis[1], -middle);
}

/* Finds a place for the solid that comes next and keeps it there; false: there is none. */
static bool put(sample_scene *scene, sample_rng *rng)
{
    sample_solid *s = &scene->solid[scene->n];
    const float radius = s->lathe.cell ? s->hi.x : 0.9f * (s->hi.x + s->hi.z) * 0.7f;

    for (int k = 0; k < 14; k++) {
        const float x = sample_uniform(rng, -2.2f, 2.2f), z = sample_uniform(rng, -1.9f, 1.2f);
        const float yaw = sample_uniform(rng, 0, 2 * SAMPLE_PI);

        if (fits(scene, x, z, radius) && !hides(scene, s, x, z)) {
            sample_solid_place(s, v_set(x, 0, z), yaw);
            scene->n++;
            return true;
        }
    }
    return false;
}

/* A second and third book on the one before. */
static void stack(sample_scene *scene, sample_rng *rng)
{
    for (int k = sample_below(rng, 3); k > 0 && scene->n < SAMPLE_SOLIDS_MAX; k--) {
        const sample_solid *below = &scene->solid[scene->n - 1];
        const float twist = sample_uniform(rng, -0.5f, 0.5f);
        sample_solid *s = solid_next(scene);

        box_make(scene, rng, true);
        s->half.x = f_min(s->half.x, below->half.x);
        s->half.z = f_min(s->half.z, below->half.z);
        s->lo = v_set(-s->half.x, 0, -s->half.z);
        s->hi = v_set(s->half.x, 2 * s->half.y, s->half.z);
        sample_solid_place(s, v_set(below->place.x, below->place.y + below->hi.y, below->place.z),
                twist + atan2f(below->axis[0].z, below->axis[0].x));
        if (hides(scene, s, s->place.x, s->place.z)) return;
        scene->n++;
    }
}

void sample_clutter_add(sample_scene *scene, sample_rng *rng, sample_pool *pool)
{
    for (int left = sample_below(rng, 4); left > 0 && scene->n < SAMPLE_SOLIDS_MAX; left--) {
        const int kind = sample_below(rng, 10);
        sample_solid *s = solid_next(scene);

        if (kind < 3) {
            fruit_make(scene, rng, pool);
        } else if (kind < 7) {
            ware_make(scene, rng, pool);
        } else {
            box_make(scene, rng, kind < 9);
        }
        if (!put(scene, rng)) {
            continue;
        }
        if (kind < 3) {
            lean(s, sample_uniform(rng, 0.1f, 1.4f));
        } else if (kind == 7) {
            stack(scene, rng);
        }
    }
}

void sample_clutter_under(sample_scene *scene, sample_rng *rng, sample_pool *pool)
{
    const int kind = sample_below(rng, 10);
    const float size = sample_uniform(rng, 1.15f, 1.6f), turn = sample_uniform(rng, -0.8f, 0.8f);
    sample_solid *s = solid_next(scene);

    if (kind < 3) { /* a saucer or plate */
        turned_make(scene, &ware_profiles[6], size, pool);
        sample_material_pot(&scene->paint[scene->n].material, rng);
    } else if (kind < 5) { /* a board or a folded cloth */
        box_make(scene, rng, false);
        s->half = v_set(size * 0.75f, sample_uniform(rng, 0.012f, 0.05f), size * 0.6f);
        s->round = 0.01f;
        s->lo = v_set(-s->half.x, 0, -s->half.z);
        s->hi = v_set(s->half.x, 2 * s->half.y, s->half.z);
        sample_texture_table(&scene->paint[scene->n].material.texture, rng);
    } else {
        return;
    }
    sample_solid_place(s, v_set(0, 0, 0), turn);
    scene->solid[0].place.y = kind < 3 ? 0.03f * size + 0.02f : s->hi.y;
    scene->n++;
}
