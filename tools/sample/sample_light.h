/* sample_light.h - what one ray of the picture sees */
#ifndef THIMBLE_SAMPLE_SAMPLE_LIGHT_H
#define THIMBLE_SAMPLE_SAMPLE_LIGHT_H

#include "sample_scene.h"

/* The linear colour that comes back along a ray; dir has unit length. */
vec3 sample_light_along(const sample_scene *scene, vec3 origin, vec3 dir);

#endif
