/* sample_scene.c - lots for shape, paint, room, light, camera and film
 *
 * Each has a random stream of its own. Only the stream of the shape is used with the class: all
 * other lots fall alike for mugs and teapots.
 */
#include "sample_scene.h"

enum {
    STREAM_SHAPE = 16,
    STREAM_PAINT,
    STREAM_ROOM,
    STREAM_LIGHT,
    STREAM_CAMERA,
    STREAM_FILM,
    STREAM_CLUTTER
};

static void paint_pot(sample_paint *paint, const sample_marks *marks, sample_rng *rng)
{
    static const float drinks[][3] = {{.16f, .08f, .04f}, {.45f, .20f, .06f}, {.66f, .48f, .34f},
            {.90f, .86f, .80f}, {.40f, .45f, .16f}};
    const float *drink = drinks[sample_below(rng, 5)];
    const bool accents = sample_chance(rng, 0.3f);
    const vec3 accent = sample_color(rng);

    paint->lay = SAMPLE_LAY_POT;
    paint->marks = *marks;
    sample_material_pot(&paint->material, rng);
    paint->around = 2 * SAMPLE_PI * marks->reach;
    paint->handle = paint->spout = paint->lid = paint->knob = paint->material.texture.a;
    paint->handle_own = paint->spout_own = paint->material.texture.pattern != SAMPLE_GLAZE;
    paint->lid_own = sample_chance(rng, 0.4f);
    paint->inside_own = paint->material.metal == 0 && sample_chance(rng, 0.7f);
    paint->inside = sample_color_linear(0.93f, 0.91f, 0.87f);
    paint->liquid = sample_color_linear(drink[0], drink[1], drink[2]);
    if (accents) {
        paint->handle = paint->knob = accent;
        paint->handle_own = true;
        paint->spout = sample_chance(rng, 0.3f) ? accent : paint->spout;
        paint->lid = sample_chance(rng, 0.5f) ? accent : paint->lid;
    }
    paint->rim = accents ? accent : sample_color(rng);
    paint->rim_width = sample_chance(rng, 0.25f) ? sample_uniform(rng, 0.02f, 0.07f) : 0;
}

static void room_make(sample_scene *scene, sample_rng *rng)
{
    const float turn = sample_uniform(rng, -0.5f, 0.5f);

    sample_texture_table(&scene->table.texture, rng);
    sample_texture_wall(&scene->wall, rng);
    scene->table.gloss = sample_uniform(rng, 0.02f, 0.05f);
    scene->table.spread = sample_uniform(rng, 0.1f, 1.0f);
    if (scene->table.texture.pattern == SAMPLE_CHECKS ||
            scene->table.texture.pattern == SAMPLE_STRIPES) {
        scene->table.spread = 1; /* cloth */
    }
    scene->wall_normal = v_set(sinf(turn), 0, cosf(turn));
    scene->wall_far = sample_uniform(rng, 2.3f, 6.0f);
    scene->table_back = sample_chance(rng, 0.5f) ? -sample_uniform(rng, 1.6f, 3.0f) : -100;
}

static void light_make(sample_light *light, sample_rng *rng)
{
    const float turn = sample_uniform(rng, -2.1f, 2.1f), high = sample_uniform(rng, 0.45f, 1.2f);
    const float warm = sample_uniform(rng, -0.12f, 0.25f), power = sample_uniform(rng, 1.4f, 3.0f);
    const float fill = sample_uniform(rng, 0.45f, 1.0f), cool = sample_uniform(rng, -0.05f, 0.15f);

    light->to_key = v_set(sinf(turn) * cosf(high), sinf(high), cosf(turn) * cosf(high));
    light->across = v_unit(v_cross(v_set(0, 1, 0), light->to_key));
    light->upward = v_cross(light->to_key, light->across);
    light->key = v_scale(v_set(1 + warm, 1, 1 - warm), power);
    light->sky = v_scale(v_set(1 - cool, 1, 1 + cool), fill);
    light->pane[0] = sample_uniform(rng, 0.18f, 0.45f);
    light->pane[1] = sample_uniform(rng, 0.22f, 0.55f);
    light->cross = sample_chance(rng, 0.5f);
    light->hardness =
            sample_chance(rng, 0.3f) ? sample_uniform(rng, 10, 24) : sample_uniform(rng, 2.5f, 7);
}

