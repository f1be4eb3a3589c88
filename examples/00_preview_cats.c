/* 00_preview_cats.c - the first snippet of the 2016 post: 20 augmented versions of one photo, in a folder
 *
 * The same as: thimble preview PHOTO --save-to-dir FOLDER --save-prefix cat, and the options below */
#include <stdio.h>
#include <stdlib.h>
#include <thimble/thimble.h>

#define TRY(call) ((call) < 0 ? (fprintf(stderr, "%s\n", tmb_errmsg()), exit(1)) : (void)0)

int main(int argc, char **argv)
{
    const char *photo = argc > 1 ? argv[1] : "data/train/cats/cat.0.jpg";
    tmb_images_opts datagen = {.augment = {.preset = TMB_PRESET_KERAS2016,
                                       .rotation = 40,
                                       .width_shift = 0.2f,
                                       .height_shift = 0.2f,
                                       .shear = 0.2f, /* radians, in 2016 */
                                       .zoom = {0.8f, 1.2f},
                                       .horizontal_flip = true,
                                       .fill = TMB_FILL_NEAREST}};
    tmb_images *flow;
    tmb_batch batch;
    tmb_image img;

    datagen.batch = 1, datagen.class_mode = TMB_CLASS_NONE, datagen.part = TMB_ALL;
    datagen.save_dir = argc > 2 ? argv[2] : "preview"; /* a folder that is there */
    datagen.save_prefix = "cat", datagen.save_format = "jpeg";

    TRY(tmb_image_read(&img, photo, NULL, NULL)); /* pixels (height, width, 3) */
    TRY(tmb_images_from_memory(&flow,
            &(tmb_memory){.n = 1,
                    .height = img.height,
                    .width = img.width,
                    .channels = img.channels,
                    .pixels = img.pixels},
            &datagen));
    for (int i = 0; i < 20; i++) { /* an epoch has one picture, and Keras' never end */
        TRY(tmb_images_epoch(flow, i, 0));
        TRY(tmb_images_next(flow, &batch));
    }

    tmb_images_free(flow);
    tmb_image_free(&img);
}
