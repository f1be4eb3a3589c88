/* unknown_file.c - how a model tells unknown photos, in its file: JSON and tensors, and back */
#include "io/json_get.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "unknown/"

void tmb__unknown_text(tmb__strbuf *sb, const tmb_model *model)
{
    tmb__strbuf_add(sb, ",\"unknown\":{\"layer\":");
    tmb__json_quote(sb, model->layers[model->unknown->layer - 1].name);
    tmb__strbuf_add(sb, "}");
}

int tmb__unknown_tensors(tmb__tensors *list, const tmb_unknown *unknown)
{
    for (int i = 0; unknown && i < TMB__UNKNOWN_ARRAYS; i++) {
        const char *part;
        const tmb__array array = tmb__unknown_array(unknown, i, &part);
        char name[32];

        snprintf(name, sizeof name, PREFIX "%s", part);
        TMB_TRY(tmb__tensors_add(list, name, &array));
    }
    return 0;
}

/* The layer whose values are measured: a cut of the net, above the photos and below the scores. */
static int find_layer(const tmb_model *model, const json_t *json, const char *what, tmb_layer *out)
{
    const char *name = json_string_value(json_object_get(json, "layer"));

    *out = name ? tmb_model_find(model, name) : 0;
    if (*out > 1 && *out < model->n_layers && tmb__model_is_cut(model, *out)) return 0;
    return tmb__fail(TMB_EMODEL, "%s: \"unknown\" names no layer that can be measured: \"%s\"",
            tmb__printable(what), name ? tmb__printable(name) : "");
}

static const tmb__array *find_array(const tmb__tensors *tensors, const char *part)
{
    char name[32];

    snprintf(name, sizeof name, PREFIX "%s", part);
    return tmb__tensors_find(tensors, name);
}

/* How many directions there are is only known from the file. */
static int count_axes(const tmb__tensors *tensors, int most)
{
    const tmb__array *weight = find_array(tensors, "weight");
    const int64_t n = weight && weight->shape.rank == 1 ? weight->shape.dim[0] - 1 : -1;

    return n >= 0 && n <= TMB_MIN(most, TMB__UNKNOWN_AXES) ? (int)n : -1;
}

/* Array number i of `sizes` is there as it should be. */
static int check_array(
        const tmb_unknown *sizes, int i, const tmb__tensors *tensors, const char *what)
{
    const char *part;
    const tmb__shape shape = tmb__unknown_array(sizes, i, &part).shape;
    const tmb__array *found = find_array(tensors, part);
    int64_t first;

    if (!found || found->dtype != TMB__F32 || !tmb__shape_equal(&found->shape, &shape))
        return tmb__fail(TMB_EMODEL, "%s: tensor \"" PREFIX "%s\" is %s %s, expected float32 %s",
                tmb__printable(what), part, found ? tmb__dtype_name(found->dtype) : "not there",
                found ? tmb__shape_text(&found->shape) : "", tmb__shape_text(&shape));
    if (tmb__count_nonfinite(found->data, tmb__shape_count(&shape), &first) > 0)
        return tmb__fail(TMB_EMODEL, "%s: tensor \"" PREFIX "%s\" has numbers that are not finite",
                tmb__printable(what), part);
    return 0;
}

static void take_arrays(tmb_unknown *unknown, const tmb__tensors *tensors)
{
    for (int i = 0; i < TMB__UNKNOWN_ARRAYS; i++) {
        const char *part;
        const tmb__array array = tmb__unknown_array(unknown, i, &part);

        memcpy(array.data, find_array(tensors, part)->data,
                (size_t)tmb__shape_count(&array.shape) * sizeof(float));
    }
}

/* None of its tensors is there without the member. */
static int check_none(const tmb__tensors *tensors, const char *what)
{
    for (int64_t i = 0; i < tensors->n; i++) {
        if (strncmp(tensors->items[i].name, PREFIX, strlen(PREFIX)) == 0)
            return tmb__fail(TMB_EMODEL, "%s: nothing asks for the tensor \"%s\"",
                    tmb__printable(what), tmb__printable(tensors->items[i].name));
    }
    return 0;
}

/* Nothing is allocated before the tensors are there in these sizes. */
int tmb__unknown_load(
        tmb_model *model, const json_t *json, const tmb__tensors *tensors, const char *what)
{
    const int outputs = tmb_model_outputs(model);
    tmb_unknown sizes = {.classes = outputs == 1 ? 2 : outputs};
    int64_t d;

    if (!json) return check_none(tensors, what);
    TMB_TRY(find_layer(model, json, what, &sizes.layer));
    d = tmb__shape_count(&model->layers[sizes.layer - 1].out);
    sizes.d = (int)TMB_MIN(d, INT32_MAX);
    sizes.axes = count_axes(tensors, sizes.d);
    if (sizes.axes < 0)
        return tmb__fail(TMB_EMODEL, "%s: \"unknown\" is not of 0 to %d directions",
                tmb__printable(what), TMB_MIN(sizes.d, TMB__UNKNOWN_AXES));
    for (int i = 0; i < TMB__UNKNOWN_ARRAYS; i++)
        TMB_TRY(check_array(&sizes, i, tensors, what));
    TMB_TRY(tmb__unknown_alloc(&model->unknown, sizes.d, sizes.classes, sizes.axes));
    model->unknown->layer = sizes.layer;
    take_arrays(model->unknown, tensors);
    return 0;
}
