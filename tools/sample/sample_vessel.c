/* sample_vessel.c - outlines, handles, spouts, lids and knobs
 *
 * One unit is about ten centimetres. A body is two arcs, from the foot out to the belly and from
 * there in to the mouth; bent by an exponent or pulled straight they give mugs, bowls, globes,
 * pears and coffee pots.
 */
#include "sample_vessel.h"

enum { ARC_KNOTS = 8, HANDLE_KNOTS = 8 };

/* The outline of a body: radii at three heights, and how the lines between them bend. */
typedef struct {
    float foot, belly, mouth; /* radii */
    float belly_y, height;
    float bend_low, bend_high; /* exponents of the arcs: 1 is an ellipse, above 1 hollow */
    float straight;            /* 0 arcs, 1 straight lines */
    float wall;                /* half thickness */
} outline;

/* Ranges {low, high} of an outline; belly_y is a share of the height. */
typedef struct {
    float foot[2], belly[2], mouth[2], belly_y[2], height[2], straight[2];
} outline_range;

static const outline_range mug_ranges[] = {
        /* cylinder */
        {{.33f, .42f}, {.38f, .44f}, {.38f, .44f}, {.10f, .30f}, {.75f, 1.1f}, {.0f, .4f}},
        /* barrel */
        {{.28f, .36f}, {.42f, .50f}, {.34f, .42f}, {.40f, .60f}, {.70f, 1.0f}, {.0f, .2f}},
        /* cone */
        {{.24f, .33f}, {.42f, .52f}, {.42f, .52f}, {.99f, 1.0f}, {.70f, 1.0f}, {.7f, 1.f}},
        /* tea cup */
        {{.18f, .26f}, {.46f, .58f}, {.48f, .60f}, {.98f, 1.0f}, {.52f, .75f}, {.0f, .4f}},
        /* tulip */
        {{.20f, .30f}, {.44f, .52f}, {.38f, .46f}, {.30f, .45f}, {.70f, .95f}, {.0f, .2f}},
        /* globe */
        {{.22f, .30f}, {.46f, .54f}, {.40f, .46f}, {.42f, .52f}, {.64f, .80f}, {.0f, .1f}},
};

static const outline_range pot_ranges[] = {
        /* globe */
        {{.22f, .34f}, {.48f, .58f}, {.18f, .28f}, {.42f, .56f}, {.64f, .84f}, {.0f, .1f}},
        /* squat */
        {{.28f, .40f}, {.54f, .66f}, {.20f, .30f}, {.38f, .55f}, {.46f, .60f}, {.0f, .1f}},
        /* coffee pot */
        {{.34f, .44f}, {.40f, .48f}, {.20f, .28f}, {.15f, .35f}, {.90f, 1.15f}, {.0f, .6f}},
        /* cylinder */
        {{.36f, .44f}, {.42f, .50f}, {.28f, .40f}, {.50f, .75f}, {.64f, .90f}, {.0f, .2f}},
        /* pear */
        {{.28f, .36f}, {.48f, .56f}, {.16f, .24f}, {.28f, .40f}, {.74f, .95f}, {.0f, .3f}},
        /* hanging pear */
        {{.20f, .28f}, {.48f, .58f}, {.24f, .36f}, {.58f, .70f}, {.66f, .86f}, {.0f, .2f}},
};

static float in_range(sample_rng *rng, const float range[2])
{
    return sample_uniform(rng, range[0], range[1]);
}

static void outline_draw(outline *o, int class_id, sample_rng *rng)
{
    const int kind = sample_below(rng, (int)(sizeof mug_ranges / sizeof *mug_ranges));
    const outline_range *range = class_id == SAMPLE_MUG ? &mug_ranges[kind] : &pot_ranges[kind];

    o->foot = in_range(rng, range->foot);
    o->belly = in_range(rng, range->belly);
    o->mouth = in_range(rng, range->mouth);
    o->height = in_range(rng, range->height);
    o->belly_y = in_range(rng, range->belly_y) * o->height;
    o->straight = in_range(rng, range->straight);
    o->bend_low = sample_uniform(rng, 0.8f, 1.15f);
    o->bend_high = sample_uniform(rng, 0.75f, 1.3f);
    o->wall = sample_uniform(rng, 0.02f, 0.034f);
}

