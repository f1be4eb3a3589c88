/* sample_shape.c - grids of distances from curves, and the solids made of them
 *
 * The distance to a curve of pieces with thickness r is min over the pieces of |p - q| - r(q), q
 * being the nearest point of the piece. Outside its grid a solid is at least sqrt(d^2 + e^2) away:
 * e is the distance to the grid's rectangle and d the value at the nearest point of it. The
 * rectangle is convex and holds the whole curve, so the two legs meet at a right angle or wider.
 */
#include "sample_shape.h"

typedef struct {
    float x, y, dx, dy, inv_len2, r, dr;
} piece;

typedef struct {
    int n;
    float r_max;
    piece piece[SAMPLE_PATH_MAX];
} piece_list;

static float spline(float a, float b, float c, float d, float t)
{
    return b + 0.5f * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

void sample_path_curve(sample_path *path, const sample_knot *knots, int n, int steps)
{
    bool start = true;

    for (int i = 0; i + 1 < n; i++) {
        const sample_knot *a = &knots[i > 0 ? i - 1 : 0], *b = &knots[i];
        const sample_knot *c = &knots[i + 1], *d = &knots[i + 2 < n ? i + 2 : n - 1];

        for (int k = i > 0; k <= steps && path->n < SAMPLE_PATH_MAX; k++) {
            const float t = (float)k / (float)steps;
            sample_knot *to = &path->knot[path->n];

            to->x = spline(a->x, b->x, c->x, d->x, t);
            to->y = spline(a->y, b->y, c->y, d->y, t);
            to->r = f_mix(b->r, c->r, t);
            path->start[path->n++] = start;
            start = false;
        }
    }
}

float sample_path_reach(const sample_path *path, float y_low, float y_high)
{
    float reach = 0;

    for (int i = 0; i < path->n; i++) {
        const sample_knot *k = &path->knot[i];

        if (k->y >= y_low && k->y <= y_high) {
            reach = f_max(reach, k->x + k->r);
        }
    }
    return reach;
}

static void pieces_of(piece_list *list, const sample_path *path)
{
    list->n = 0;
    list->r_max = 0;
    for (int i = 1; i < path->n; i++) {
        const sample_knot *a = &path->knot[i - 1], *b = &path->knot[i];
        const float dx = b->x - a->x, dy = b->y - a->y;

        if (path->start[i]) {
            continue;
        }
        list->piece[list->n++] = (piece){.x = a->x,
                .y = a->y,
                .dx = dx,
                .dy = dy,
                .inv_len2 = 1 / (dx * dx + dy * dy + 1e-12f),
                .r = a->r,
                .dr = b->r - a->r};
        list->r_max = f_max(list->r_max, f_max(a->r, b->r));
    }
}

/* The nearest piece; out[0] the distance to its axis, out[1] the thickness there. `from` is the
 * piece to try first: a good guess saves most of the square roots. */
static int nearest(const piece_list *list, float x, float y, int from, float out[2])
{
    float best = 1e9f, limit = 1e18f;
    int best_i = from;

    for (int k = 0; k <= list->n; k++) {
        const int i = k == 0 ? from : k - 1;
        const piece *s = &list->piece[i];
        const float px = x - s->x, py = y - s->y;
        const float t = f_clamp((px * s->dx + py * s->dy) * s->inv_len2, 0, 1);
        const float ex = px - t * s->dx, ey = py - t * s->dy;
        const float d2 = ex * ex + ey * ey;

        const float r = s->r + t * s->dr, d = d2 < limit ? sqrtf(d2) : 2e9f;

        if (d - r < best) {
            const float far = f_max(d - r + list->r_max, 0);

            best = d - r;
            best_i = i;
            out[0] = d;
            out[1] = r;
            limit = far * far;
        }
    }
    return best_i;
}

/* Chooses the spacing so that at most `cells_max` cells cover lo..hi. */
static void grid_fit(sample_grid *g, const float lo[2], const float hi[2], int cells_max)
{
    const float w = hi[0] - lo[0], h = hi[1] - lo[1];

    g->per_unit = sqrtf((float)cells_max / (w * h));
    do {
        g->per_unit *= 0.98f;
        g->nx = (int)(w * g->per_unit) + 2;
        g->ny = (int)(h * g->per_unit) + 2;
    } while (g->nx * g->ny > cells_max);
    g->x0 = lo[0];
    g->y0 = lo[1];
}

static void grid_fill(sample_grid *g, const sample_path *path, int channels, sample_pool *pool)
{
    piece_list list = {0};
    float *to = pool->next;
    int row_near = 0;

    pieces_of(&list, path);
    g->cell = to;
    for (int j = 0; j < g->ny; j++) {
        int near = row_near;

        for (int i = 0; i < g->nx; i++, to += channels) {
            float found[2] = {0, 0};

            near = nearest(&list, g->x0 + (float)i / g->per_unit, g->y0 + (float)j / g->per_unit,
                    near, found);
            row_near = i == 0 ? near : row_near;
            to[0] = channels == 1 ? found[0] - found[1] : found[0] * found[0];
            to[channels - 1] = channels == 1 ? to[0] : found[1];
        }
    }
    pool->next = to;
}

/* Bilinear look-up; returns the squared distance to the grid's rectangle. */
static float grid_read(const sample_grid *g, float x, float y, int channels, float out[2])
{
    const float gx = (x - g->x0) * g->per_unit, gy = (y - g->y0) * g->per_unit;
    const float cx = f_clamp(gx, 0, (float)(g->nx - 1) - 0.001f);
    const float cy = f_clamp(gy, 0, (float)(g->ny - 1) - 0.001f);
    const int ix = (int)cx, iy = (int)cy;
    const float fx = cx - (float)ix, fy = cy - (float)iy;
    const float ex = (gx - cx) / g->per_unit, ey = (gy - cy) / g->per_unit;
    const float *a = g->cell + (iy * g->nx + ix) * channels, *b = a + g->nx * channels;

    for (int k = 0; k < channels; k++) {
        const float low = f_mix(a[k], a[k + channels], fx), high = f_mix(b[k], b[k + channels], fx);

        out[k] = f_mix(low, high, fy);
    }
    return ex * ex + ey * ey;
}

/* The rectangle that holds a path, thickness included. */
static void path_bounds(const sample_path *path, float lo[2], float hi[2])
{
    lo[0] = lo[1] = 1e9f;
    hi[0] = hi[1] = -1e9f;
    for (int i = 0; i < path->n; i++) {
        const sample_knot *k = &path->knot[i];

        lo[0] = f_min(lo[0], k->x - k->r);
        lo[1] = f_min(lo[1], k->y - k->r);
        hi[0] = f_max(hi[0], k->x + k->r);
        hi[1] = f_max(hi[1], k->y + k->r);
    }
}

void sample_solid_turn(sample_solid *s, const sample_path *path, int cells_max, sample_pool *pool)
{
    const float edge = 0.03f;
    float lo[2], hi[2];

    path_bounds(path, lo, hi);
    s->lo = v_set(-hi[0], lo[1], -hi[0]);
    s->hi = v_set(hi[0], hi[1], hi[0]);
    lo[0] = 0;
    lo[1] -= edge;
    hi[0] += edge;
    hi[1] += edge;
    grid_fit(&s->lathe, lo, hi, cells_max);
    grid_fill(&s->lathe, path, 1, pool);
    s->step[SAMPLE_PART_BODY] = 1 / s->lathe.per_unit;
}

static void solid_tube(sample_solid *s, sample_grid *g, const sample_path *path, sample_pool *pool)
{
    const float edge = 0.05f;
    float lo[2], hi[2], deep = 0;

    path_bounds(path, lo, hi);
    for (int i = 0; i < path->n; i++) {
        deep = f_max(deep, path->knot[i].r);
    }
    deep *= f_max(s->flat, 1);
    s->lo = v_set(f_min(s->lo.x, lo[0]), f_min(s->lo.y, lo[1]), f_min(s->lo.z, -deep));
    s->hi = v_set(f_max(s->hi.x, hi[0]), f_max(s->hi.y, hi[1]), f_max(s->hi.z, deep));
    for (int k = 0; k < 2; k++) {
        lo[k] -= edge;
        hi[k] += edge;
    }
    grid_fit(g, lo, hi, SAMPLE_GRID_TUBE / 2);
    grid_fill(g, path, 2, pool);
}

void sample_solid_handle(sample_solid *s, const sample_path *path, sample_pool *pool)
{
    solid_tube(s, &s->handle, path, pool);
    s->step[SAMPLE_PART_HANDLE] = 1 / s->handle.per_unit;
}

void sample_solid_spout(sample_solid *s, const sample_path *path, sample_pool *pool)
{
    solid_tube(s, &s->spout, path, pool);
    s->step[SAMPLE_PART_SPOUT] = 1 / s->spout.per_unit;
}

void sample_solid_place(sample_solid *s, vec3 place, float yaw)
{
    const float c = cosf(yaw), k = sinf(yaw);

    s->place = place;
    s->axis[0] = v_set(c, 0, k);
    s->axis[1] = v_set(0, 1, 0);
    s->axis[2] = v_set(-k, 0, c);
}

vec3 sample_solid_local_dir(const sample_solid *s, vec3 world)
{
    return v_set(v_dot(world, s->axis[0]), v_dot(world, s->axis[1]), v_dot(world, s->axis[2]));
}

vec3 sample_solid_local(const sample_solid *s, vec3 world)
{
    return sample_solid_local_dir(s, v_sub(world, s->place));
}

vec3 sample_solid_world_dir(const sample_solid *s, vec3 local)
{
    const vec3 xy = v_along(v_scale(s->axis[0], local.x), s->axis[1], local.y);

    return v_along(xy, s->axis[2], local.z);
}

static float box_distance(const sample_solid *s, vec3 p)
{
    const float qx = fabsf(p.x) - s->half.x + s->round;
    const float qy = fabsf(p.y - s->half.y) - s->half.y + s->round;
    const float qz = fabsf(p.z) - s->half.z + s->round;
    const vec3 out = v_set(f_max(qx, 0), f_max(qy, 0), f_max(qz, 0));

    return sqrtf(v_dot(out, out)) + f_min(f_max(qx, f_max(qy, qz)), 0) - s->round;
}

static float lathe_distance(const sample_solid *s, vec3 p)
{
    float d[2];
    const float beyond = grid_read(&s->lathe, sqrtf(p.x * p.x + p.z * p.z), p.y, 1, d);

    return beyond > 0 ? sqrtf(d[0] * d[0] + beyond) : d[0];
}

static float handle_distance(const sample_solid *s, vec3 p)
{
    float d[2];
    const float beyond = grid_read(&s->handle, p.x, p.y, 2, d);
    const float z = p.z / s->flat;

    return (sqrtf(d[0] + beyond + z * z) - d[1]) * f_min(s->flat, 1);
}

/* A tube less the tube inside it, cut where the mouth is. */
static float spout_distance(const sample_solid *s, vec3 p)
{
    float d[2];
    const float beyond = grid_read(&s->spout, p.x, p.y, 2, d);
    const float axis = sqrtf(d[0] + beyond + p.z * p.z);
    const float past_tip = v_dot(v_sub(p, s->tip), s->tip_dir);

    return f_max(f_max(axis - d[1], past_tip), d[1] * 0.7f - axis);
}

/* The smaller of two distances, rounded where they meet (a polynomial blend of width k). */
static float soft_min(float a, float b, float k)
{
    const float h = f_max(k - fabsf(a - b), 0);

    return f_min(a, b) - h * h * 0.25f / k;
}

float sample_solid_distance(const sample_solid *s, vec3 p)
{
    float d;

    if (!s->lathe.cell) return box_distance(s, p);
    d = lathe_distance(s, p);
    if (s->handle.cell) {
        d = soft_min(d, handle_distance(s, p), s->blend);
    }
    if (s->spout.cell) {
        d = soft_min(d, spout_distance(s, p), s->blend);
    }
    return d;
}

int sample_solid_part(const sample_solid *s, vec3 p)
{
    float d;
    int part = SAMPLE_PART_BODY;

    if (!s->lathe.cell) return part;
    d = lathe_distance(s, p);
    if (s->handle.cell && handle_distance(s, p) < d) {
        d = handle_distance(s, p);
        part = SAMPLE_PART_HANDLE;
    }
    if (s->spout.cell && spout_distance(s, p) < d) {
        part = SAMPLE_PART_SPOUT;
    }
    return part;
}

/* Narrows span to where the ray is between two planes; a ray along them counts as nearly so. */
static void slab(float origin, float dir, float lo, float hi, float span[2])
{
    const float inv = 1 / (fabsf(dir) > 1e-9f ? dir : 1e-9f);
    const float a = (lo - origin) * inv, b = (hi - origin) * inv;

    span[0] = f_max(span[0], f_min(a, b));
    span[1] = f_min(span[1], f_max(a, b));
}

bool sample_solid_span(const sample_solid *s, vec3 origin, vec3 dir, float margin, float span[2])
{
    slab(origin.x, dir.x, s->lo.x - margin, s->hi.x + margin, span);
    slab(origin.y, dir.y, s->lo.y - margin, s->hi.y + margin, span);
    slab(origin.z, dir.z, s->lo.z - margin, s->hi.z + margin, span);
    return span[0] < span[1];
}

vec3 sample_solid_normal(const sample_solid *s, vec3 p)
{
    /* The four corners of a tetrahedron: the fewest look-ups that give a gradient. */
    static const vec3 corner[4] = {{1, -1, -1}, {-1, -1, 1}, {-1, 1, -1}, {1, 1, 1}};
    const float step = s->step[sample_solid_part(s, p)];
    vec3 n = {0};

    /* PITFALL: a step of one cell exactly. The errors of the bilinear look-ups are then the same on
     * both sides and cancel; with any other step curved walls show ripples. */
    for (int i = 0; i < 4; i++) {
        n = v_along(n, corner[i], sample_solid_distance(s, v_along(p, corner[i], step)));
    }
    return v_unit(n);
}
