/* sample_draw.h - pictures of mugs and teapots for `thimble sample`, drawn from a seed
 *
 * Each picture is a function of its sample_id alone: the same bits whatever the order or the number
 * of threads. No memory is allocated, nothing is kept between calls. Needs only libc and libm.
 */
#ifndef THIMBLE_SAMPLE_SAMPLE_DRAW_H
#define THIMBLE_SAMPLE_SAMPLE_DRAW_H

#include <stddef.h>
#include <stdint.h>

/* Names one picture. Training and validation share one count, so that no picture is in both. */
typedef struct {
    uint64_t seed;
    int class_id;  /* 0 .. SAMPLE_CLASSES - 1 */
    int64_t index; /* counts over both splits */
} sample_id;

enum { SAMPLE_CLASSES = 2 };

extern const char *const sample_class_names[SAMPLE_CLASSES];

/* The size of the picture (180 to 400 pixels a side) and the quality to save it with (80 to 95). */
void sample_size(const sample_id *id, int *width, int *height, int *jpeg_quality);

/* How many floats of scratch sample_draw() needs for a picture of this size. */
size_t sample_scratch_floats(int width, int height);

/* One picture: fills `rgb` (height*width*3 bytes, HWC) of the size that sample_size() chose. */
void sample_draw(const sample_id *id, uint8_t *rgb, float *scratch);

#endif
