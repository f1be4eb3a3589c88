/* env.c - every variable of the environment that the library reads, and its only getenv() */
#include "base/base.h"

#include <stdlib.h>

const char *tmb__env(tmb__env_id id)
{
    static const char *const names[] = {
            [TMB_ENV_DEVICE] = "THIMBLE_DEVICE",   /* "cpu", "cuda:0", "ref" */
            [TMB_ENV_THREADS] = "THIMBLE_THREADS", /* a number; default: one per CPU */
            [TMB_ENV_CPU] = "THIMBLE_CPU", /* "x86-64", "avx2", "avx512", "avx512-bf16", "amx" */
            [TMB_ENV_PLUGIN_PATH] = "THIMBLE_PLUGIN_PATH", /* folders, separated by colons */
            [TMB_ENV_WEIGHTS] = "THIMBLE_WEIGHTS",         /* folder of pre-trained weights */
            [TMB_ENV_CACHE] = "XDG_CACHE_HOME",
            [TMB_ENV_HOME] = "HOME",
    };
    const char *value = getenv(names[id]);

    return value && value[0] ? value : NULL;
}

bool tmb__env_lend(const char *name, const char *value)
{
    return !getenv(name) && setenv(name, value, 0) == 0;
}

void tmb__env_take_back(const char *name)
{
    unsetenv(name);
}