/* The ambient light from below has the colour of the table, that of a mirror's room the wall's. */
static void light_bounce(sample_scene *scene)
{
    sample_light *l = &scene->light;
    vec3 table = {0}, wall = {0};

    for (int i = 0; i < 16; i++) {
        const float u = 0.37f * (float)i, v = 0.61f * (float)(i % 5);

        table = v_along(table, sample_texture_at(&scene->table.texture, u, v), 1 / 16.0f);
        wall = v_along(wall, sample_texture_at(&scene->wall, u, v), 1 / 16.0f);
    }
    l->bounce = v_mul(table, v_along(v_scale(l->sky, 0.5f), l->key, 0.3f * l->to_key.y));
    l->room = v_mul(v_mix(wall, v_set(0.7f, 0.7f, 0.7f), 0.4f),
            v_along(v_scale(l->sky, 0.8f), l->key, 0.1f));
}

/* Picture coordinates, in half heights, of a point. */
static void project(const sample_camera *c, vec3 p, float out[2])
{
    const vec3 d = v_sub(p, c->eye);
    const float depth = f_max(v_dot(d, c->forward), 0.1f) * c->zoom;

    out[0] = v_dot(d, c->right) / depth;
    out[1] = v_dot(d, c->up) / depth;
}

/* The rectangle of the picture that a box about the pot falls in: {x low, x high, y low, y high} */
static void pot_frame(const sample_scene *scene, vec3 lo, vec3 hi, float box[4])
{
    const sample_solid *pot = &scene->solid[0];

    box[0] = box[2] = 1e9f;
    box[1] = box[3] = -1e9f;
    for (int i = 0; i < 8; i++) {
        /* A round body does not fill the corners: its box is taken less deep. */
        const vec3 corner =
                v_set(i & 1 ? hi.x : lo.x, i & 2 ? hi.y : lo.y, 0.6f * (i & 4 ? hi.z : lo.z));
        float at[2];

        project(&scene->camera, v_add(pot->place, sample_solid_world_dir(pot, corner)), at);
        box[0] = f_min(box[0], at[0]);
        box[1] = f_max(box[1], at[0]);
        box[2] = f_min(box[2], at[1]);
        box[3] = f_max(box[3], at[1]);
    }
}

/* By what factor to step back so that the pot covers the share of the picture. Its body counts, not
 * its width: by that a teapot would come out smaller than a mug, and size would tell them apart. */
static float frame_share(const sample_scene *scene, float share)
{
    const sample_solid *pot = &scene->solid[0];
    const sample_marks *m = &scene->paint[0].marks;
    const float aspect = (float)scene->width / (float)scene->height;
    float body[4], all[4], w, h;

    pot_frame(scene, v_set(-m->reach, 0, pot->lo.z), v_set(m->reach, m->rim_y, pot->hi.z), body);
    pot_frame(scene, pot->lo, pot->hi, all);
    w = body[1] - body[0];
    h = body[3] - body[2];
    return f_max(sqrtf(w * h / (4 * aspect)) / share,
            f_max((all[1] - all[0]) / aspect, all[3] - all[2]) / 1.94f);
}

static void camera_aim(sample_camera *c, vec3 at, float pitch, float roll, float far)
{
    const vec3 back = v_set(0, sinf(pitch), cosf(pitch));
    vec3 side = v_set(1, 0, 0), up;

    c->eye = v_along(at, back, far);
    c->forward = v_scale(back, -1);
    up = v_cross(side, c->forward);
    c->right = v_add(v_scale(side, cosf(roll)), v_scale(up, sinf(roll)));
    c->up = v_sub(v_scale(up, cosf(roll)), v_scale(side, sinf(roll)));
}

