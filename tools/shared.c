/* shared.c - what several commands do alike: devices, picture options, recipes, overwriting */
#include "standardize.h"
#include "train_options.h"

#include <string.h>

/* Commands without --precision compute in f32. */
int open_device(tmb_device **out, const options *opts)
{
    const bool takes = (option_table[OPT_PRECISION].commands >> opts->command) & 1;
    const int fallback = takes ? TMB_PRECISION_AUTO : TMB_PRECISION_F32;

    int status = tmb_device_open(
            out, opt_text(opts, OPT_DEVICE, NULL), (int)opt_number(opts, OPT_THREADS, 0));

    if (status == 0)
        status = tmb_device_set_precision(
                *out, (tmb_precision)opt_choice(opts, OPT_PRECISION, fallback));
    if (status == 0) status = profile_begin(*out, opts);
    if (status == 0) return 0;
    tmb_device_free(*out);
    *out = NULL;
    return status;
}

const char *precision_text(const tmb_device *device)
{
    return tmb_device_precision(device) == TMB_PRECISION_BF16 ? "bf16" : "f32";
}

int open_model(tmb_model **out, const char *path)
{
    int status = tmb_model_open(out, path);
    char *inside = status < 0 ? tmb__path_join(path, "model.thimble") : NULL;

    if (inside && tmb__file_exists(inside) == 1)
        tmb__hint("did you mean %s?", tmb__printable(inside));
    tmb__free(inside);
    return status;
}

/* A number given as 0 means that; in the library's options 0 is the default. */
void images_opts_from(tmb_images_opts *out, const options *opts)
{
    out->bad = (tmb_bad_images)opt_choice(opts, OPT_BAD_IMAGES, TMB_BAD_SKIP);
    out->bad_limit = (float)opt_number(opts, OPT_BAD_LIMIT, 0);
    if (opt_given(opts, OPT_BAD_LIMIT) && out->bad_limit <= 0 && out->bad == TMB_BAD_SKIP)
        out->bad = TMB_BAD_FAIL;
    out->val_split = (float)opt_number(opts, OPT_VAL_SPLIT, 0);
    out->cache_bytes = (int64_t)opt_number(opts, OPT_CACHE_MEMORY, 0);
    if (opt_given(opts, OPT_CACHE_MEMORY)) out->cache_bytes = TMB_MAX(out->cache_bytes, 1);
    out->max_pixels = (int64_t)opt_number(opts, OPT_MAX_PIXELS, 0);
    out->decode_timeout = opt_number(opts, OPT_DECODE_TIMEOUT, 0);
    out->allow_empty_class = opt_given(opts, OPT_ALLOW_EMPTY_CLASS);
    out->seed = (uint64_t)opt_number(opts, OPT_SEED, 0);
    out->rng = (tmb_rng_kind)opt_choice(opts, OPT_RNG, TMB_RNG_PHILOX);
    out->follow_links = opt_given(opts, OPT_FOLLOW_LINKS);
    out->x_column = opt_text(opts, OPT_X_COL, NULL);
    if (opt_given(opts, OPT_Y_COL)) out->y_columns = opts->value[OPT_Y_COL].text;
    out->weight_column = opt_text(opts, OPT_WEIGHT_COL, NULL);
    out->directory = opt_text(opts, OPT_DIRECTORY, NULL);
}

int check_overwrite(const char *path, const options *opts)
{
    if (opt_given(opts, OPT_FORCE) || tmb__file_exists(path) == 0) return 0;
    tmb__fail(TMB_EEXISTS, "%s is there already", tmb__printable(path));
    tmb__hint("take another name, or --force to overwrite it");
    return TMB_EEXISTS;
}

/* ---- weights ---- */

bool load_opts_given(const options *opts)
{
    return opt_given(opts, OPT_BY_NAME) || opt_given(opts, OPT_PREFIX) ||
            opt_given(opts, OPT_KERNEL_ORDER) || opt_given(opts, OPT_FLIP) ||
            opt_given(opts, OPT_DENSE_ORDER);
}

/* The words of each option stand in the order of their enum, "auto" is 0. */
int load_weights(tmb_model *model, const char *path, const options *opts)
{
    const ui u = ui_of(opts);
    const tmb_load_opts load = {.by_name = opt_given(opts, OPT_BY_NAME),
            .prefix = opt_given(opts, OPT_PREFIX),
            .kernel_order = (tmb_kernel_order)opt_choice(opts, OPT_KERNEL_ORDER, 0),
            .flip = (tmb_kernel_flip)opt_choice(opts, OPT_FLIP, 0),
            .dense_order = (tmb_dense_order)opt_choice(opts, OPT_DENSE_ORDER, 0)};
    tmb_load_report report;

    TMB_TRY(tmb_model_load_weights_as(model, path, &load, &report));
    if (report.kept || report.unused)
        ui_say(&u, "%s: %d layers loaded, %d stay as they were, %d of the file are not used",
                tmb__printable(path), report.loaded, report.kept, report.unused);
    return 0;
}

/* ---- recipes ---- */

static void set_number(float *field, const options *opts, option_id id)
{
    if (opt_given(opts, id)) *field = (float)opts->value[id].number[0];
}

static void set_range(float field[2], const options *opts, option_id id)
{
    if (!opt_given(opts, id)) return;
    field[0] = (float)opts->value[id].number[0];
    field[1] = (float)opts->value[id].number[1];
}

