/* amx_emulated.h - AMX where there is none: same kernels, slow tiles */
#ifndef THIMBLE_TESTS_AMX_EMULATED_H
#define THIMBLE_TESTS_AMX_EMULATED_H

#include "backend/cpu/cpu_tiles.h"

extern const cpu_tiles test_tiles_amx;

#endif
