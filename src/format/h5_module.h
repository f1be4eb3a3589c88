/* h5_module.h - between the library and its HDF5 module, which is loaded when it is first needed */
#ifndef THIMBLE_FORMAT_H5_MODULE_H
#define THIMBLE_FORMAT_H5_MODULE_H

#include "format/format.h"

/* What the module borrows from the library: memory. */
typedef struct tmb__h5_host {
    void *(*alloc)(size_t n, size_t size); /* zeroed; NULL: the message is set */
    void (*free)(void *p);
} tmb__h5_host;

/* Make a whole .h5 file in memory. 0; TMB_ENOMEM; or TMB_EBUG with `why` in words. */
typedef int (*tmb__h5_image_fn)(
        tmb__bytes *out, const tmb__h5_list *list, const tmb__h5_host *host, char why[256]);

TMB_API int tmb_h5_image(
        tmb__bytes *out, const tmb__h5_list *list, const tmb__h5_host *host, char why[256]);

#endif
