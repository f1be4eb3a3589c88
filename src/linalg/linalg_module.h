/* linalg_module.h - between the library and its linear algebra module, loaded when first needed */
#ifndef THIMBLE_LINALG_LINALG_MODULE_H
#define THIMBLE_LINALG_LINALG_MODULE_H

#include "linalg/linalg.h"

typedef const tmb__linalg *(*tmb__linalg_entry_fn)(void);

TMB_API const tmb__linalg *tmb_linalg_entry(void);

/* linalg_thin.c: false if neither side is thin, and nothing was done. */
bool tmb__product_thin(const tmb__product *p);

#endif
