/* plugin_twin.c - ref once more, as a plugin: what it takes to be one */
#include <thimble/plugin.h>

const tmb_backend *tmb_backend_ref(uint32_t host_abi);
const tmb_backend *tmb_backend_entry(uint32_t host_abi);

TMB_API const tmb_backend *tmb_backend_entry(uint32_t host_abi)
{
    static tmb_backend twin;
    const tmb_backend *ref = tmb_backend_ref(host_abi);

    if (!ref) return NULL;
    twin = *ref;
    twin.name = "twin";
    return &twin;
}