/* Sets the camera so that the pot fills a share of the picture, anywhere in it. */
static void camera_make(sample_scene *scene, sample_rng *rng)
{
    const float aspect = (float)scene->width / (float)scene->height;
    const float pitch = sample_uniform(rng, 0.16f, 0.58f),
                roll = sample_uniform(rng, -0.06f, 0.06f);
    const float share = sample_uniform(rng, 0.52f, 0.66f);
    const vec3 at = v_set(0, 0.45f * scene->solid[0].hi.y, 0);
    sample_camera *c = &scene->camera;
    float far = 5, box[4];

    c->zoom = sample_uniform(rng, 0.20f, 0.36f);
    for (int i = 0; i < 4; i++) {
        camera_aim(c, at, pitch, roll, far);
        far *= frame_share(scene, share);
    }
    camera_aim(c, at, pitch, roll, far);
    pot_frame(scene, scene->solid[0].lo, scene->solid[0].hi, box);
    for (int k = 0; k < 2; k++) {
        const float half = k ? 1 : aspect;
        const float slack = f_max(half - 0.5f * (box[2 * k + 1] - box[2 * k]), 0) * 0.3f;
        const float wander = sample_uniform(rng, -1, 1);

        c->shift[k] = 0.5f * (box[2 * k] + box[2 * k + 1]) - slack * wander;
    }
}

static void film_make(sample_film *film, sample_rng *rng)
{
    const float warm = sample_uniform(rng, -0.06f, 0.06f);

    film->exposure = sample_uniform(rng, 0.20f, 0.36f);
    film->tint = v_set(1 + warm, 1, 1 - warm);
    film->contrast = sample_uniform(rng, 0.9f, 1.15f);
    film->vignette = sample_uniform(rng, 0, 0.35f);
    film->noise = sample_uniform(rng, 0.003f, 0.015f);
    film->blur = sample_chance(rng, 0.2f) ? sample_uniform(rng, 0.4f, 1.2f) : 0;
}

/* Yaw: spout and handle lie across the view, left or right, up to 24 degrees out of it; beyond
 * that the body hides one of them and a stranger has to guess. */
static float pot_yaw(sample_rng *rng)
{
    const float half = sample_uniform(rng, -0.21f, 0.21f);
    const float other = sample_uniform(rng, -0.21f, 0.21f);

    return half + other + (sample_chance(rng, 0.5f) ? SAMPLE_PI : 0);
}

void sample_scene_make(sample_scene *scene, const sample_id *id, sample_pool *pool)
{
    sample_rng shape = sample_rng_open(id, STREAM_SHAPE), paint = sample_rng_open(id, STREAM_PAINT);
    sample_rng room = sample_rng_open(id, STREAM_ROOM), light = sample_rng_open(id, STREAM_LIGHT);
    sample_rng camera = sample_rng_open(id, STREAM_CAMERA), film = sample_rng_open(id, STREAM_FILM);
    sample_rng clutter = sample_rng_open(id, STREAM_CLUTTER);
    sample_marks marks;

    *scene = (sample_scene){.n = 1};
    sample_size(id, &scene->width, &scene->height, &(int){0});
    sample_vessel_make(&scene->solid[0], &marks, id->class_id, &shape, pool);
    paint_pot(&scene->paint[0], &marks, &paint);
    sample_solid_place(&scene->solid[0], v_set(0, 0, 0), pot_yaw(&camera));
    room_make(scene, &room);
    light_make(&scene->light, &light);
    light_bounce(scene);
    sample_clutter_under(scene, &clutter, pool);
    sample_clutter_add(scene, &clutter, pool);
    camera_make(scene, &camera);
    film_make(&scene->film, &film);
}
