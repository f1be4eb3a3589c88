/* h5_program.h - shared by the files of thimble-h5 */
#ifndef THIMBLE_H5_PROGRAM_H
#define THIMBLE_H5_PROGRAM_H

#include "h5/h5.h"

#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the stream (h5_out.c); a write that fails ends the program ---- */

void out_start(void);
void out_u32(uint32_t value);
void out_u64(uint64_t value);
void out_bytes(const void *bytes, size_t n);
void out_text(const char *text, size_t n);
void out_record(uint32_t kind, uint64_t body); /* the head of a record; its body comes next */
void out_end(void);
/* One sentence of at most 512 bytes, and the end of the program. */
_Noreturn void out_refuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- limits and the sandbox (h5_sandbox.c) ---- */

/* From here on there is no file system, no network and no other program, and memory and time are
 * bounded by what a file of `size` bytes may need. */
void sandbox_enter(uint64_t size);

/* ---- the file (h5_walk.c, h5_dataset.c, h5_attribute.c) ---- */

/* What is known while a file is walked. */
typedef struct walk {
    uint64_t file_size;
    char path[TMB_H5_PATH_LIMIT + 1]; /* of the object being read, without the first '/' */
    size_t path_len;
    int depth;
    int64_t n_links, n_tensors;
    uint64_t bytes, text_bytes; /* sent so far */
    haddr_t *groups;            /* addresses of the groups read, an open hash table */
    size_t cap_groups, n_groups;
    hid_t links; /* link access: nothing but hard links */
} walk;

void walk_file(walk *w, hid_t file);
void send_dataset(walk *w, hid_t dataset);
void send_attributes(walk *w, hid_t object);
/* The scalar or fixed string attribute `dtype` of a dataset is this. */
bool attribute_is(hid_t object, const char *name, const char *value);

#endif
