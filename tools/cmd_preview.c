/* cmd_preview.c - thimble preview: photos beside their augmented versions, as one picture or one by one */
#include "ui.h"

#include <string.h>
#include <strings.h>

/* What the steps hand on. */
typedef struct preview {
    const options *opts;
    const char *sheet; /* the file to write, NULL: none */
    tmb_recipe recipe;
    tmb_images_opts images_opts;
    tmb_images *images;
    ui u;
} preview;

static int check_usage(const preview *p)
{
    const bool save = opt_given(p->opts, OPT_SAVE_TO_DIR);

    if (p->opts->n_args == 1 && (p->sheet || save))
        return p->sheet ? check_overwrite(p->sheet, p->opts) : 0;
    tmb__fail(TMB_EINVAL, "preview takes one folder and -o FILE or --save-to-dir DIR");
    tmb__hint("thimble preview DIR -o grid.png");
    return TMB_EINVAL;
}

static int read_options(preview *p)
{
    static const tmb_part parts[] = {TMB_HELD_OUT, TMB_ALL, TMB_TRAIN, TMB_VALIDATION, TMB_TEST};
    tmb_images_opts *o = &p->images_opts;

    TMB_TRY(check_usage(p));
    TMB_TRY(recipe_from(&p->recipe, p->opts));
    TMB_TRY(recipe_change(&p->recipe, p->opts));
    images_opts_from(o, p->opts);
    o->preprocess = &p->recipe.preprocess;
    o->augment = p->recipe.augment;
    o->batch = p->recipe.batch;
    o->part = parts[opt_choice(p->opts, OPT_PART, 2)];
    if (opt_given(p->opts, OPT_SUBSET))
        o->part = opt_choice(p->opts, OPT_SUBSET, 0) ? TMB_VALIDATION : TMB_TRAIN;
    o->on_scan = ui_scan;
    o->user = &p->u;
    return 0;
}

static bool is_photo(const char *path)
{
    const char *dot = strrchr(path, '.');

    if (tmb__file_exists(path) != 1) return false;
    return !dot || (strcasecmp(dot, ".csv") != 0 && strcasecmp(dot, ".tsv") != 0);
}

/* One photo as it is, not resized, as the post's preview of a cat; its size is the net's. */
static int open_photo(preview *p, const char *path)
{
    tmb_preprocess pre = p->recipe.preprocess;
    const tmb_image_opts image_opts = {.channels = pre.channels, .ignore_exif = pre.ignore_exif};
    tmb_images_opts opts = p->images_opts;
    tmb_memory memory = {.n = 1};
    tmb_image photo;
    int status;

    TMB_TRY(tmb_image_read(&photo, path, &image_opts, NULL));
    pre.size[0] = memory.height = photo.height;
    pre.size[1] = memory.width = photo.width;
    pre.margin = 0;
    memory.channels = photo.channels;
    memory.pixels = photo.pixels;
    opts.preprocess = &pre;
    opts.part = TMB_ALL;
    opts.class_mode = TMB_CLASS_NONE;
    status = tmb_images_from_memory(&p->images, &memory, &opts);
    tmb_image_free(&photo);
    return status;
}

/* Batches of one, epoch after epoch, as the loop over flow() that ends after N. */
static int save_pictures(preview *p)
{
    static const char *const formats[] = {"png", "jpeg"};
    const int64_t n = (int64_t)opt_number(p->opts, OPT_SAVE_COUNT, 20);
    const char *path = p->opts->args[0], *folder = opt_text(p->opts, OPT_SAVE_TO_DIR, NULL);
    tmb_images_opts *o = &p->images_opts;
    tmb_batch batch;

    o->save_dir = folder;
    o->save_prefix = opt_text(p->opts, OPT_SAVE_PREFIX, NULL);
    if (opt_given(p->opts, OPT_SAVE_FORMAT))
        o->save_format = formats[opt_choice(p->opts, OPT_SAVE_FORMAT, 0)];
    o->batch = 1;
    o->shuffle = true;
    TMB_TRY(tmb__folder_make(folder));
    if (is_photo(path)) {
        TMB_TRY(open_photo(p, path));
    } else {
        TMB_TRY(tmb_images_open(&p->images, path, o));
        ui_notices(&p->u, p->images, NULL);
    }
    for (int64_t epoch = 0, done = 0; done < n; epoch++) {
        int more = 1;

        TMB_TRY(tmb_images_epoch(p->images, epoch, 0));
        while (done < n && (more = tmb_images_next(p->images, &batch)) > 0)
            done += batch.count;
        TMB_TRY(more);
    }
    ui_say(&p->u, "%s: %lld pictures", tmb__printable(folder), (long long)n);
    tmb_images_free(p->images);
    p->images = NULL;
    o->save_dir = NULL;
    return 0;
}

static int write_sheet(preview *p)
{
    tmb_image sheet = {0};
    int status;

    TMB_TRY(tmb_images_open(&p->images, p->opts->args[0], &p->images_opts));
    ui_notices(&p->u, p->images, NULL);
    status = tmb_images_preview(p->images, (int)opt_number(p->opts, OPT_ROWS, 6),
            (int)opt_number(p->opts, OPT_VARIANTS, 7), &sheet);
    if (status == 0) status = tmb_image_write(&sheet, p->sheet, 0);
    if (status == 0)
        ui_say(&p->u, "%s: %d x %d", tmb__printable(p->sheet), sheet.width, sheet.height);
    tmb_image_free(&sheet);
    return status;
}

int cmd_PREVIEW(const options *opts)
{
    preview p = {.opts = opts, .sheet = opt_text(opts, OPT_OUTPUT, NULL), .u = ui_of(opts)};
    int status;

    TMB_TRY(read_options(&p));
    status = opt_given(opts, OPT_SAVE_TO_DIR) ? save_pictures(&p) : 0;
    if (status == 0 && p.sheet) status = write_sheet(&p);
    tmb_images_free(p.images);
    return status;
}
