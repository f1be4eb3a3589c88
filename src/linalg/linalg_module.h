/* linalg_module.h - between the library and its linear algebra module, loaded when first needed */
#ifndef THIMBLE_LINALG_LINALG_MODULE_H
#define THIMBLE_LINALG_LINALG_MODULE_H

#include "linalg/linalg.h"

typedef const tmb__linalg *(*tmb__linalg_entry_fn)(void);

TMB_API const tmb__linalg *tmb_linalg_entry(void);

#endif
