/* optimizer.c - what an optimizer keeps from one fit to the next, and in files: steps and slots
 *
 * A slot has a number for each one that is trained: the trained weights one after the other, in the
 * order of the net. Once others are trained, slots and steps are of no use: rules such as Adam's count
 * on having seen every gradient since step 1. */
#include "nn/layer.h"

#include <string.h>

void tmb__optimizer_free(tmb__optimizer *optimizer)
{
    if (!optimizer) return;
    tmb__free(optimizer->parts);
    tmb__free(optimizer->slots);
    tmb__free(optimizer);
}

int tmb__optimizer_slots(const tmb_compile_opts *opts, int slots[TMB__OPTIMIZER_SLOTS])
{
    const tmb__train_spec spec = {.optimizer = opts->optimizer,
            .momentum = opts->momentum,
            .centered = opts->centered,
            .amsgrad = opts->amsgrad};
    int n = 0;

    for (int i = 0; i < TMB__OPTIMIZER_SLOTS; i++) {
        if (tmb__optimizer_has(&spec, i)) slots[n++] = i;
    }
    return n;
}

static bool same_slots(const tmb_compile_opts *a, const tmb_compile_opts *b)
{
    int one[TMB__OPTIMIZER_SLOTS] = {0}, two[TMB__OPTIMIZER_SLOTS] = {0};

    return a->optimizer == b->optimizer &&
            tmb__optimizer_slots(a, one) == tmb__optimizer_slots(b, two) &&
            memcmp(one, two, sizeof one) == 0;
}

int tmb__optimizer_set(tmb_model *model, const tmb_compile_opts *opts, bool keep)
{
    tmb__optimizer *o = model->optimizer;

    if (!o || !keep || !same_slots(&o->opts, opts)) {
        o = tmb__calloc(1, sizeof *o);
        if (!o) return TMB_ENOMEM;
        tmb__optimizer_free(model->optimizer);
        model->optimizer = o;
    }
    o->opts = *opts;
    o->opts.device = NULL;
    return 0;
}

/* The weights that are trained now: into `parts`, unless that is NULL; how many. */
static int list_parts(const tmb_model *model, tmb__part *parts, int64_t *total)
{
    int n = 0;

    *total = 0;
    for (int k = 0; k < model->n_layers; k++) {
        const tmb__layer *layer = &model->layers[k];

        for (int i = 0; i < layer->n_weights; i++) {
            const tmb__weight *weight = &layer->weight[i];
            const int64_t count = tmb__shape_count(&weight->shape);

            if (!layer->trainable || weight->moving) continue;
            if (parts) parts[n] = (tmb__part){weight->offset, count, *total};
            *total += count;
            n++;
        }
    }
    return n;
}

static int make_slots(tmb__optimizer *o, tmb__part *parts, int n, int64_t total)
{
    int which[TMB__OPTIMIZER_SLOTS];
    const int n_slots = tmb__optimizer_slots(&o->opts, which);
    size_t count;
    float *slots;

    if (!tmb__mul((size_t)total, (size_t)n_slots, &count)) return TMB_ENOMEM;
    slots = tmb__calloc(TMB_MAX(count, 1), sizeof *slots);
    if (!slots) return TMB_ENOMEM;
    for (size_t i = 0; o->opts.optimizer == TMB_ADAGRAD && i < count; i++)
        slots[i] = o->opts.accumulator;
    tmb__free(o->parts);
    tmb__free(o->slots);
    *o = (tmb__optimizer){.opts = o->opts,
            .parts = parts,
            .n_parts = n,
            .n_slots = n_slots,
            .n = total,
            .slots = slots};
    return 0;
}

int tmb__optimizer_ready(tmb_model *model)
{
    tmb__optimizer *o = model->optimizer;
    int64_t total;
    const int n = list_parts(model, NULL, &total);
    tmb__part *parts = tmb__calloc((size_t)TMB_MAX(n, 1), sizeof *parts);
    int status = 0;

    if (!parts) return TMB_ENOMEM;
    list_parts(model, parts, &total);
    if (!o->parts || n != o->n_parts || memcmp(parts, o->parts, (size_t)n * sizeof *parts) != 0) {
        status = make_slots(o, parts, n, total);
        if (status == 0) return 0;
    }
    tmb__free(parts);
    return status;
}

const tmb__part *tmb__optimizer_part(const tmb__optimizer *optimizer, int64_t offset)
{
    for (int i = 0; i < optimizer->n_parts; i++) {
        if (optimizer->parts[i].offset == offset) return &optimizer->parts[i];
    }
    return NULL;
}
