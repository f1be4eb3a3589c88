/* clock.c - seconds of a clock that never jumps */
#include "base/base.h"

#include <time.h>

double tmb__now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