/* The wall from the axis along the floor, up to the belly and on to the mouth. */
static void outline_trace(const outline *o, sample_path *path)
{
    const float floor_y = o->wall + 0.015f;
    const float low = o->belly_y - floor_y, high = o->height - o->belly_y;
    sample_knot k[2 * ARC_KNOTS + 2];
    int n = 0;

    k[n++] = (sample_knot){0, floor_y, o->wall};
    k[n++] = (sample_knot){o->foot * 0.6f, floor_y, o->wall};
    for (int i = 0; i < ARC_KNOTS; i++) {
        const float t = (float)i / (ARC_KNOTS - 1), a = t * SAMPLE_PI / 2;
        const float bow = powf(sinf(a), o->bend_low), rise = 1 - cosf(a);

        k[n++] = (sample_knot){f_mix(o->foot, o->belly, f_mix(bow, t, o->straight)),
                floor_y + low * f_mix(rise, t, o->straight), o->wall};
    }
    for (int i = 1; i < ARC_KNOTS && high > 0.03f; i++) {
        const float t = (float)i / (ARC_KNOTS - 1), a = t * SAMPLE_PI / 2;
        const float bow = powf(f_max(cosf(a), 0), o->bend_high);

        k[n++] = (sample_knot){f_mix(o->mouth, o->belly, f_mix(bow, 1 - t, o->straight)),
                o->belly_y + high * f_mix(sinf(a), t, o->straight), o->wall};
    }
    sample_path_curve(path, k, n, 6);
}

static void foot_ring(const outline *o, sample_path *path, sample_rng *rng)
{
    const float r = sample_uniform(rng, 0.022f, 0.04f);
    const float x = o->foot * sample_uniform(rng, 0.9f, 1.0f);
    const sample_knot ring[2] = {{x, r, r}, {x * 0.98f, r + 0.03f, r}};

    sample_path_curve(path, ring, 2, 1);
}

/* Shapes of a handle between its two roots: `out` is a share of the reach, `up` runs from the lower
 * root (0) to the upper one (1). */
static const struct {
    int n;
    sample_knot knot[HANDLE_KNOTS - 2]; /* x: out, y: up, r: share of the thickness */
} handle_shapes[] = {
        {4, {{.62f, 1.08f, 1}, {1.f, .72f, 1}, {.92f, .30f, .95f}, {.48f, .02f, .9f}}},
        {4, {{.80f, 1.02f, 1}, {1.f, .86f, 1}, {1.f, .14f, 1}, {.80f, -.02f, 1}}},
        {5,
                {{.55f, 1.22f, 1}, {.95f, 1.12f, 1}, {1.f, .70f, .95f}, {.72f, .26f, .9f},
                        {.36f, .02f, .9f}}},
        {3, {{.90f, 1.04f, 1}, {1.f, .88f, 1}, {.55f, .35f, .9f}}},
        {4, {{.52f, .98f, .9f}, {.90f, .66f, 1}, {1.f, .26f, 1}, {.55f, -.10f, 1}}},
};

static float profile_x(const sample_path *body, float y)
{
    return sample_path_reach(body, y - 0.03f, y + 0.03f);
}

static void handle_side(
        const outline *o, const sample_path *body, sample_path *path, sample_rng *rng)
{
    const int kind = sample_below(rng, (int)(sizeof handle_shapes / sizeof *handle_shapes));
    const float top = o->height * sample_uniform(rng, 0.72f, 0.90f);
    const float low = o->height * sample_uniform(rng, 0.14f, 0.32f);
    const float r = sample_uniform(rng, 0.04f, 0.065f);
    const float out = sample_uniform(rng, 0.25f, 0.40f);
    const float x_top = profile_x(body, top), x_low = profile_x(body, low);
    sample_knot k[HANDLE_KNOTS];
    int n = 0;

    k[n++] = (sample_knot){-x_top + 0.02f, top, r * 1.25f};
    for (int i = 0; i < handle_shapes[kind].n; i++) {
        const sample_knot *s = &handle_shapes[kind].knot[i];

        k[n++] = (sample_knot){-f_mix(x_low, x_top, f_clamp(s->y, 0, 1)) - out * s->x,
                f_mix(low, top, s->y), r * s->r};
    }
    k[n++] = (sample_knot){-x_low + 0.02f, low, r * 1.15f};
    sample_path_curve(path, k, n, 12);
}

