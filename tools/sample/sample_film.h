/* sample_film.h - from a scene to the bytes of a photo */
#ifndef THIMBLE_SAMPLE_SAMPLE_FILM_H
#define THIMBLE_SAMPLE_SAMPLE_FILM_H

#include "sample_scene.h"

/* `light` (height, width, 3) and `spare` (height, width, 3) are working space. */
void sample_film_expose(
        const sample_scene *scene, uint64_t grain, float *light, float *spare, uint8_t *rgb);

#endif
