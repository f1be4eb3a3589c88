/* h5_main.c - thimble-h5: an HDF5 file on descriptor 0 becomes a stream of tensors on descriptor 1
 *
 *     thimble-h5 < weights.h5 > stream        (the stream: h5.h)
 *
 * The library starts this program for each HDF5 file, because libhdf5 must not meet a stranger's bytes
 * inside a process that has something to lose. The file is mapped, libhdf5 is made ready, everything
 * else is given up (h5_sandbox.c), and only then is the file parsed: libhdf5's core driver is handed
 * the mapping as a file image and copies nothing. All refusals are one sentence on the stream. */
#define _GNU_SOURCE /* close_range */
#include "h5/h5_program.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The mapped file, handed to libhdf5 whenever it asks for memory to put the image in. */
typedef struct image {
    uint8_t *bytes;
    size_t size;
} image;

static void *image_malloc(size_t size, H5FD_file_image_op_t op, void *user)
{
    const image *file = user;

    (void)op;
    return size == file->size ? file->bytes : NULL;
}

static void *image_memcpy(
        void *dst, const void *src, size_t size, H5FD_file_image_op_t op, void *user)
{
    (void)src;
    (void)size;
    (void)op;
    (void)user;
    return dst;
}

static void *image_realloc(void *p, size_t size, H5FD_file_image_op_t op, void *user)
{
    const image *file = user;

    (void)op;
    return size <= file->size ? p : NULL;
}

static herr_t image_free(void *p, H5FD_file_image_op_t op, void *user)
{
    (void)p;
    (void)op;
    (void)user;
    return 0;
}

static void *user_copy(void *user)
{
    return user;
}

static herr_t user_free(void *user)
{
    (void)user;
    return 0;
}

static uint64_t number_at(const image *file, size_t at)
{
    uint64_t value = 0;

    for (size_t i = 8; i-- > 0;)
        value = value << 8 | file->bytes[at + i];
    return value;
}

/* Where the superblock is: at 0, 512, 1024, 2048, ... (HDF5 file format, II.A). */
static size_t find_superblock(const image *file)
{
    for (size_t at = 0; at + 48 <= file->size; at = at ? 2 * at : 512) {
        if (memcmp(file->bytes + at, "\x89HDF\r\n\x1a\n", 8) == 0) return at;
    }
    out_refuse("not HDF5: it does not begin as an HDF5 file does");
}

/* A download that was cut off is the commonest fault, and libhdf5 has no words for it. */
static void check_length(const image *file)
{
    const size_t at = find_superblock(file);
    const uint8_t version = file->bytes[at + 8];
    const size_t sizes = at + (version < 2 ? 13 : 9), end = version < 2 ? 40u + 4u * version : 28;
    uint64_t declared;

    if (version > 3) out_refuse("HDF5 superblock version %d, expected 0 to 3", version);
    if (file->bytes[sizes] != 8 || at + end + 8 > file->size) return;
    declared = number_at(file, at + end);
    if (declared <= file->size) return;
    out_refuse("truncated: it has %llu bytes, its header says %llu", (unsigned long long)file->size,
            (unsigned long long)declared);
}

static image map_file(void)
{
    image file = {0};
    struct stat st;

    if (fstat(STDIN_FILENO, &st) != 0 || !S_ISREG(st.st_mode)) {
        out_refuse("descriptor 0 is no regular file");
    }
    if (st.st_size <= 0) out_refuse("the file is empty");
    file.size = (size_t)st.st_size;
    /* Private and writable: libhdf5 may touch its image, the file never changes. */
    file.bytes = mmap(NULL, file.size, PROT_READ | PROT_WRITE, MAP_PRIVATE, STDIN_FILENO, 0);
    if (file.bytes == MAP_FAILED) out_refuse("the file cannot be mapped");
    return file;
}

static void start_library(void)
{
    if (H5open() < 0 || H5Eset_auto2(H5E_DEFAULT, NULL, NULL) < 0 || H5PLset_loading_state(0) < 0) {
        out_refuse("libhdf5 could not be started");
    }
}

static hid_t open_image(image *file)
{
    H5FD_file_image_callbacks_t calls = {
            image_malloc, image_memcpy, image_realloc, image_free, user_copy, user_free, file};
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    hid_t id = -1;

    if (H5Pset_fapl_core(access, 1 << 16, false) >= 0 &&
            H5Pset_file_image_callbacks(access, &calls) >= 0 &&
            H5Pset_file_image(access, file->bytes, file->size) >= 0) {
        id = H5Fopen("image", H5F_ACC_RDONLY, access);
    }
    if (id < 0) out_refuse("damaged: libhdf5 cannot make out its header");
    return id;
}

int main(void)
{
    image file;
    walk w = {0};

    close_range(3, ~0u, 0);
    out_start();
    file = map_file();
    start_library();
    sandbox_enter(file.size);
    check_length(&file);
    w.file_size = file.size;
    walk_file(&w, open_image(&file));
    out_end();
    _exit(0); /* without libhdf5's own end, where it is known to crash */
}
