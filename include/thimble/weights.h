/* weights.h - models and weights in files */
#ifndef THIMBLE_WEIGHTS_H
#define THIMBLE_WEIGHTS_H

#include <thimble/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The whole model, `.thimble` (docs/formats.md): graph, weights, classes, preprocessing, record, and a
 * few inputs with their outputs, computed now, that every loader can replay. Whole file or none. */
TMB_API int tmb_model_save(tmb_model *model, const char *path);
/* TMB_EMODEL says what is wrong with the file. A checkpoint opens as the model it holds. */
TMB_API int tmb_model_open(tmb_model **out, const char *path);

/* Replay the stored inputs: TMB_EGATE if an output differs by more than `tolerance` (0: 1e-4).
 * `worst` (may be NULL) gets the largest difference, `n` the number of pairs. */
TMB_API int tmb_model_verify(tmb_model *model, float tolerance, double *worst, int *n);

/* Weights alone, as Keras lays them out; the ending picks the format: .h5 (Keras' legacy layout) or
 * .npz ("layer/weight"). */
TMB_API int tmb_model_save_weights(const tmb_model *model, const char *path);
/* Every layer with weights must be there with its shapes: .thimble or .npz. TMB_EMODEL names layer,
 * shape found and shape expected. */
TMB_API int tmb_model_load_weights(tmb_model *model, const char *path);

#ifdef __cplusplus
}
#endif
#endif
