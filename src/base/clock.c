/* clock.c - seconds of clocks that never jump: of the wall, and of a thread's own work */
#include "base/base.h"

#include <time.h>

static double seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double tmb__now(void)
{
    return seconds(CLOCK_MONOTONIC);
}

double tmb__cpu_now(void)
{
    return seconds(CLOCK_THREAD_CPUTIME_ID);
}
