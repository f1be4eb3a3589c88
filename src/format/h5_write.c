/* h5_write.c - write Keras' legacy .h5 through the HDF5 module
 *
 * libhdf5 brings forty libraries along (curl, Kerberos, LDAP, ...) and costs a program 4.5 ms at its
 * start, though few runs write an .h5 file. So it is linked to a small module, libthimble-h5write.so,
 * that is loaded here when it is first needed, from where the installation keeps its parts
 * (base/beside.c). The module makes the file in memory; it is saved like every other file. */
#define _GNU_SOURCE /* RTLD_NODELETE */
#include "format/h5_module.h"

#include <dlfcn.h>
#include <string.h>

enum { PATH_SIZE = 4096 };

#define MODULE "libthimble-h5write.so"

/* The module stays loaded: libhdf5 does not survive being unloaded before the program ends. */
static int load_module(tmb__h5_image_fn *out)
{
    char path[PATH_SIZE];
    void *module, *symbol;

    if (!tmb__find_part(path, sizeof path, MODULE)) {
        return tmb__fail(TMB_EUNSUPPORTED, "%s is not there, .h5 files cannot be written", MODULE);
    }
    module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    symbol = module ? dlsym(module, "tmb_h5_image") : NULL;
    if (!symbol) {
        const char *why = dlerror();

        return tmb__fail(TMB_EUNSUPPORTED, "%s: %s", path, why ? why : "exports no tmb_h5_image");
    }
    memcpy(out, &symbol, sizeof symbol); /* POSIX: a function pointer fits in void * */
    dlclose(module);
    return 0;
}

int tmb__h5_write_weights(const char *path, const tmb__h5_layer *layers, int n_layers)
{
    const tmb__h5_host host = {tmb__calloc, tmb__free};
    tmb__h5_image_fn make_image = NULL;
    tmb__bytes file = {0};
    char why[256] = "";
    int status;

    TMB_TRY(load_module(&make_image));
    status = make_image(&file, layers, n_layers, &host, why);
    if (status < 0 && why[0]) tmb__fail(status, "%s: %s", tmb__printable(path), why);
    if (status == 0) status = tmb__file_replace(path, &file, 1);
    tmb__free(file.data);
    return status;
}
