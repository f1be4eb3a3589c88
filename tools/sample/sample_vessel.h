/* sample_vessel.h - the two things that the pictures are of: a mug or a teapot
 *
 * What a mug and a teapot share (outline of the body, handle, size, proportions) comes from the
 * same draws. A teapot has a spout and a lid with a knob, a mug an open mouth: the shape alone
 * tells them apart.
 */
#ifndef THIMBLE_SAMPLE_SAMPLE_VESSEL_H
#define THIMBLE_SAMPLE_SAMPLE_VESSEL_H

#include "sample_rng.h"
#include "sample_shape.h"

enum { SAMPLE_MUG, SAMPLE_TEAPOT };

/* What the paint needs to know of the shape, in local units. */
typedef struct {
    bool open;      /* a mug: its inside can be seen */
    float rim_y;    /* height of the opening */
    float lid_y;    /* where the lid starts; above everything on a mug */
    float knob_y;   /* where its knob starts */
    float liquid_y; /* the level inside a mug; below 0: empty */
    float reach;    /* largest radius of the body */
} sample_marks;

/* Draws a shape of the class, standing on y = 0 of its own frame. */
void sample_vessel_make(
        sample_solid *s, sample_marks *marks, int class_id, sample_rng *rng, sample_pool *pool);

#endif
