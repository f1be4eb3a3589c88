/* generator.c - ImageDataGenerator's methods on one picture of floats, by the road of data sets */
#include "data/images.h"

enum { MAX_SIDE = 4096 };

static int check_shape(const int shape[3])
{
    for (int i = 0; i < 2; i++) {
        if (shape[i] >= 1 && shape[i] <= MAX_SIDE) continue;
        return tmb__fail(TMB_EINVAL, "picture of %d x %d, expected sides of 1 to %d", shape[0],
                shape[1], (int)MAX_SIDE);
    }
    if (shape[2] >= 1 && shape[2] <= 4) return 0;
    return tmb__fail(TMB_EINVAL, "picture of %d channels, expected 1 to 4", shape[2]);
}

int tmb_transform_apply(const tmb_transform *t, const tmb_augment *augment, const int shape[3],
        const float *x, float *out)
{
    static const tmb_augment none;
    tmb_preprocess plain = {.scale = {1, 1, 1, 1}};
    tmb__resizer scratch = {0};
    int status;

    if (!t || !shape || !x || !out || x == out)
        return tmb__fail(TMB_EINVAL, "apply: transform, shape, x and another array expected");
    TMB_TRY(check_shape(shape));
    if (augment) TMB_TRY(tmb__augment_check(augment));
    plain.size[0] = shape[0];
    plain.size[1] = shape[1];
    plain.channels = shape[2];
    status = tmb__transform_apply_floats(t, augment ? augment : &none, x, out, &plain, &scratch);
    tmb__resizer_free(&scratch);
    return status;
}
