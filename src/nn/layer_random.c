/* layer_random.c - RandomFlip, -Rotation, -Zoom, -Translation, -Crop, -Contrast, -Brightness
 *
 * One RANDOM op in training; when predicting nothing, but for a crop, which then takes the largest part
 * of the middle that has the wanted form and makes it smaller. After keras.layers.Random*, with draws for
 * each photo. The op has no gradient: nothing below may be trained. */
#include "nn/layer.h"

enum { MOST_SIDE = 65535 };

static tmb_random_kind random_of(const tmb__layer *layer)
{
    return (tmb_random_kind)(TMB_RANDOM_FLIP + layer->kind - TMB__LAYER_RANDOM_FLIP);
}

static int check_range(
        const tmb__layer *layer, const char *option, const float *range, double low, double high)
{
    const bool around =
            layer->kind == TMB__LAYER_RANDOM_CONTRAST && low == 0; /* 1 - low, 1 + high */

    for (int i = 0; i < 2; i++)
        TMB_TRY(tmb__layer_check_float(layer, option, range[i], low, high));
    if (around || range[0] <= range[1]) return 0;
    return tmb__layer_fail(layer, "%s is {%g, %g}, the lower end first expected", option,
            (double)range[0], (double)range[1]);
}

static int check_crop(tmb__layer *layer, const tmb__shape *in)
{
    static const char *const options[] = {"height", "width"};

    for (int i = 0; i < 2; i++) {
        const int most = (int)TMB_MIN(in->dim[i], MOST_SIDE);

        TMB_TRY(tmb__layer_check_int(layer, options[i], layer->config.kernel[i], 1, most));
        layer->out.dim[i] = layer->config.kernel[i];
    }
    return 0;
}

static int check_values(tmb__layer *layer)
{
    float *values = layer->config.values;

    if (values[0] == 0 && values[1] == 0) values[1] = 255;
    return check_range(layer, "value_range", values, -1e30, 1e30);
}

static int random_build(tmb__layer *layer, const tmb__shape *in)
{
    const tmb__layer_config *config = &layer->config;
    const tmb_random_kind random = random_of(layer);
    const bool zooms = random == TMB_RANDOM_ZOOM; /* -1 would leave nothing to see */
    const double low = random == TMB_RANDOM_CONTRAST ? 0 : zooms ? -0.999 : -1;

    TMB_TRY(tmb__layer_check_image(layer, in));
    layer->out = *in;
    if (random == TMB_RANDOM_CROP) return check_crop(layer, in);
    TMB_TRY(tmb__layer_check_int(layer, "flip", config->flip, 0, 2));
    TMB_TRY(tmb__layer_check_int(layer, "edge", (int)config->edge, 0, TMB_EDGE_WRAP));
    TMB_TRY(tmb__layer_check_float(layer, "fill", config->fill, -1e30, 1e30));
    TMB_TRY(check_range(layer, "factor", config->range, low, 1));
    TMB_TRY(check_range(layer, "width_factor", config->range + 2, low, 1));
    return check_values(layer);
}

static void set_attributes(const tmb__builder *b, const tmb__layer *layer, tmb_attr *attr)
{
    const tmb__layer_config *config = &layer->config;
    const bool crops = layer->kind == TMB__LAYER_RANDOM_CROP;
    const bool flips = layer->kind == TMB__LAYER_RANDOM_FLIP;

    attr->random = random_of(layer);
    attr->id = (uint32_t)(layer - b->model->layers) + 1;
    attr->flip[0] = config->flip != 1;
    attr->flip[1] = config->flip != 2;
    for (int i = 0; i < 4; i++)
        attr->range[i] = config->range[i];
    for (int i = 0; i < 2; i++)
        attr->values[i] = config->values[i];
    attr->fixed = crops ? !b->train : config->range[2] == 0 && config->range[3] == 0;
    attr->bilinear = crops ? !b->train : !flips && !config->nearest;
    attr->edge = crops || flips ? TMB_EDGE_NEAREST : config->edge;
    attr->fill = config->fill;
}

static void random_forward(tmb__builder *b, const tmb__layer *layer)
{
    tmb_op op = tmb__op_of(b, layer, TMB_OP_RANDOM);

    op.in[0] = tmb__value_in(b, layer, 0);
    set_attributes(b, layer, &op.attr);
    if (b->train || layer->kind == TMB__LAYER_RANDOM_CROP)
        tmb__emit_last(b, layer, &op);
    else
        tmb__place_of(b, layer)->y = op.in[0];
}

/* Only asked for where something below wants a gradient. */
static void random_backward(tmb__builder *b, const tmb__layer *layer)
{
    if (b->status == 0)
        b->status = tmb__layer_fail(layer,
                "it has no gradient, but a layer below it is trained: "
                "put it before all layers with weights, or freeze those");
}

const tmb__layer_type tmb__type_random = {
        1, 1, false, random_build, random_forward, random_backward};

tmb_layer tmb_model_add_random(tmb_model *model, tmb_random_kind kind, const tmb_random_opts *opts)
{
    const tmb_random_opts o = opts ? *opts : (tmb_random_opts){0};
    const int one_way = o.horizontal ? 1 : 2;
    const tmb__layer_config config = {
            .flip = o.horizontal == o.vertical ? 0 : one_way,
            .range = {o.factor[0], o.factor[1], o.width_factor[0], o.width_factor[1]},
            .kernel = {o.size[0], o.size[1]},
            .edge = o.edge,
            .fill = o.fill,
            .nearest = o.nearest,
            .values = {o.value_range[0], o.value_range[1]},
    };

    if (kind < TMB_RANDOM_FLIP || kind > TMB_RANDOM_BRIGHTNESS)
        return tmb__model_refuse(model, "kind", (int)kind);
    return tmb__model_add(model, (tmb__layer_kind)(TMB__LAYER_RANDOM_FLIP + kind - TMB_RANDOM_FLIP),
            &config, &o.from, 1, o.name, true);
}