static int change_augment(tmb_augment *augment, const options *opts)
{
    const double degrees = 57.295779513082320876798;
    const double shear = opt_number(opts, OPT_SHEAR_RANGE, 0);

    if (opt_given(opts, OPT_NO_AUGMENT)) *augment = (tmb_augment){.preset = augment->preset};
    augment->preset = (tmb_preset)opt_choice(opts, OPT_AUGMENT_PRESET, augment->preset);
    set_number(&augment->rotation, opts, OPT_ROTATION_RANGE);
    set_number(&augment->shear, opts, OPT_SHEAR_RANGE);
    if (opt_given(opts, OPT_SHEAR_RANGE) && augment->preset == TMB_PRESET_KERAS2016)
        augment->shear = (float)(shear / degrees); /* in radians there */
    if (shear > 0 && shear < 1)
        TMB_LOG(INFO, "--shear-range is %g degrees, hardly to be seen; the post of 2016 had 0.2rad",
                shear);
    set_range(augment->zoom, opts, OPT_ZOOM_RANGE);
    set_number(&augment->channel_shift, opts, OPT_CHANNEL_SHIFT_RANGE);
    set_range(augment->brightness, opts, OPT_BRIGHTNESS_RANGE);
    if (opt_given(opts, OPT_HORIZONTAL_FLIP)) augment->horizontal_flip = true;
    if (opt_given(opts, OPT_VERTICAL_FLIP)) augment->vertical_flip = true;
    if (opt_choice(opts, OPT_RNG, 0) == TMB_RNG_NUMPY && augment->alternate_flip) {
        augment->alternate_flip = false; /* its nearest in Keras: */
        augment->horizontal_flip = true;
    }
    augment->fill = (tmb_fill)opt_choice(opts, OPT_FILL_MODE, augment->fill);
    set_number(&augment->cval, opts, OPT_CVAL);
    if (opt_given(opts, OPT_INTERPOLATION_ORDER))
        augment->sampling = (tmb_sampling)(TMB_SAMPLING_NEAREST +
                (int)opt_number(opts, OPT_INTERPOLATION_ORDER, 0));
    return shifts_from(augment, opts);
}

static int change_compile(tmb_compile_opts *compile, const options *opts)
{
    TMB_TRY(compile_from(compile, opts));
    set_number(&compile->label_smoothing, opts, OPT_LABEL_SMOOTHING);
    set_number(&compile->average, opts, OPT_AVERAGE);
    set_number(&compile->l1, opts, OPT_L1);
    set_number(&compile->l2, opts, OPT_L2);
    compile->seed = (uint64_t)opt_number(opts, OPT_SEED, 0);
    return 0;
}

static int change_fit(tmb_recipe *recipe, const options *opts)
{
    recipe->epochs = (int)opt_number(opts, OPT_EPOCHS, recipe->epochs);
    recipe->batch = (int)opt_number(opts, OPT_BATCH_SIZE, recipe->batch);
    recipe->fit.epochs = recipe->epochs;
    recipe->fit.balanced = opt_choice(opts, OPT_CLASS_WEIGHT, 0) == 1;
    recipe->fit.time_limit = opt_number(opts, OPT_TIME_LIMIT, 0);
    return fit_from(&recipe->fit, opts);
}

/* What the recipe does with red is done with grey and with alpha. */
static void change_channels(tmb_preprocess *pre, const options *opts)
{
    static const int channels[] = {3, 1, 4};

    if (!opt_given(opts, OPT_COLOR_MODE)) return;
    pre->channels = channels[opts->value[OPT_COLOR_MODE].choice];
    pre->scale[3] = pre->scale[0];
    pre->offset[3] = pre->offset[0];
    if (pre->channels == 1) pre->bgr = false;
}

static void change_shape(tmb_preprocess *pre, const options *opts)
{
    pre->filter = (tmb_filter)(1 + opt_choice(opts, OPT_INTERPOLATION, (int)pre->filter - 1));
    pre->fit = (tmb_fit_rule)opt_choice(opts, OPT_FIT, pre->fit);
    if (opt_given(opts, OPT_KEEP_ASPECT_RATIO)) pre->fit = TMB_CROP;
}

int preprocess_from(tmb_model *net, const options *opts)
{
    tmb_preprocess pre = *tmb_model_preprocess(net);

    change_shape(&pre, opts);
    return tmb_model_set_preprocess(net, &pre);
}

int recipe_from(tmb_recipe *out, const options *opts)
{
    return tmb_recipe_get(out, opt_text(opts, OPT_RECIPE, NULL));
}

int recipe_change(tmb_recipe *recipe, const options *opts)
{
    tmb_preprocess *pre = &recipe->preprocess;

    pre->size[0] = pre->size[1] = (int)opt_number(opts, OPT_IMG_SIZE, pre->size[0]);
    change_shape(pre, opts);
    change_channels(pre, opts);
    set_number(&recipe->dropout, opts, OPT_DROPOUT);
    TMB_TRY(change_augment(&recipe->augment, opts));
    TMB_TRY(pixels_from(pre, recipe->augment.preset, opts));
    TMB_TRY(change_compile(&recipe->compile, opts));
    return change_fit(recipe, opts);
}
