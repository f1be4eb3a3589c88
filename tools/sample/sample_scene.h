/* sample_scene.h - everything that is in one picture, before any ray is sent
 *
 * World: the table is y = 0, the pot stands near the origin, the camera is on the side of +z and
 * the wall on the side of -z. Lengths are in units of about ten centimetres.
 */
#ifndef THIMBLE_SAMPLE_SAMPLE_SCENE_H
#define THIMBLE_SAMPLE_SAMPLE_SCENE_H

#include "sample_paint.h"
#include "sample_shape.h"
#include "sample_vessel.h"

enum {
    SAMPLE_CLUTTER_MAX = 9,
    SAMPLE_SOLIDS_MAX = 1 + SAMPLE_CLUTTER_MAX,
    SAMPLE_GRID_FLOATS =
            SAMPLE_GRID_BODY + 2 * SAMPLE_GRID_TUBE + SAMPLE_CLUTTER_MAX * SAMPLE_GRID_SMALL,
};

/* How the coordinates of a pattern are laid on a solid. */
typedef enum { SAMPLE_LAY_POT, SAMPLE_LAY_TURNED, SAMPLE_LAY_BOX, SAMPLE_LAY_BOOK } sample_lay;

typedef struct {
    sample_lay lay;
    sample_material material;
    float around;                                  /* turned: circumference */
    sample_marks marks;                            /* pot: the rest of the fields as well */
    vec3 handle, spout, lid, knob, inside, liquid; /* colours of the parts */
    vec3 rim;
    float rim_width; /* 0: no painted rim */
    bool handle_own, spout_own, lid_own, inside_own;
} sample_paint;

typedef struct {
    vec3 eye, right, up, forward;
    float zoom;     /* half the height of the picture at distance 1 */
    float shift[2]; /* of the picture's centre, in half heights */
} sample_camera;

typedef struct {
    vec3 to_key;           /* direction to the window or lamp */
    vec3 across, upward;   /* directions of its sides */
    vec3 key, sky, bounce; /* colours: key, ambient from above, ambient from the table */
    vec3 room;             /* what a mirror shows of the room */
    float pane[2];         /* half sizes of the window, as tangents */
    bool cross;            /* the window has a cross of bars */
    float hardness;        /* of shadows: distance over width of the penumbra */
} sample_light;

/* What camera and film do to the finished picture. */
typedef struct {
    float exposure; /* mean brightness aimed at */
    vec3 tint;
    float contrast, vignette, noise;
    float blur; /* pixels, 0: sharp */
} sample_film;

typedef struct {
    int width, height;
    int n; /* solids; 0 is the pot */
    sample_solid solid[SAMPLE_SOLIDS_MAX];
    sample_paint paint[SAMPLE_SOLIDS_MAX];
    sample_camera camera;
    sample_light light;
    sample_film film;
    sample_material table;
    sample_texture wall;
    float table_back; /* z where the table ends */
    vec3 wall_normal; /* towards the camera */
    float wall_far;   /* distance of the wall from the origin */
} sample_scene;

/* Draws lots for the whole picture; grids go to `pool`, which must hold SAMPLE_GRID_FLOATS: the
 * pot's three and one for each turned thing that is tried, at most three around and one under. */
void sample_scene_make(sample_scene *scene, const sample_id *id, sample_pool *pool);

/* Adds things that stand around, none of them in the way of the pot by much. */
void sample_clutter_add(sample_scene *scene, sample_rng *rng, sample_pool *pool);

/* Lays something under the pot (saucer, board, cloth), or nothing; lifts the pot onto it. */
void sample_clutter_under(sample_scene *scene, sample_rng *rng, sample_pool *pool);

#endif
