/* inception.c - InceptionV3, after Szegedy and others, Rethinking the Inception Architecture for Computer
 * Vision, CVPR 2016, and keras.applications.inception_v3
 *
 * Blocks of branches side by side, put together by their channels. The table has a line for each block:
 * branches between bars, and in each its layers, all but pooling with batch norm (without scale) and ReLU:
 *     64:3x3     64 filters of 3 x 3
 *     64:3x3/2   with stride 2 and no padding; 64:3x3/1 with stride 1 and none
 *     avg max    pooling 3 x 3; avg keeps the sides, max halves them
 *     fork       384 filters of 1 x 3 beside 384 of 3 x 1, put together */
#include "zoo/zoo.h"

#include <stdio.h>
#include <string.h>

static const char *const stem = "32:3x3/2 32:3x3/1 64:3x3 max 80:1x1/1 192:3x3/1 max";

static const char *const mixed[] = {
        "64:1x1 | 48:1x1 64:5x5 | 64:1x1 96:3x3 96:3x3 | avg 32:1x1",
        "64:1x1 | 48:1x1 64:5x5 | 64:1x1 96:3x3 96:3x3 | avg 64:1x1",
        "64:1x1 | 48:1x1 64:5x5 | 64:1x1 96:3x3 96:3x3 | avg 64:1x1",
        "384:3x3/2 | 64:1x1 96:3x3 96:3x3/2 | max",
        "192:1x1 | 128:1x1 128:1x7 192:7x1 | 128:1x1 128:7x1 128:1x7 128:7x1 192:1x7 | avg 192:1x1",
        "192:1x1 | 160:1x1 160:1x7 192:7x1 | 160:1x1 160:7x1 160:1x7 160:7x1 192:1x7 | avg 192:1x1",
        "192:1x1 | 160:1x1 160:1x7 192:7x1 | 160:1x1 160:7x1 160:1x7 160:7x1 192:1x7 | avg 192:1x1",
        "192:1x1 | 192:1x1 192:1x7 192:7x1 | 192:1x1 192:7x1 192:1x7 192:7x1 192:1x7 | avg 192:1x1",
        "192:1x1 320:3x3/2 | 192:1x1 192:1x7 192:7x1 192:3x3/2 | max",
        "320:1x1 | 384:1x1 fork | 448:1x1 384:3x3 fork | avg 192:1x1",
        "320:1x1 | 384:1x1 fork | 448:1x1 384:3x3 fork | avg 192:1x1",
};

static tmb_layer conv_bn(tmb_model *model, tmb_layer from, const char *step)
{
    int filters = 384, kh = 1, kw = 1, stride = 0;

    sscanf(step, "%d:%dx%d/%d", &filters, &kh, &kw, &stride);
    tmb_conv2d(model, .filters = filters, .kernel = {kh, kw}, .stride = {stride, stride},
            .same_padding = stride == 0, .no_bias = true, .from = from);
    tmb_batchnorm(model, .no_scale = true);
    return tmb_activate(model, .activation = TMB_RELU);
}

/* PITFALL: the first fork of a block has the block's name and a number, the second none of its own. */
static tmb_layer fork_branch(tmb_model *model, tmb_layer from, int block)
{
    const tmb_layer wide = conv_bn(model, from, "384:1x3");
    const tmb_layer high = conv_bn(model, from, "384:3x1");
    const char *name = NAMED("mixed9_%d", block - 9);

    return tmb_concatenate(
            model, .from = {wide, high}, .name = tmb_model_find(model, name) ? NULL : name);
}

static tmb_layer add_step(tmb_model *model, tmb_layer from, const char *step, int block)
{
    if (strncmp(step, "avg", 3) == 0)
        return tmb_avgpool2d(
                model, .pool = {3, 3}, .stride = {1, 1}, .same_padding = true, .from = from);
    if (strncmp(step, "max", 3) == 0)
        return tmb_maxpool2d(model, .pool = {3, 3}, .stride = {2, 2}, .from = from);
    if (strncmp(step, "fork", 4) == 0) return fork_branch(model, from, block);
    return conv_bn(model, from, step);
}

/* A line of the table; returns how many branches it has, their last layers in `ends`. */
static int add_line(tmb_model *model, const char *line, int block, tmb_layer ends[TMB_LAYER_INPUTS])
{
    const tmb_layer from = tmb_model_layers(model);
    int n = 0;

    ends[0] = from;
    for (const char *at = line; *at; at += strcspn(at, " "), at += strspn(at, " ")) {
        if (*at == '|')
            ends[++n] = from;
        else
            ends[n] = add_step(model, ends[n], at, block);
    }
    return n + 1;
}

static void base(tmb_model *model)
{
    tmb_layer stem_end[TMB_LAYER_INPUTS] = {0};

    add_line(model, stem, -1, stem_end);
    for (int i = 0; i < (int)TMB_COUNT(mixed); i++) {
        tmb_merge_opts merge = {.name = NAMED("mixed%d", i)};

        add_line(model, mixed[i], i, merge.from);
        tmb_model_add_concatenate(model, &merge);
    }
}

static void top(tmb_model *model, int classes)
{
    tmb__zoo_top(model, classes, "avg_pool", 0);
}

const tmb__zoo_net tmb__zoo_inception_v3 = {
        .about = {.name = "inception_v3",
                .about = "branches of several kernel sizes side by side",
                .size = 299,
                .least = 75,
                .preprocess = TMB__ZOO_SIGNED(299),
                .params = 21802784,
                .params_top = 23851784,
                .features = {"mixed10", "mixed9", "mixed8", "mixed7", "mixed6", "mixed5", "mixed4",
                        "mixed3"},
                /* The first after mixed9, mixed8, mixed7, mixed6, mixed5, mixed4, mixed2. */
                .unfreeze = {"conv2d_89", "conv2d_80", "conv2d_72", "conv2d_64", "conv2d_54",
                        "conv2d_44", "conv2d_27", "conv2d"}},
        .base = base,
        .top = top,
};
