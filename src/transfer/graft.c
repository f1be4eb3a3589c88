/* graft.c - a fitted head put on the model that its features came from
 *
 * The head's numbers are those of raw features, temperature included, so that they are the weights of a
 * dense layer as they stand. With two classes its one output is the probability of the second. */
#include "transfer/transfer.h"

static int check(const tmb_model *model, const tmb_head *head, bool flip_views)
{
    const int outputs = tmb_model_outputs(model);

    if (outputs != head->inputs) {
        tmb__fail(
                TMB_EINVAL, "the head takes %d features, the net gives %d", head->inputs, outputs);
        tmb__hint("a head goes on the network that its features came from");
        return TMB_EINVAL;
    }
    if (tmb_model_find(model, "head"))
        return tmb__fail(TMB_EINVAL, "the net has a layer \"head\" already");
    if (flip_views && !model->has_preprocess)
        return tmb__fail(
                TMB_EINVAL, "the net does not know how its photos are prepared, so not both views");
    return 0;
}

static int add_layers(tmb_model *model, const tmb_head *head)
{
    tmb_layer layer;

    if (model->layers[model->n_layers - 1].out.rank > 1) tmb_flatten(model);
    layer = tmb_dense(model, .units = head->outputs,
            .activation = head->outputs == 1 ? TMB_SIGMOID : TMB_SOFTMAX, .name = "head");
    TMB_TRY(tmb_model_check(model));
    TMB_TRY(tmb_model_set_weight(
            model, layer, 0, head->kernel, (int64_t)head->inputs * head->outputs));
    return tmb_model_set_weight(model, layer, 1, head->bias, head->outputs);
}

/* What lies below the head is measured. */
static int take_unknown(tmb_model *model, const tmb_head *head)
{
    tmb_unknown *copy;

    TMB_TRY(tmb__unknown_copy(&copy, head->unknown));
    tmb__unknown_free(model->unknown);
    model->unknown = copy;
    model->unknown->layer = model->n_layers - 1;
    return 0;
}

int tmb_model_add_head(
        tmb_model *model, const tmb_head *head, const char *const *class_names, bool flip_views)
{
    if (!model || !head) return tmb__fail(TMB_EINVAL, "%s is NULL", model ? "head" : "model");
    TMB_TRY(tmb_model_check(model));
    TMB_TRY(check(model, head, flip_views));
    TMB_TRY(add_layers(model, head));
    if (class_names) TMB_TRY(tmb_model_set_classes(model, class_names, head->classes));
    if (head->unknown) TMB_TRY(take_unknown(model, head));
    model->preprocess.flip_views = flip_views;
    return 0;
}
