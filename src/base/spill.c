/* spill.c - memory that stands in a file without a name, for what is larger than RAM should give
 *
 * The file's space is reserved before it is mapped, since writing to a mapped page that finds no room
 * on the disk would end the program. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* A descriptor whose file is gone with it, or -1. */
static int open_nameless(const char *folder, size_t bytes)
{
    char name[4096];
    int fd, error;

    if ((size_t)snprintf(name, sizeof name, "%s/.thimble-XXXXXX", folder) >= sizeof name) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkstemp(name);
    if (fd < 0) return -1;
    unlink(name);
    error = posix_fallocate(fd, 0, (off_t)bytes);
    if (error == 0) return fd;
    close(fd);
    errno = error;
    return -1;
}

int tmb__spill_map(void **out, size_t bytes, const char *folder)
{
    int fd = -1, error = EIO;
    void *p = MAP_FAILED;

    *out = NULL;
    if (tmb__gate(TMB_GATE_IO)) {
        fd = open_nameless(folder, bytes);
        error = errno;
    }
    if (fd >= 0) {
        p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        error = errno;
        close(fd);
    }
    if (p == MAP_FAILED)
        return tmb__fail_errno(TMB_EOUTPUT, error, "no scratch file of %zu bytes in %s", bytes,
                tmb__printable(folder));
    *out = p;
    return 0;
}

void tmb__spill_unmap(void *block, size_t bytes)
{
    if (block) munmap(block, bytes);
}
