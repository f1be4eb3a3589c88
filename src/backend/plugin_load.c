/* plugin_load.c - backends from shared objects
 *
 * Backend NAME is looked for as libthimble-NAME.so in the folders of THIMBLE_PLUGIN_PATH, then where
 * the installation keeps its parts (base/beside.c). Only absolute folders count, so that what lies in
 * the current directory is never run. The first file found decides: if
 * it cannot be loaded that is an error, and no other is tried. A plugin stays loaded: GPU libraries
 * do not survive being unloaded while their threads live. */
#define _GNU_SOURCE /* RTLD_NODELETE */
#include "backend/backend.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* Folder number `i` to search; false past the last. An unusable one comes out as "". */
static bool folder_at(char *out, size_t size, int i)
{
    const char *list = tmb__env(TMB_ENV_PLUGIN_PATH);

    for (; list; i--) {
        const size_t len = strcspn(list, ":");

        if (i == 0) {
            snprintf(out, size, "%.*s", len < size ? (int)len : 0, list);
            return true;
        }
        list = list[len] == ':' ? list + len + 1 : NULL;
    }
    return tmb__parts_folder(out, size, i);
}

static int entry_of(tmb_backend_entry_fn *out, void *library, const char *path)
{
    void *symbol = dlsym(library, "tmb_backend_entry");

    if (!symbol) return tmb__fail(TMB_EDEVICE, "%s: exports no tmb_backend_entry", path);
    memcpy(out, &symbol, sizeof symbol); /* POSIX: a function pointer fits in void * */
    return 0;
}

static int load_file(const tmb_backend **out, const char *path, const char *name)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    tmb_backend_entry_fn entry = NULL;
    int status;

    if (!library) {
        const char *why = dlerror(); /* most often, but not always, begins with the path */
        const bool named = why && strncmp(why, path, strlen(path)) == 0;

        if (named) return tmb__fail(TMB_EDEVICE, "%s", why);
        return tmb__fail(TMB_EDEVICE, "%s: %s", path, why ? why : "cannot be loaded");
    }
    status = entry_of(&entry, library, path);
    dlclose(library); /* RTLD_NODELETE: it stays, only the count goes down */
    TMB_TRY(status);
    *out = entry(TMB_BACKEND_ABI);
    if (!*out || (*out)->abi != TMB_BACKEND_ABI) {
        const unsigned abi = *out ? (*out)->abi : 0;

        *out = NULL;
        return tmb__fail(
                TMB_EDEVICE, "%s: speaks backend ABI %u, expected %u", path, abi, TMB_BACKEND_ABI);
    }
    if (strcmp((*out)->name, name) == 0) return 0;
    *out = NULL;
    return tmb__fail(TMB_EDEVICE, "%s: is not the backend '%s'", path, name);
}

int tmb__plugin_load(const tmb_backend **out, const char *name, tmb__strbuf *looked)
{
    char folder[3072], path[4096];

    *out = NULL;
    for (int i = 0; folder_at(folder, sizeof folder, i); i++) {
        if (folder[0] != '/') continue;
        snprintf(path, sizeof path, "%s/libthimble-%s.so", folder, name);
        tmb__strbuf_add(looked, "%s%s", looked->len > 0 ? ", " : "", path);
        if (tmb__file_exists(path) == 1) return load_file(out, path, name);
    }
    return 0;
}