/* A handle that arches over the lid from the spout's side to the other. */
static void handle_bail(
        const outline *o, const sample_path *body, sample_path *path, sample_rng *rng)
{
    const float y = o->height * sample_uniform(rng, 0.80f, 0.92f), x = profile_x(body, y);
    const float rise = sample_uniform(rng, 0.38f, 0.58f), r = sample_uniform(rng, 0.03f, 0.045f);
    const float wide = sample_uniform(rng, 1.0f, 1.35f), top = o->height + rise;
    const sample_knot k[7] = {{-x + .02f, y, r * 1.3f}, {-x * wide - .02f, f_mix(y, top, .4f), r},
            {-x * wide * .8f, f_mix(y, top, .82f), r}, {0, top, r * 1.15f},
            {x * wide * .8f, f_mix(y, top, .82f), r}, {x * wide + .02f, f_mix(y, top, .4f), r},
            {x - .02f, y, r * 1.3f}};

    sample_path_curve(path, k, 7, 12);
}

/* From inside the belly out and up: a swan's neck, a straight cone or a stub. */
static void spout_make(sample_solid *s, const outline *o, const sample_path *body,
        sample_path *path, sample_rng *rng)
{
    const float root_y = o->height * sample_uniform(rng, 0.26f, 0.50f);
    const float root_x = profile_x(body, root_y), belly = sample_path_reach(body, 0, o->height);
    const float swan = sample_chance(rng, 0.5f) ? sample_uniform(rng, 0.4f, 1.0f) : 0;
    const float out = sample_uniform(rng, 0.24f, 0.46f) + 0.06f * swan;
    const float tip_y = o->height * sample_uniform(rng, 0.88f, 1.10f);
    const float wide = sample_uniform(rng, 0.11f, 0.17f), thin = sample_uniform(rng, 0.055f, 0.08f);
    const float x0 = root_x - 0.12f, x1 = belly + out, rise = tip_y - root_y;
    const float sag = 0.30f * swan * rise;
    const sample_knot k[6] = {{x0 - .05f, root_y - .03f, wide},
            {x0 + .14f, root_y + .08f * rise, wide},
            {f_mix(x0, x1, .52f) + .03f * swan, root_y + .40f * rise - .3f * sag,
                    f_mix(wide, thin, .5f)},
            {f_mix(x0, x1, .72f) + .01f * swan, root_y + .70f * rise - .2f * sag,
                    f_mix(wide, thin, .85f)},
            {f_mix(x0, x1, .90f) - .02f * swan, root_y + .93f * rise, thin},
            {x1 + .04f, root_y + 1.06f * rise - .05f * sag, thin * 1.05f}};
    const float level = sample_uniform(rng, 0, 0.8f);
    const vec3 along = v_unit(v_set(k[5].x - k[4].x, k[5].y - k[4].y, 0));

    sample_path_curve(path, k, 6, 12);
    s->tip = v_set(f_mix(k[4].x, k[5].x, .6f), f_mix(k[4].y, k[5].y, .6f), 0);
    s->tip_dir = v_unit(v_mix(along, v_set(0.25f, 0.97f, 0), level));
}

