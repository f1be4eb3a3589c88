/* device.h - list and open the devices that nets run on */
#ifndef THIMBLE_DEVICE_H
#define THIMBLE_DEVICE_H

#include <thimble/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tmb_device tmb_device; /* outlives the models that use it */

/* What a device computes in; parameters, sums and whatever is saved are f32 always. */
typedef enum tmb_precision {
    TMB_PRECISION_F32,
    TMB_PRECISION_BF16, /* convolutions and the like; f32 where it gains nothing */
    TMB_PRECISION_AUTO  /* bf16 on devices that gain by it, else f32 */
} tmb_precision;

/* Open "cpu", "ref" (plain C, slow, the definition of every op) or "cuda:0"; NULL or "auto" takes the
 * best there is. `threads` 0: one for each CPU this process may use. Results do not depend on it. */
TMB_API int tmb_device_open(tmb_device **out, const char *name, int threads);
TMB_API void tmb_device_free(tmb_device *device);

/* The name of device number `index` of this machine, NULL past the last; static text. */
TMB_API const char *tmb_device_name(int index);
TMB_API int tmb_device_threads(const tmb_device *device);

/* A new device computes in f32. TMB_EUNSUPPORTED if bf16 is asked of one that does not gain by it. It
 * holds for what is made from then on: a training, an extraction or a predictor that has begun keeps
 * what it began with. Not while another thread uses the device. */
TMB_API int tmb_device_set_precision(tmb_device *device, tmb_precision precision);
TMB_API tmb_precision tmb_device_precision(const tmb_device *device); /* in force: F32 or BF16 */

#ifdef __cplusplus
}
#endif
#endif
