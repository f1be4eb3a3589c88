/* sample_shape.h - solids as signed distances: turned profiles, bent tubes, rounded boxes
 *
 * A curve is a row of knots, each with a thickness. Turned about the y axis it is a pot, an apple,
 * a bottle; left in its plane and thickened it is a handle or a spout. Either way its distance is
 * needed in two dimensions only, so it is worked out once into a grid, and a step of the ray is
 * then one look-up however fine the curve is.
 */
#ifndef THIMBLE_SAMPLE_SAMPLE_SHAPE_H
#define THIMBLE_SAMPLE_SAMPLE_SHAPE_H

#include "sample_vec.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    SAMPLE_PATH_MAX = 192, /* knots of a path after smoothing */
    SAMPLE_GRID_BODY = 128 * 160,
    SAMPLE_GRID_TUBE = 96 * 96 * 2,
    SAMPLE_GRID_SMALL = 64 * 80,
};

/* A point of a curve; r is half the thickness there. */
typedef struct {
    float x, y, r;
} sample_knot;

/* Several strokes; start[i] lifts the pen before knot i. */
typedef struct {
    int n;
    sample_knot knot[SAMPLE_PATH_MAX];
    bool start[SAMPLE_PATH_MAX];
} sample_path;

/* Distances on a regular grid; one channel (distance) or two (squared distance to the axis and
 * thickness there; the square is smooth at the axis, where the distance itself has a kink). */
typedef struct {
    const float *cell; /* (ny, nx, channels), NULL: nothing there */
    int nx, ny;
    float x0, y0;
    float per_unit; /* cells per unit of length */
} sample_grid;

/* Where floats for the grids are taken from. */
typedef struct {
    float *next;
} sample_pool;

enum { SAMPLE_PART_BODY, SAMPLE_PART_HANDLE, SAMPLE_PART_SPOUT, SAMPLE_PARTS };

/* A solid in its own frame; the union of the parts that it has. */
typedef struct {
    vec3 place;         /* of the local origin */
    vec3 axis[3];       /* local x, y, z in the world, unit length */
    vec3 lo, hi;        /* local bounds */
    vec3 half;          /* box: half sizes; all 0 when there is no box */
    float round;        /* box: radius of the edges */
    sample_grid lathe;  /* turned about y */
    sample_grid handle; /* tube in the plane z = 0 */
    sample_grid spout;  /* hollow tube in the plane z = 0, cut at tip */
    float flat;         /* width of the handle over its thickness */
    float blend;        /* how softly the tubes join the body */
    vec3 tip, tip_dir;
    float step[SAMPLE_PARTS]; /* size of the difference that a normal is taken with */
} sample_solid;

/* Adds a smooth stroke through the knots (Catmull-Rom), `steps` pieces between two of them. */
void sample_path_curve(sample_path *path, const sample_knot *knots, int n, int steps);

/* The largest x + r between two heights. */
float sample_path_reach(const sample_path *path, float y_low, float y_high);

/* Turns the path about the y axis and sets the bounds. */
void sample_solid_turn(sample_solid *s, const sample_path *path, int cells_max, sample_pool *pool);

/* Adds a tube and widens the bounds. */
void sample_solid_handle(sample_solid *s, const sample_path *path, sample_pool *pool);
void sample_solid_spout(sample_solid *s, const sample_path *path, sample_pool *pool);

/* Puts the solid at a place, turned about the vertical by `yaw`. */
void sample_solid_place(sample_solid *s, vec3 place, float yaw);

vec3 sample_solid_local(const sample_solid *s, vec3 world);
vec3 sample_solid_local_dir(const sample_solid *s, vec3 world);
vec3 sample_solid_world_dir(const sample_solid *s, vec3 local);

/* The distance from a local point, never too long by much; negative inside the walls. */
float sample_solid_distance(const sample_solid *s, vec3 local);

/* Which part the surface at a local point belongs to. */
int sample_solid_part(const sample_solid *s, vec3 local);

/* The part of a local ray inside the bounds widened by `margin`; false when it misses them. */
bool sample_solid_span(const sample_solid *s, vec3 origin, vec3 dir, float margin, float span[2]);

/* The unit normal at a local point of the surface, in local directions. */
vec3 sample_solid_normal(const sample_solid *s, vec3 local);

#endif
