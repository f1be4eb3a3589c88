/* cmd_preview.c - thimble preview: photos beside their augmented versions, as one picture */
#include "ui.h"

int cmd_PREVIEW(const options *opts)
{
    static const tmb_part parts[] = {TMB_HELD_OUT, TMB_ALL, TMB_TRAIN, TMB_VALIDATION, TMB_TEST};
    const char *path = opt_text(opts, OPT_OUTPUT, NULL);
    tmb_images_opts images_opts = {0};
    tmb_images *images = NULL;
    tmb_image sheet = {0};
    tmb_recipe recipe;
    ui u = ui_of(opts);
    int status;

    if (opts->n_args != 1 || !path) {
        tmb__fail(TMB_EINVAL, "preview takes one folder and -o FILE");
        tmb__hint("thimble preview DIR -o grid.png");
        return TMB_EINVAL;
    }
    TMB_TRY(check_overwrite(path, opts));
    TMB_TRY(recipe_from(&recipe, opts));
    images_opts_from(&images_opts, opts);
    images_opts.preprocess = &recipe.preprocess;
    images_opts.augment = recipe.augment;
    images_opts.batch = recipe.batch;
    images_opts.part = parts[opt_choice(opts, OPT_PART, 2)];
    images_opts.on_scan = ui_scan;
    images_opts.user = &u;
    status = tmb_images_open(&images, opts->args[0], &images_opts);
    if (status == 0) {
        ui_notices(&u, images, NULL);
        status = tmb_images_preview(images, (int)opt_number(opts, OPT_ROWS, 6),
                (int)opt_number(opts, OPT_VARIANTS, 7), &sheet);
    }
    if (status == 0) status = tmb_image_write(&sheet, path, 0);
    if (status == 0) ui_say(&u, "%s: %d x %d", tmb__printable(path), sheet.width, sheet.height);
    tmb_image_free(&sheet);
    tmb_images_free(images);
    return status;
}
