/* beside.c - where the parts of an installation lie that are not linked in: plugins, modules, programs
 *
 * Looked at in this order: the folder `thimble` beside this library, the folder of this library (a
 * build tree), the library folder seen from a program's folder (an installation that was moved), and
 * where it was installed. All are absolute: what lies in the current directory is never run. */
#define _GNU_SOURCE /* dladdr, RTLD_NODELETE */
#include "base/base.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

/* The folder of the file that this function is part of: the library, or the program it is linked into,
 * whose name as the loader knows it may be relative. */
static bool own_folder(char *out, size_t size)
{
    Dl_info info;
    ssize_t n;
    char *slash;

    if (dladdr((const void *)(uintptr_t)own_folder, &info) && info.dli_fname &&
            info.dli_fname[0] == '/') {
        if ((size_t)snprintf(out, size, "%s", info.dli_fname) >= size) return false;
    } else {
        n = readlink("/proc/self/exe", out, size - 1);
        if (n <= 0) return false;
        out[n] = '\0';
    }
    slash = out[0] == '/' ? strrchr(out, '/') : NULL;
    if (!slash) return false;
    *slash = '\0';
    return true;
}

bool tmb__parts_folder(char *out, size_t size, int i)
{
    static const char *const below[] = {"/thimble", "", "/../" THIMBLE_LIBDIR "/thimble"};
    const int n = (int)TMB_COUNT(below);
    size_t len;

    out[0] = '\0';
    if (i == n) snprintf(out, size, "%s", THIMBLE_PLUGIN_DIR);
    if (i < n && own_folder(out, size)) {
        len = strlen(out);
        if ((size_t)snprintf(out + len, size - len, "%s", below[i]) >= size - len) out[0] = '\0';
    } else if (i < n) {
        out[0] = '\0';
    }
    if (out[0] != '/') out[0] = '\0';
    return i <= n;
}

bool tmb__find_part(char *out, size_t size, const char *name)
{
    for (int i = 0; tmb__parts_folder(out, size, i); i++) {
        const size_t len = strlen(out);

        if (len == 0 || (size_t)snprintf(out + len, size - len, "/%s", name) >= size - len) {
            continue;
        }
        if (tmb__file_exists(out) == 1) return true;
    }
    return false;
}

/* It stays loaded: the libraries that parts stand on do not survive being unloaded before the program
 * ends. */
int tmb__part_symbol(void *fn, size_t size, const char *part, const char *symbol)
{
    char path[PATH_SIZE];
    void *library, *found;

    if (!tmb__find_part(path, sizeof path, part)) {
        tmb__fail(TMB_EUNSUPPORTED, "%s is not there", part);
        tmb__hint("it lies beside the library where its packages were there when that was built");
        return TMB_EUNSUPPORTED;
    }
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    found = library ? dlsym(library, symbol) : NULL;
    if (!found) {
        const char *why = dlerror();

        return tmb__fail(TMB_EUNSUPPORTED, "%s: %s", path, why ? why : "lacks a function");
    }
    TMB_ASSERT(size == sizeof found); /* POSIX: a function pointer fits in void * */
    memcpy(fn, &found, size);
    dlclose(library); /* RTLD_NODELETE: only the count goes down */
    return 0;
}
