/* resume.c - whether a checkpoint belongs to this training: every setting that changes results
 *
 * The settings are a text of words "name=value"; a checkpoint keeps it, and resume compares. What only
 * says when to end (patience, time limit, restore_best) may change, and so may the number of epochs
 * where the learning rate does not follow from it. */
#include "train/train.h"

#include <string.h>

static void add_floats(tmb__strbuf *sb, const char *name, const float *values, int n)
{
    tmb__strbuf_add(sb, "%s=", name);
    for (int i = 0; i < n; i++)
        tmb__strbuf_add(sb, "%s%.9g", i ? "," : "", (double)values[i]);
    tmb__strbuf_add(sb, " ");
}

static void add_float(tmb__strbuf *sb, const char *name, float value)
{
    add_floats(sb, name, &value, 1);
}

static void add_int(tmb__strbuf *sb, const char *name, int64_t value)
{
    tmb__strbuf_add(sb, "%s=%lld ", name, (long long)value);
}

static void add_compile(tmb__strbuf *sb, const tmb_compile_opts *o)
{
    add_int(sb, "loss", o->loss);
    add_int(sb, "optimizer", o->optimizer);
    add_float(sb, "lr", o->lr);
    add_float(sb, "momentum", o->momentum);
    add_int(sb, "nesterov", o->nesterov);
    add_float(sb, "rho", o->rho);
    add_float(sb, "beta1", o->beta1);
    add_float(sb, "beta2", o->beta2);
    add_float(sb, "epsilon", o->epsilon);
    add_int(sb, "epsilon_outside", o->epsilon_outside);
    add_int(sb, "amsgrad", o->amsgrad);
    add_float(sb, "weight_decay", o->weight_decay);
    add_float(sb, "clip_norm", o->clip_norm);
    add_float(sb, "label_smoothing", o->label_smoothing);
    add_float(sb, "gamma", o->gamma);
    add_float(sb, "alpha", o->alpha);
    add_int(sb, "class_balancing", o->class_balancing);
    add_float(sb, "delta", o->delta);
    add_int(sb, "loss_sum", o->loss_sum);
    add_int(sb, "clip_loss", o->clip_loss);
    add_int(sb, "centered", o->centered);
    add_float(sb, "accumulator", o->accumulator);
    add_float(sb, "clip_norm_each", o->clip_norm_each);
    add_float(sb, "clip_value", o->clip_value);
    add_float(sb, "l1", o->l1);
    add_float(sb, "l2", o->l2);
    add_float(sb, "layer_decay", o->layer_decay);
    add_float(sb, "start_penalty", o->start_penalty);
    add_int(sb, "schedule", o->schedule);
    add_float(sb, "warmup", o->warmup);
    add_float(sb, "floor", o->floor);
    add_float(sb, "factor", o->factor);
    add_int(sb, "every", o->every);
    add_int(sb, "decay_steps", o->decay.steps);
    add_float(sb, "decay_rate", o->decay.rate);
    add_int(sb, "staircase", o->decay.staircase);
    add_float(sb, "decay_end", o->decay.end);
    add_float(sb, "power", o->decay.power);
    add_int(sb, "cycle", o->decay.cycle);
    add_float(sb, "decay_alpha", o->decay.alpha);
    add_float(sb, "warmup_target", o->decay.warmup_target);
    add_int(sb, "warmup_steps", o->decay.warmup_steps);
    add_float(sb, "t_mul", o->decay.t_mul);
    add_float(sb, "m_mul", o->decay.m_mul);
    for (int i = 0; i < o->decay.pieces; i++)
        tmb__strbuf_add(sb, "piece=%lld:%.9g ",
                (long long)(i + 1 < o->decay.pieces ? o->decay.boundaries[i] : -1),
                (double)o->decay.values[i]);
    add_float(sb, "average", o->average);
    tmb__strbuf_add(sb, "seed=%llu ", (unsigned long long)o->seed);
}

static void add_fit(tmb__strbuf *sb, const tmb__fit *fit)
{
    const tmb_compile_opts *compile = &fit->training->opts;
    const tmb_fit_opts *o = fit->opts;
    bool counts = compile->schedule == TMB_COSINE || compile->schedule == TMB_ONECYCLE ||
            compile->warmup > 0;

    add_int(sb, "epochs", counts ? fit->epochs : 0);
    add_int(sb, "monitor", o->monitor);
    add_float(sb, "min_delta", o->min_delta);
    add_int(sb, "plateau", o->plateau);
    add_float(sb, "plateau_factor", o->plateau_factor);
    add_float(sb, "plateau_min_delta", o->plateau_min_delta);
    add_int(sb, "cooldown", o->cooldown);
    add_float(sb, "min_lr", o->min_lr);
    add_int(sb, "start_from_epoch", o->start_from_epoch);
    add_float(sb, "baseline", o->has_baseline ? o->baseline : 0);
    if (fit->class_weight)
        add_floats(sb, "class_weight", fit->class_weight, fit->train->classes);
    else
        tmb__strbuf_add(sb, "class_weight=none ");
}