/* Knobs as strokes above the top of the lid; x, y and r in units of the knob's size. */
static const struct {
    int n;
    sample_knot knot[5];
} knob_shapes[] = {
        {2, {{0, .9f, .85f}, {0, .95f, .85f}}},                                /* ball */
        {4, {{0, 0, .35f}, {0, .8f, .3f}, {0, 1.1f, .3f}, {.6f, 1.1f, .28f}}}, /* button */
        {5,
                {{0, 0, .5f}, {0, .5f, .3f}, {0, 1.f, .55f}, {0, 1.5f, .7f},
                        {0, 1.9f, .3f}}},                    /* turned */
        {3, {{0, 0, .75f}, {0, 1.f, .55f}, {0, 1.8f, .3f}}}, /* cone */
        {2, {{0, .2f, .6f}, {.5f, .5f, .45f}}},              /* low disc */
};

static void lid_make(const outline *o, sample_path *path, sample_marks *marks, sample_rng *rng)
{
    const int kind = sample_below(rng, (int)(sizeof knob_shapes / sizeof *knob_shapes));
    const float dome = sample_uniform(rng, 0.05f, 0.20f), size = sample_uniform(rng, 0.06f, 0.1f);
    const float over = o->mouth + sample_uniform(rng, 0.0f, 0.035f), r = 0.022f;
    const float base = o->height + sample_uniform(rng, 0.02f, 0.05f), top = base + dome;
    const sample_knot lid[6] = {{over, base, r}, {over * .96f, base + .10f * dome, r},
            {over * .80f, base + .48f * dome, r}, {over * .50f, base + .82f * dome, r},
            {over * .20f, base + .98f * dome, r}, {0, top, r}};
    sample_knot knob[5];

    for (int i = 0; i < knob_shapes[kind].n; i++) {
        const sample_knot *k = &knob_shapes[kind].knot[i];

        knob[i] = (sample_knot){k->x * size, top + k->y * size, k->r * size};
    }
    sample_path_curve(path, lid, 6, 4);
    sample_path_curve(path, knob, knob_shapes[kind].n, 4);
    marks->lid_y = base - 0.5f * r;
    marks->knob_y = top + r;
}

/* What is in a mug: a thin disc across it. */
static void liquid_pour(const outline *o, sample_path *path, sample_marks *marks, sample_rng *rng)
{
    const float y = o->height * sample_uniform(rng, 0.62f, 0.88f);
    const float x = sample_path_reach(path, y - 0.03f, y + 0.03f) - 2 * o->wall;
    const sample_knot disc[2] = {{0, y, 0.012f}, {x, y, 0.012f}};

    sample_path_curve(path, disc, 2, 1);
    marks->liquid_y = y + 0.012f;
}

void sample_vessel_make(
        sample_solid *s, sample_marks *marks, int class_id, sample_rng *rng, sample_pool *pool)
{
    outline o = {0};
    sample_path body = {0}, handle = {0}, spout = {0};

    outline_draw(&o, class_id, rng);
    outline_trace(&o, &body);
    *marks = (sample_marks){.open = class_id == SAMPLE_MUG,
            .rim_y = o.height,
            .lid_y = 1e9f,
            .knob_y = 1e9f,
            .liquid_y = -1};
    marks->reach = sample_path_reach(&body, 0, o.height);
    s->flat = sample_uniform(rng, 0.8f, 1.7f);
    s->blend = sample_uniform(rng, 0.02f, 0.08f);
    if (class_id == SAMPLE_TEAPOT && sample_chance(rng, 0.10f)) {
        handle_bail(&o, &body, &handle, rng);
    } else {
        handle_side(&o, &body, &handle, rng);
    }
    if (class_id == SAMPLE_TEAPOT) {
        spout_make(s, &o, &body, &spout, rng);
        lid_make(&o, &body, marks, rng);
    } else if (sample_chance(rng, 0.7f)) {
        liquid_pour(&o, &body, marks, rng);
    }
    if (sample_chance(rng, 0.4f)) {
        foot_ring(&o, &body, rng);
    }
    sample_solid_turn(s, &body, SAMPLE_GRID_BODY, pool);
    sample_solid_handle(s, &handle, pool);
    if (class_id == SAMPLE_TEAPOT) {
        sample_solid_spout(s, &spout, pool);
    }
}
