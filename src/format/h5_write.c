/* h5_write.c - write Keras' legacy .h5 through the HDF5 module
 *
 * libhdf5 brings forty libraries along (curl, Kerberos, LDAP, ...) and costs a program 4.5 ms at its
 * start, though few runs write an .h5 file. So it is linked to a small module, libthimble-h5write.so,
 * that is loaded here when it is first needed, from where the installation keeps its parts
 * (base/beside.c). The module makes the file in memory; it is saved like every other file. */
#include "format/h5_module.h"

int tmb__h5_write_weights(const char *path, const tmb__h5_layer *layers, int n_layers)
{
    const tmb__h5_host host = {tmb__calloc, tmb__free};
    tmb__h5_image_fn make_image = NULL;
    tmb__bytes file = {0};
    char why[256] = "";
    int status;

    TMB_TRY(tmb__part_symbol(
            &make_image, sizeof make_image, "libthimble-h5write.so", "tmb_h5_image"));
    status = make_image(&file, layers, n_layers, &host, why);
    if (status < 0 && why[0]) tmb__fail(status, "%s: %s", tmb__printable(path), why);
    if (status == 0) status = tmb__file_replace(path, &file, 1);
    tmb__free(file.data);
    return status;
}
