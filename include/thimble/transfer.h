/* transfer.h - a classifier from pre-trained networks
 *
 *     tmb_model_freeze(net, "block4_pool", true);                // the post's third experiment
 *     tmb_compile(net, .optimizer = TMB_SGD, .lr = 1e-4f, .momentum = 0.9f, .keep_weights = true);
 *     tmb_fit(net, train, .epochs = 50, .validation = held_out, .kept_views = 8);
 */
#ifndef THIMBLE_TRANSFER_H
#define THIMBLE_TRANSFER_H

#include <thimble/features.h>
#include <thimble/head.h>
#include <thimble/zoo.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Freeze all layers up to and including `until` (NULL: none), and with `frozen_norms` every batch
 * normalisation above it; the others are trainable. TMB_EINVAL, with the nearest layer's name as hint, if
 * there is none so called. Takes effect at the next tmb_compile. */
TMB_API int tmb_model_freeze(tmb_model *model, const char *until, bool frozen_norms);

#ifdef __cplusplus
}
#endif
#endif
