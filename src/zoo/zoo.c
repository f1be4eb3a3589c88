/* zoo.c - the table of networks, and the making of one of them
 *
 * Layers are added as Keras' functions add them, so that its counted names come out the same, and then put
 * into the order in which Keras lists them: files of weights are filled in that order. */
#include "zoo/zoo.h"

#include <stdio.h>
#include <string.h>

enum { CLASSES = 1000 }; /* of ImageNet */

static const tmb__zoo_net *const nets[] = {&tmb__zoo_vgg16, &tmb__zoo_vgg19, &tmb__zoo_mobilenet,
        &tmb__zoo_mobilenet_v2, &tmb__zoo_resnet50, &tmb__zoo_inception_v3,
        &tmb__zoo_efficientnet_b0};

const char *tmb_zoo_name(int index)
{
    return index >= 0 && index < (int)TMB_COUNT(nets) ? nets[index]->about.name : NULL;
}

const tmb__zoo_net *tmb__zoo_find(const char *name)
{
    char names[256] = "";
    size_t n = 0;

    for (size_t i = 0; i < TMB_COUNT(nets); i++) {
        if (name && strcmp(name, nets[i]->about.name) == 0) return nets[i];
        n += (size_t)snprintf(
                names + n, sizeof names - n, "%s%s", i ? ", " : "", nets[i]->about.name);
        TMB_ASSERT(n < sizeof names);
    }
    tmb__fail(TMB_EINVAL, "there is no network \"%s\"", name ? tmb__printable(name) : "");
    tmb__hint("networks: %s", names);
    return NULL;
}

int tmb_zoo_get(tmb_zoo *out, const char *name)
{
    const tmb__zoo_net *net;

    if (!out) return tmb__fail(TMB_EINVAL, "out is NULL");
    *out = (tmb_zoo){0};
    net = tmb__zoo_find(name);
    if (!net) return TMB_EINVAL;
    *out = net->about;
    return 0;
}

/* ---- for builders ---- */

const char *tmb__zoo_format(char out[64], const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(out, 64, fmt, args);
    va_end(args);
    return out;
}

tmb_layer tmb__zoo_pad(tmb_model *model, int kernel, const char *name)
{
    const int half = kernel / 2;
    tmb_layer_info in = {0};

    if (tmb_model_layer(model, tmb_model_layers(model), &in) < 0) return 0;
    return tmb_zeropad2d(model, .top = half - (in.shape[0] % 2 == 0), .bottom = half,
            .left = half - (in.shape[1] % 2 == 0), .right = half, .name = name);
}

void tmb__zoo_top(tmb_model *model, int classes, const char *pool, float dropout)
{
    tmb_model_add_global_avgpool2d(model, &(tmb_plain_opts){.name = pool});
    if (dropout > 0) tmb_dropout(model, .rate = dropout, .name = "top_dropout");
    tmb_dense(model, .units = classes, .activation = TMB_SOFTMAX, .name = "predictions");
}

/* ---- making one ---- */

static int check_opts(const tmb__zoo_net *net, tmb_zoo_opts *o)
{
    for (int i = 0; i < 2; i++) {
        if (o->size[i] == 0) o->size[i] = net->about.size;
        if (o->size[i] < net->about.least)
            return tmb__fail(TMB_EINVAL, "%s: photos of %d x %d, at least %d x %d expected",
                    net->about.name, o->size[0], o->size[1], net->about.least, net->about.least);
    }
    if (o->classes == 0) o->classes = CLASSES;
    if (o->classes < 1) return tmb__fail(TMB_EINVAL, "%s: %d classes", net->about.name, o->classes);
    if (o->pooling > TMB_POOLING_MAX)
        return tmb__fail(TMB_EINVAL, "%s: pooling %d is unknown", net->about.name, (int)o->pooling);
    if (o->top && (o->pooling || o->until))
        return tmb__fail(TMB_EINVAL, "%s: pooling and until are for a net without its classifier",
                net->about.name);
    if (o->class_index && (!o->top || o->classes != CLASSES))
        return tmb__fail(TMB_EINVAL, "%s: class_index is for a classifier of %d classes",
                net->about.name, CLASSES);
    return 0;
}

/* Weights are drawn by the caller or come from a file. */
static int add_layers(tmb_model *model, const tmb__zoo_net *net, const tmb_zoo_opts *o)
{
    model->undrawn = true;
    net->base(model);
    if (o->top) net->top(model, o->classes);
    TMB_TRY(tmb_model_check(model));
    return tmb__model_sort(model);
}

/* Our own formats go by name and hold the net's layers only. */
static bool is_own(const char *path)
{
    return tmb__ends_with(path, ".npz") || tmb__ends_with(path, ".safetensors") ||
            tmb__ends_with(path, ".thimble");
}

static int fill(tmb_model *model, const tmb__zoo_net *net, const tmb_zoo_opts *o)
{
    if (!o->weights) return o->undrawn ? 0 : tmb_model_init(model, 0);
    TMB_TRY(tmb_model_load_weights_as(
            model, o->weights, &(tmb_load_opts){.prefix = !o->top && !is_own(o->weights)}, NULL));
    if (net->loaded) net->loaded(model);
    return 0;
}

static int cut(tmb_model *model, const tmb__zoo_net *net, const char *until)
{
    const tmb_layer layer = tmb_model_find(model, until);

    if (layer > 1) return tmb__model_cut(model, layer);
    tmb__fail(TMB_EINVAL, "%s: there is no layer \"%s\"", net->about.name, tmb__printable(until));
    tmb__hint("ends of blocks: %s, %s, ...", net->about.features[0], net->about.features[1]);
    return TMB_EINVAL;
}

static int set_preprocess(tmb_model *model, const tmb__zoo_net *net, const tmb_zoo_opts *o)
{
    tmb_preprocess pre = net->about.preprocess;

    pre.size[0] = o->size[0];
    pre.size[1] = o->size[1];
    return tmb_model_set_preprocess(model, &pre);
}

static int make(tmb_model *model, const tmb__zoo_net *net, const tmb_zoo_opts *o)
{
    TMB_TRY(add_layers(model, net, o));
    TMB_TRY(fill(model, net, o));
    if (o->until) TMB_TRY(cut(model, net, o->until));
    if (o->pooling == TMB_POOLING_AVG)
        tmb_model_add_global_avgpool2d(model, &(tmb_plain_opts){.name = net->avg_pool});
    if (o->pooling == TMB_POOLING_MAX)
        tmb_model_add_global_maxpool2d(model, &(tmb_plain_opts){.name = net->max_pool});
    model->undrawn = false;
    TMB_TRY(tmb_model_check(model));
    if (o->class_index) TMB_TRY(tmb__zoo_name_classes(model, o->class_index, o->class_index));
    return set_preprocess(model, net, o);
}

int tmb_zoo_model(tmb_model **out, const char *name, const tmb_zoo_opts *opts)
{
    tmb_zoo_opts o = opts ? *opts : (tmb_zoo_opts){0};
    const tmb__zoo_net *net;
    int status;

    if (!out) return tmb__fail(TMB_EINVAL, "out is NULL");
    *out = NULL;
    net = tmb__zoo_find(name);
    if (!net) return TMB_EINVAL;
    TMB_TRY(check_opts(net, &o));
    TMB_TRY(tmb_model_new(out, o.size[0], o.size[1], 3));
    status = make(*out, net, &o);
    if (status == 0) return 0;
    tmb_model_free(*out);
    *out = NULL;
    return status;
}
