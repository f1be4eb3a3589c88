/* device.h - list and open the devices that nets run on */
#ifndef THIMBLE_DEVICE_H
#define THIMBLE_DEVICE_H

#include <thimble/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tmb_device tmb_device; /* outlives the models that use it */

/* Open "cpu", "ref" (plain C, slow, the definition of every op) or "cuda:0"; NULL or "auto" takes the
 * best there is. `threads` 0: one for each CPU this process may use. Results do not depend on it. */
TMB_API int tmb_device_open(tmb_device **out, const char *name, int threads);
TMB_API void tmb_device_free(tmb_device *device);

/* The name of device number `index` of this machine, NULL past the last; static text. */
TMB_API const char *tmb_device_name(int index);
TMB_API int tmb_device_threads(const tmb_device *device);

#ifdef __cplusplus
}
#endif
#endif
