/* standardize.c - the command line's shifts, pixel rules and statistics, as ImageDataGenerator's arguments */
#include "standardize.h"

#include <stdlib.h>
#include <string.h>

/* ---- shifts ---- */

/* One axis in the library's options. */
typedef struct shift_field {
    float *range;
    int *whole;
    float *list;
    int *n;
} shift_field;

static int refuse_shift(option_id id, const char *text)
{
    tmb__fail(TMB_EINVAL, "--%s \"%s\": expected S, Npx or A,B,...", option_table[id].name,
            tmb__printable(text));
    tmb__hint("0.2 is a share of the side, 1.5 pixels; 4px one of 0 to 3 pixels, either way; "
              "0.1,0.3 one "
              "of these (at most %d)",
            (int)TMB_SHIFTS);
    return TMB_EINVAL;
}

static bool read_list(const char *text, shift_field to)
{
    char number[32];

    while (*text && *to.n < TMB_SHIFTS) {
        const size_t length = strcspn(text, ",");
        double value;

        if (length >= sizeof number) return false;
        memcpy(number, text, length);
        number[length] = '\0';
        if (!tmb__parse_double(number, &value)) return false;
        to.list[(*to.n)++] = (float)value;
        text += length + (text[length] == ',');
    }
    return !*text;
}

static int set_shift(shift_field to, const options *opts, option_id id)
{
    const char *text = opt_text(opts, id, NULL);
    const size_t length = text ? strlen(text) : 0;
    char number[32];
    int64_t whole;
    double range;

    if (!text) return 0;
    *to.range = 0;
    if (strchr(text, ',')) return read_list(text, to) ? 0 : refuse_shift(id, text);
    if (length > 2 && length < sizeof number && strcmp(text + length - 2, "px") == 0) {
        memcpy(number, text, length - 2);
        number[length - 2] = '\0';
        if (!tmb__parse_int(number, &whole) || whole < 1 || whole > 4096)
            return refuse_shift(id, text);
        *to.whole = (int)whole;
        return 0;
    }
    if (!tmb__parse_double(text, &range) || !(range >= 0 && range <= 4096))
        return refuse_shift(id, text);
    *to.range = (float)range;
    return 0;
}

int shifts_from(tmb_augment *a, const options *opts)
{
    const shift_field across = {
            &a->width_shift, &a->width_shift_int, a->width_shifts, &a->n_width_shifts};
    const shift_field down = {
            &a->height_shift, &a->height_shift_int, a->height_shifts, &a->n_height_shifts};

    TMB_TRY(set_shift(across, opts, OPT_WIDTH_SHIFT_RANGE));
    return set_shift(down, opts, OPT_HEIGHT_SHIFT_RANGE);
}

/* ---- pixels ---- */

int pixels_from(tmb_preprocess *pre, tmb_preset preset, const options *opts)
{
    if (opt_given(opts, OPT_RESCALE) && opt_given(opts, OPT_PIXEL_RULE))
        return tmb__fail(TMB_EINVAL, "--rescale and --pixel-rule exclude one another");
    if (opt_given(opts, OPT_PIXEL_RULE))
        TMB_TRY(tmb_preprocess_rule(pre, (tmb_pixel_rule)opt_choice(opts, OPT_PIXEL_RULE, 0)));
    for (int k = 0; k < 4 && opt_given(opts, OPT_RESCALE); k++) {
        pre->scale[k] = (float)opt_number(opts, OPT_RESCALE, 1);
        pre->offset[k] = 0;
    }
    pre->samplewise_center = opt_given(opts, OPT_SAMPLEWISE_CENTER);
    pre->samplewise_std = opt_given(opts, OPT_SAMPLEWISE_STD_NORMALIZATION);
    pre->samplewise_pixel =
            preset == TMB_PRESET_KERAS2016 && (pre->samplewise_center || pre->samplewise_std);
    return 0;
}

int statistics_from(tmb_statistics **out, tmb_images *train, tmb_preset preset, const options *opts)
{
    const tmb_statistics_opts how = {.center = opt_given(opts, OPT_FEATUREWISE_CENTER),
            .std = opt_given(opts, OPT_FEATUREWISE_STD_NORMALIZATION),
            .zca = opt_given(opts, OPT_ZCA_WHITENING),
            .zca_epsilon = opt_number(opts, OPT_ZCA_EPSILON, 0),
            .preset = preset};
    const ui u = ui_of(opts);

    *out = NULL;
    if (opt_given(opts, OPT_ZCA_EPSILON) && !how.zca)
        return tmb__fail(TMB_EINVAL, "--zca-epsilon without --zca-whitening");
    if (!how.center && !how.std && !how.zca) return 0;
    if (how.zca && how.std)
        ui_warn(&u, "whitened photos are not divided by the deviation too, as in Keras");
    TMB_TRY(tmb_statistics_fit_images(out, train, &how));
    ui_say(&u, "statistics of %lld training photos are kept in the model",
            (long long)tmb_images_count(train));
    return tmb_images_standardize(train, *out);
}
