/* targets.c - what a batch's y holds for each class mode of Keras
 *
 *   sparse, binary   the class number                        1
 *   categorical      one for each of the sample's classes    number of classes
 *   raw              the numbers that came with the sample   their count
 *   input            the picture itself, taken from x        h * w * c
 *   none             nothing                                 0 */
#include "data/images.h"

#include <string.h>

bool tmb__labels_unused(const tmb_images_opts *opts)
{
    const tmb_class_mode mode = opts->class_mode;

    return mode == TMB_CLASS_INPUT || mode == TMB_CLASS_RAW || mode == TMB_CLASS_NONE;
}

int tmb__target_check(tmb_images *images)
{
    const tmb_class_mode mode = images->opts.class_mode;
    const size_t floats = tmb__store_floats(images);

    if (mode == TMB_CLASS_RAW && !images->numbers) {
        tmb__fail(TMB_EINVAL, "%s: no numbers for class mode raw", tmb__printable(images->root));
        tmb__hint("they are columns of a table (y_columns), or memory's y");
        return TMB_EINVAL;
    }
    if (mode == TMB_CLASS_BINARY && images->n_classes != 2) {
        return tmb__fail(TMB_EDATA, "%s: %d classes, class mode binary expects two",
                tmb__printable(images->root), images->n_classes);
    }
    if (mode == TMB_CLASS_SPARSE || mode == TMB_CLASS_BINARY) images->y_width = 1;
    if (mode == TMB_CLASS_CATEGORICAL) images->y_width = images->n_classes;
    if (mode == TMB_CLASS_INPUT) images->y_width = (int)floats;
    return 0;
}

void tmb__target_fill(const tmb_images *images, int64_t index, float *y)
{
    const tmb__sample *sample = &images->samples[index];
    const size_t width = (size_t)images->y_width;

    if (images->opts.class_mode == TMB_CLASS_RAW) {
        memcpy(y, images->numbers + sample->target, width * sizeof *y);
        return;
    }
    if (images->opts.class_mode != TMB_CLASS_CATEGORICAL) {
        y[0] = (float)sample->label;
        return;
    }
    memset(y, 0, width * sizeof *y);
    y[sample->label] = 1;
    for (int i = 0; i < sample->n_tags; i++)
        y[images->tags[sample->target + i]] = 1;
}
