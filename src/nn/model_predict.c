/* model_predict.c - scores of inputs; the model's own device and its cached program
 *
 * The first prediction prepares a program, later ones use it again; it goes when weights change. */
#include "nn/layer.h"

enum { MOST_AT_ONCE = 32 };

void tmb__model_touch(tmb_model *model)
{
    tmb__exec_free(model->infer);
    model->infer = NULL;
}

int tmb__model_device(tmb_model *model, tmb_device **out)
{
    *out = NULL;
    if (!model->device) {
        TMB_TRY(tmb_device_open(&model->device, NULL, 0));
        model->own_device = true;
    }
    *out = model->device;
    return 0;
}

int tmb_model_set_device(tmb_model *model, tmb_device *device)
{
    if (!model || !device) return tmb__fail(TMB_EINVAL, "%s is NULL", model ? "device" : "model");
    if (device == model->device) return 0;
    tmb__model_touch(model);
    if (model->own_device) tmb_device_free(model->device);
    model->device = device;
    model->own_device = false;
    return 0;
}

/* A program for at least `batch` samples on the model's device. */
static int take_program(tmb_model *model, int batch)
{
    tmb_device *device;

    TMB_TRY(tmb__model_device(model, &device));
    if (model->infer && tmb__exec_serves(model->infer, device, batch)) return 0;
    tmb__model_touch(model);
    return tmb__exec_new(&model->infer, model, device, batch, NULL);
}

int tmb_model_predict(tmb_model *model, const float *x, int n, float *scores)
{
    int64_t inputs, outputs;

    TMB_TRY(tmb_model_check(model));
    if (!x || !scores) return tmb__fail(TMB_EINVAL, "%s is NULL", x ? "scores" : "x");
    if (n < 1) return tmb__fail(TMB_EINVAL, "n is %d, at least 1 expected", n);
    inputs = tmb__shape_count(&model->layers[0].out);
    outputs = tmb_model_outputs(model);
    TMB_TRY(take_program(model, TMB_MIN(n, MOST_AT_ONCE)));
    for (int done = 0; done < n; done += MOST_AT_ONCE)
        TMB_TRY(tmb__exec_predict(model->infer, x + done * inputs, TMB_MIN(n - done, MOST_AT_ONCE),
                scores + done * outputs));
    return 0;
}

int tmb__model_predict_f32(tmb_model *model, const float *x, int n, float *scores)
{
    tmb_device *device;
    tmb__exec *exec;
    int status;

    TMB_TRY(tmb_model_check(model));
    TMB_TRY(tmb__model_device(model, &device));
    if (!device->bf16) return tmb_model_predict(model, x, n, scores);
    TMB_TRY(tmb__exec_new_span(&exec, model, (tmb__span){.f32 = true}, device, n, NULL));
    status = tmb__exec_predict(exec, x, n, scores);
    tmb__exec_free(exec);
    return status;
}
