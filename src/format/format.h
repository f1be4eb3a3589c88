/* format.h - door of format: bytes <-> named tensors; knows no layer
 *
 * Readers take hostile files: every size is checked against the bytes there before memory is taken. */
#ifndef THIMBLE_FORMAT_FORMAT_H
#define THIMBLE_FORMAT_FORMAT_H

#include "tensor/tensor.h"

/* A list of named tensors. The arrays' data are owned by the list if `owns` is set. */
typedef struct tmb__named {
    char *name;
    tmb__array array;
} tmb__named;
typedef struct tmb__tensors {
    tmb__named *items;
    int64_t n, cap;
    bool owns;
    void *backing; /* file content that the arrays point into, freed with the list; may be NULL */
    const tmb__named **sorted; /* index by name, good while n_sorted == n */
    int64_t n_sorted;
} tmb__tensors;
/* Append a tensor; the name is copied, the data borrowed. */
int tmb__tensors_add(tmb__tensors *list, const char *name, const tmb__array *array);
const tmb__array *tmb__tensors_find(
        const tmb__tensors *list, const char *name); /* NULL: not there */
/* Sort the index by name, which makes finding fast; TMB_EMODEL if a name is there twice. */
int tmb__tensors_index(tmb__tensors *list, const char *what);
void tmb__tensors_free(tmb__tensors *list);

/* What a file seems to be by its first bytes, "an HTML page, ..."; NULL if it cannot be told. */
const char *tmb__file_kind(const uint8_t *bytes, size_t size);
/* TMB_EMODEL "not a .npy array, it looks like ..." if that is plainly none; `own` begins the kind that is
 * wanted, "a NumPy". */
int tmb__check_kind(const tmb__bytes *file, const char *wanted, const char *own, const char *what);

/* ---- JSON (json_text.c): jansson's values, for those who include <jansson.h> ---- */

struct json_t;
/* Strict: at most 16 MiB, 64 levels and 2 Mi values, no key twice. `out` is freed by json_decref. */
int tmb__json_parse(struct json_t **out, const char *text, size_t size, const char *what);
/* Append a value as compact text; or a string in quotes (TMB_EINVAL if it is not UTF-8). */
int tmb__json_text(tmb__strbuf *sb, const struct json_t *json);
int tmb__json_quote(tmb__strbuf *sb, const char *text);
/* False if it is no whole number from 0 to 8 GiB, or no list of at most 8 of them. */
bool tmb__json_size(const struct json_t *json, uint64_t *out);
bool tmb__json_shape(const struct json_t *json, tmb__shape *out);
/* A tensor's name that may stand in a message, a path or a table: 1 to 1024 bytes, none of control. */
bool tmb__name_fits(const char *name);

/* ---- NumPy (npy.c, npz.c) ---- */

/* One .npy: versions 1 to 3, either byte order, Fortran order turned; objects (pickles) refused. The
 * data are owned by caller: tmb__free. `what` names the file in messages. */
int tmb__npy_parse(tmb__array *out, const uint8_t *bytes, size_t size, const char *what);
int tmb__npy_read(tmb__array *out, const char *path);
int tmb__npy_write(const tmb__array *array, const char *path);
/* The bytes before the data of a .npy, appended to `sb`; TMB_EINVAL for bfloat16, which NumPy lacks. */
int tmb__npy_header(tmb__strbuf *sb, const tmb__array *array);
/* A zip of .npy files, stored or deflated; a name is the member's without ".npy". */
int tmb__npz_read(tmb__tensors *out, const char *path);
int tmb__npz_parse(tmb__tensors *out, const uint8_t *bytes, size_t size, const char *what);
int tmb__npz_write(const tmb__tensors *list, const char *path);

/* ---- safetensors (safetensors.c): Hugging Face's container, written as their package does ---- */

int tmb__safetensors_parse(tmb__tensors *out, const uint8_t *bytes, size_t size, const char *what);
int tmb__safetensors_read(tmb__tensors *out, const char *path);
int tmb__safetensors_write(const tmb__tensors *list, const char *path);

/* ---- pack (pack.c): Thimble's own container, docs/formats.md ---- */

/* Magic, version, JSON header, tensors at multiples of 64, trailer with length and SHA-256. */
typedef struct tmb__pack {
    char *json;           /* the header's "meta" part, NUL-terminated; owned */
    tmb__tensors tensors; /* owned */
} tmb__pack;
/* TMB_EMODEL says what is wrong; any one changed bit is found. */
int tmb__pack_read(tmb__pack *out, const char *path);
/* The tensors point into `bytes`, which must be aligned to 8 and outlive the pack. */
int tmb__pack_parse(tmb__pack *out, uint8_t *bytes, size_t size, const char *what);
/* `json` is an object; TMB_EINVAL if the reader would refuse what it or `tensors` ask for. */
int tmb__pack_write(const char *path, const char *json, const tmb__tensors *tensors);
void tmb__pack_free(tmb__pack *pack);

