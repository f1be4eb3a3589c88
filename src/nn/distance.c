/* distance.c - how far values lie from those that are known, with what head has found of these
 *
 * With x divided by its length, f = (x - mean) scale - centre of a class, g = f along the axes:
 *     distance^2 = min over classes of sum weight[j] g[j]^2 + weight[axes] (|f|^2 - |g|^2). */
#include "nn/nn.h"

#include <math.h>
#include <string.h>

tmb__array tmb__unknown_array(const tmb_unknown *u, int i, const char **name)
{
    const struct {
        const char *name;
        float *values;
        tmb__shape shape;
    } arrays[TMB__UNKNOWN_ARRAYS] = {
            {"mean", u->mean, {1, {u->d}}},
            {"scale", u->scale, {1, {u->d}}},
            {"centre", u->centre, {2, {u->classes, u->d}}},
            {"axis", u->axis, {2, {u->d, u->axes}}},
            {"along", u->along, {2, {u->classes, u->axes}}},
            {"weight", u->weight, {1, {u->axes + 1}}},
    };

    *name = arrays[i].name;
    return (tmb__array){TMB__F32, arrays[i].shape, arrays[i].values};
}

/* How many floats there are in all. */
static size_t count_values(const tmb_unknown *u)
{
    const char *name;
    size_t n = 0;

    for (int i = 0; i < TMB__UNKNOWN_ARRAYS; i++) {
        const tmb__array array = tmb__unknown_array(u, i, &name);

        n += (size_t)tmb__shape_count(&array.shape);
    }
    return n;
}

int tmb__unknown_alloc(tmb_unknown **out, int d, int classes, int axes)
{
    const size_t n_d = (size_t)d, k = (size_t)classes, n_axes = (size_t)axes;
    tmb_unknown *u = tmb__calloc(1, sizeof *u);

    TMB_ASSERT(axes <= TMB__UNKNOWN_AXES);
    *out = NULL;
    if (!u) return TMB_ENOMEM;
    *u = (tmb_unknown){.d = d, .classes = classes, .axes = axes};
    u->values = tmb__calloc(count_values(u), sizeof *u->values);
    if (!u->values) {
        tmb__unknown_free(u);
        return TMB_ENOMEM;
    }
    u->mean = u->values;
    u->scale = u->mean + n_d;
    u->centre = u->scale + n_d;
    u->axis = u->centre + k * n_d;
    u->along = u->axis + n_d * n_axes;
    u->weight = u->along + k * n_axes;
    *out = u;
    return 0;
}

int tmb__unknown_copy(tmb_unknown **out, const tmb_unknown *from)
{
    TMB_TRY(tmb__unknown_alloc(out, from->d, from->classes, from->axes));
    (*out)->layer = from->layer;
    memcpy((*out)->values, from->values, count_values(from) * sizeof *from->values);
    return 0;
}

void tmb__unknown_free(tmb_unknown *u)
{
    if (!u) return;
    tmb__free(u->values);
    tmb__free(u);
}

void tmb__model_forget(tmb_model *model, tmb_layer layer)
{
    if (!model->unknown || layer > model->unknown->layer) return;
    TMB_LOG(INFO, "layer %s changes: photos unlike those of the training are no longer told",
            model->layers[layer - 1].name);
    tmb__unknown_free(model->unknown);
    model->unknown = NULL;
}

double tmb__unknown_length(const float *x, int d)
{
    double sum = 0;

    for (int i = 0; i < d; i++)
        sum += (double)x[i] * x[i];
    return TMB_MAX(sqrt(sum), 1e-30);
}

double tmb__unknown_distance(const tmb_unknown *u, const float *x)
{
    const double one = 1 / tmb__unknown_length(x, u->d);
    double along[TMB__UNKNOWN_AXES] = {0}, best = INFINITY;

    for (int i = 0; i < u->d; i++) {
        const double f = (x[i] * one - u->mean[i]) * u->scale[i];

        for (int j = 0; j < u->axes; j++)
            along[j] += f * u->axis[(size_t)i * (size_t)u->axes + (size_t)j];
    }
    for (int k = 0; k < u->classes; k++) {
        const float *centre = u->centre + (size_t)k * (size_t)u->d;
        double sum = 0, rest = 0;

        for (int i = 0; i < u->d; i++) {
            const double f = (x[i] * one - u->mean[i]) * u->scale[i] - centre[i];

            rest += f * f;
        }
        for (int j = 0; j < u->axes; j++) {
            const double f = along[j] - u->along[k * u->axes + j];

            sum += u->weight[j] * f * f;
            rest -= f * f;
        }
        best = TMB_MIN(best, sum + u->weight[u->axes] * TMB_MAX(rest, 0));
    }
    return sqrt(best);
}
