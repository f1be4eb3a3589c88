/* generator.h - what Keras' ImageDataGenerator does to one picture, on arrays of floats
 *
 * A picture is (height, width, channels) floats with 1 to 4 channels, of any range; `shape` holds the
 * three sizes. Data sets (data.h) do all of this by themselves.
 */
#ifndef THIMBLE_GENERATOR_H
#define THIMBLE_GENERATOR_H

#include <thimble/data.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One picture's changes, with the keys of Keras' dictionary: the map from output to input, then colour.
 * All zero: nothing is changed. */
typedef struct tmb_transform {
    double theta;  /* degrees */
    double tx, ty; /* pixels, across and down; in the Keras presets tx is the height shift */
    double shear;  /* degrees; KERAS2016: radians */
    double zx, zy; /* below 1 magnifies; 0: 1 */
    bool flip_horizontal, flip_vertical;
    double channel_shift_intensity[4]; /* pixel units, by channel; all equal but in KERAS2016 */
    bool has_brightness;               /* false: Keras' None */
    double brightness;                 /* a factor, if there is one */
    /* Beyond Keras. */
    double crop[4]; /* y, x, height, width as shares of the picture; height 0: the whole */
    double gain[3], contrast, saturation; /* each times 1 + this */
    double erase[4];                      /* y, x, height, width as shares; height 0: none */
} tmb_transform;

/* apply_transform: `x` -> `out`, another array of the same shape. Of `augment` preset, fill, cval and
 * sampling count; NULL: all 0. */
TMB_API int tmb_transform_apply(const tmb_transform *transform, const tmb_augment *augment,
        const int shape[3], const float *x, float *out);

#ifdef __cplusplus
}
#endif
#endif
