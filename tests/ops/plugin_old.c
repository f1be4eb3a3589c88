/* plugin_old.c - a plugin of an ABI that nobody speaks any more */
#include <thimble/plugin.h>

const tmb_backend *tmb_backend_entry(uint32_t host_abi);

TMB_API const tmb_backend *tmb_backend_entry(uint32_t host_abi)
{
    static const tmb_backend old = {.abi = TMB_BACKEND_ABI + 1000, .name = "old"};

    (void)host_abi;
    return &old;
}