/* Their digest: a whitening matrix is too long for a message. */
static void add_statistics(tmb__strbuf *sb, const tmb_statistics *statistics)
{
    tmb_statistics_info info = {0};
    uint8_t digest[32];

    tmb__statistics_digest(statistics, digest);
    tmb_statistics_get(statistics, &info);
    add_int(sb, "centered", info.mean != NULL);
    add_int(sb, "divided", info.std != NULL);
    add_int(sb, "whitened", info.whitening != NULL);
    tmb__strbuf_add(sb, "statistics=");
    for (int i = 0; i < 8; i++)
        tmb__strbuf_add(sb, "%02x", digest[i]);
    tmb__strbuf_add(sb, " ");
}

static void add_preprocess(tmb__strbuf *sb, const tmb_preprocess *pre)
{
    add_int(sb, "height", pre->size[0]);
    add_int(sb, "width", pre->size[1]);
    add_int(sb, "channels", pre->channels);
    add_int(sb, "filter", pre->filter);
    add_int(sb, "fit", pre->fit);
    add_int(sb, "ignore_exif", pre->ignore_exif);
    add_floats(sb, "scale", pre->scale, pre->channels);
    add_floats(sb, "offset", pre->offset, pre->channels);
    add_int(sb, "bgr", pre->bgr);
    add_int(sb, "flip_views", pre->flip_views);
    add_float(sb, "margin", pre->margin);
    add_int(sb, "samplewise_center", pre->samplewise_center);
    add_int(sb, "samplewise_std", pre->samplewise_std);
    add_int(sb, "samplewise_pixel", pre->samplewise_pixel);
    if (pre->statistics) add_statistics(sb, pre->statistics);
}

static void add_augment(tmb__strbuf *sb, const tmb_augment *a)
{
    add_int(sb, "preset", a->preset);
    add_float(sb, "rotation", a->rotation);
    add_float(sb, "width_shift", a->width_shift);
    add_float(sb, "height_shift", a->height_shift);
    add_int(sb, "width_shift_int", a->width_shift_int);
    add_int(sb, "height_shift_int", a->height_shift_int);
    add_floats(sb, "width_shifts", a->width_shifts, a->n_width_shifts);
    add_floats(sb, "height_shifts", a->height_shifts, a->n_height_shifts);
    add_float(sb, "shear", a->shear);
    add_floats(sb, "zoom", a->zoom, 2);
    add_float(sb, "channel_shift", a->channel_shift);
    add_floats(sb, "brightness", a->brightness, 2);
    add_int(sb, "horizontal_flip", a->horizontal_flip);
    add_int(sb, "vertical_flip", a->vertical_flip);
    add_int(sb, "fill", a->fill);
    add_float(sb, "cval", a->cval);
    add_int(sb, "sampling", a->sampling);
    add_int(sb, "alternate_flip", a->alternate_flip);
    add_floats(sb, "crop_area", a->crop_area, 2);
    add_float(sb, "crop_aspect", a->crop_aspect);
    add_float(sb, "gain", a->gain);
    add_float(sb, "contrast", a->contrast);
    add_float(sb, "saturation", a->saturation);
    add_float(sb, "erase", a->erase);
}

int tmb__resume_text(const tmb__fit *fit, tmb__strbuf *sb)
{
    const tmb_images_opts *photos = fit->train->photos;

    add_compile(sb, &fit->training->opts);
    add_fit(sb, fit);
    add_int(sb, "batch", fit->train->batch);
    add_int(sb, "kept_views", fit->train->cut ? fit->opts->kept_views : 0);
    if (photos) {
        add_int(sb, "shuffle", photos->shuffle);
        add_int(sb, "class_mode", photos->class_mode);
        add_int(sb, "shuffle_once", photos->shuffle_once);
        if (photos->rng) add_int(sb, "rng", photos->rng);
        tmb__strbuf_add(sb, "photos_seed=%llu ", (unsigned long long)photos->seed);
        add_preprocess(sb, fit->train->preprocess);
        add_augment(sb, &photos->augment);
    }
    return sb->failed ? TMB_ENOMEM : 0;
}

int tmb__resume_compare(const char *path, const char *then, const char *now)
{
    size_t at = 0, a, b;

    if (strcmp(then, now) == 0) return 0;
    while (then[at] == now[at])
        at++;
    while (at > 0 && then[at - 1] != ' ')
        at--;
    a = strcspn(then + at, " ");
    b = strcspn(now + at, " ");
    tmb__fail(TMB_EINVAL, "%s: the checkpoint was made with other settings: %.*s, now %.*s",
            tmb__printable(path), (int)TMB_MIN(a, 100), then + at, (int)TMB_MIN(b, 100), now + at);
    tmb__hint("resume with the settings of the first run");
    return TMB_EINVAL;
}