/* Members of a zip archive, by their exact names: stored or deflated, never encrypted, their sizes
 * checked before memory is taken. */
typedef struct tmb__zip_want {
    const char *name;
    size_t limit;     /* in bytes; 0: as large as its archive may be */
    bool optional;    /* bytes.data stays NULL if it is not there */
    tmb__bytes bytes; /* out; owned by caller: tmb__free; NULL after a failure */
} tmb__zip_want;
int tmb__zip_members(tmb__zip_want *wants, int n, const char *path);
int tmb__zip_member(tmb__bytes *out, const char *path, const char *member);

/* An archive of stored members, in their order (zip_write.c). */
typedef struct tmb__zip_entry {
    const char *name;
    tmb__bytes bytes; /* borrowed */
} tmb__zip_entry;
int tmb__zip_write(const char *path, const tmb__zip_entry *entries, int64_t n);

/* ---- HDF5 (h5_read.c, h5_stream.c): read by the program thimble-h5 ---- */

/* Strings, or one number, that a group or a dataset has; a list that Keras split is whole again. */
typedef struct tmb__h5_attribute {
    const char *place, *name; /* "model_weights/conv2d", "weight_names"; the root is "" */
    const char **strings;
    int64_t n_strings, number;
    bool is_number;
    char *block; /* the texts of all of the above; owned */
} tmb__h5_attribute;
typedef struct tmb__h5_file {
    tmb__tensors tensors; /* every dataset, named by its path without the first '/'; owned */
    tmb__h5_attribute *attributes; /* sorted by place, then name */
    int64_t n_attributes, cap_attributes;
} tmb__h5_file;
/* TMB_EMODEL says what is wrong with the file, or that reading it crashed or took too long;
 * TMB_EUNSUPPORTED: thimble-h5 is not there. */
int tmb__h5_read(tmb__h5_file *out, const char *path);
/* Messages call the file `what`. */
int tmb__h5_read_as(tmb__h5_file *out, const char *path, const char *what);
int tmb__h5_parse(tmb__h5_file *out, const uint8_t *bytes, size_t size, const char *what);
/* NULL: not there. */
const tmb__h5_attribute *tmb__h5_find(
        const tmb__h5_file *file, const char *place, const char *name);
/* Move all of `from`, which is left empty, into `out`. TMB_EMODEL if a tensor is in both. */
int tmb__h5_merge(tmb__h5_file *out, tmb__h5_file *from, const char *what);
void tmb__h5_file_free(tmb__h5_file *file);

/* Where the stream of thimble-h5 comes from. `read` fills all n bytes: 0; 1 if the stream ends before
 * them; or a status. */
typedef struct tmb__h5_source {
    int (*read)(void *user, void *dst, size_t n);
    void *user;
    bool cut;     /* out: it ended where it must not */
    bool refused; /* out: the program said why it refuses the file */
} tmb__h5_source;
/* Tensors of more than `most` bytes are refused before memory is taken for them. */
int tmb__h5_stream(tmb__h5_file *out, tmb__h5_source *source, uint64_t most, const char *what);

/* ---- HDF5 (h5_write.c): written by a module ---- */

/* What a file is to hold, in the order in which it is made; groups on the way to a tensor are made too. */
typedef struct tmb__h5_item {
    char *place;              /* path of a group or a dataset; "": the root */
    const char *name;         /* of an attribute there, static text; NULL: the place itself */
    const char *const *names; /* a list of n texts, borrowed */
    int64_t n;                /* -1: the one text `owned` */
    tmb__array array; /* float32 or int64, rank 0 a single number, borrowed; data NULL: a group */
    void *owned;
} tmb__h5_item;
typedef struct tmb__h5_list {
    tmb__h5_item *items;
    int64_t n, cap;
} tmb__h5_list;
int tmb__h5_add_group(tmb__h5_list *list, const char *place);
int tmb__h5_add_tensor(tmb__h5_list *list, const char *place, const tmb__array *array);
int tmb__h5_add_text(tmb__h5_list *list, const char *place, const char *name, const char *text);
int tmb__h5_add_names(tmb__h5_list *list, const char *place, const char *name,
        const char *const *names, int64_t n);
void tmb__h5_list_free(tmb__h5_list *list);
/* The whole file in memory, for `path`; and as that file. */
int tmb__h5_image(tmb__bytes *out, const tmb__h5_list *list, const char *path);
int tmb__h5_write(const char *path, const tmb__h5_list *list);

/* Keras' legacy layout. One layer's group: weight names as Keras spells them ("conv2d/kernel:0") and their
 * values. */
typedef struct tmb__h5_layer {
    const char *name;
    const char *const *weight_names;
    const tmb__array *weights;
    int n_weights;
} tmb__h5_layer;
/* The layers with all they need to be read, below `base`, "" or a group there is. */
int tmb__h5_add_layers(
        tmb__h5_list *list, const char *base, const tmb__h5_layer *layers, int n_layers);
int tmb__h5_write_weights(const char *path, const tmb__h5_layer *layers, int n_layers);

#endif
