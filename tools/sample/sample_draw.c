/* sample_draw.c - one picture of the sample set, from its name to its bytes
 *
 * The scratch holds the grids of the solids, then two pictures of floats.
 */
#include "sample_draw.h"

#include "sample_film.h"
#include "sample_rng.h"
#include "sample_scene.h"

enum { STREAM_SIZE = 1, STREAM_GRAIN };

const char *const sample_class_names[SAMPLE_CLASSES] = {"mugs", "teapots"};

void sample_size(const sample_id *id, int *width, int *height, int *jpeg_quality)
{
    static const float shapes[] = {1, 1, 4 / 3.0f, 4 / 3.0f, 3 / 2.0f, 4 / 5.0f};
    sample_rng rng = sample_rng_open(id, STREAM_SIZE);
    const float shape = shapes[sample_below(&rng, (int)(sizeof shapes / sizeof *shapes))];
    const float mean = sample_uniform(&rng, 240, 300);

    *width = (int)f_clamp(mean * sqrtf(shape), 180, 400);
    *height = (int)f_clamp(mean / sqrtf(shape), 180, 400);
    *jpeg_quality = 80 + sample_below(&rng, 16);
}

size_t sample_scratch_floats(int width, int height)
{
    return SAMPLE_GRID_FLOATS + 6 * (size_t)width * (size_t)height;
}

void sample_draw(const sample_id *id, uint8_t *rgb, float *scratch)
{
    sample_pool pool = {.next = scratch};
    sample_scene scene;
    sample_rng grain = sample_rng_open(id, STREAM_GRAIN);
    float *light = scratch + SAMPLE_GRID_FLOATS;

    sample_scene_make(&scene, id, &pool);
    sample_film_expose(&scene, sample_next(&grain), light,
            light + 3 * (size_t)scene.width * (size_t)scene.height, rgb);
}
