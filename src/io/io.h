/* io.h - door of io: models in files; which tensor is which layer's weight */
#ifndef THIMBLE_IO_IO_H
#define THIMBLE_IO_IO_H

#include "format/format.h"
#include "nn/nn.h"
#include <thimble/weights.h>

/* What a checkpoint holds beside the model: tensors under "state/" and JSON text on where training
 * stands. Both may be empty. */
typedef struct tmb__extra {
    char *json;           /* owned by whoever filled it */
    tmb__tensors tensors; /* names without the "state/" */
} tmb__extra;
void tmb__extra_free(tmb__extra *extra);

/* Write the model (and `extra`, may be NULL) as one pack; read it back. `goldens`: compute the stored
 * input/output pairs now (a checkpoint goes without). */
int tmb__model_write(tmb_model *model, const char *path, const tmb__extra *extra, bool goldens);
int tmb__model_read(tmb_model **out, tmb__extra *extra, const char *path);
/* As read, from a pack; `extra` (may be NULL) takes over the pack's backing. */
int tmb__model_from_pack(tmb_model **out, tmb__extra *extra, tmb__pack *pack, const char *what);

/* The graph as JSON text (owned by caller: tmb__free); and a new net from it, if that has at most `most`
 * weights: a few bytes of text can ask for any number. */
int tmb__graph_to_json(char **out, const tmb_model *model);
int tmb__graph_from_json(tmb_model **out, const char *json, int64_t most, const char *what);

/* Copy tensors "<prefix><layer>/<weight>" into the model: all there, shapes equal, values finite, and no
 * others with that prefix. Nothing is changed if one of them is refused. */
int tmb__weights_from_tensors(
        tmb_model *model, const tmb__tensors *tensors, const char *prefix, const char *what);
/* Weights were replaced: what was made for the old ones is dropped. */
void tmb__weights_changed(tmb_model *model);
/* As tmb__count_nonfinite, for any type of number. */
int64_t tmb__array_nonfinite(const tmb__array *array, int64_t *first);
/* Slashes at the end of `text`, as a shell adds them to folders, do not count. */
bool tmb__ends_with(const char *text, const char *ending);
/* Why a weight has another shape than is expected, and what may help (keras_match.c). */
const char *tmb__likely_cause(const tmb__shape *found, const tmb__shape *expected);

/* All tensors of a weights file of any kind, as tmb_tensors_visit knows them (tensor_list.c). */
int tmb__tensors_read(tmb__tensors *out, const char *path);

/* ---- Keras' files (keras_load.c) ---- */

/* What is in a .h5, a .keras or a .weights.json; and its weights into the model, `report` filled. */
int tmb__keras_read(tmb__h5_file *out, const char *path);
bool tmb__keras_takes(const char *path); /* by its ending */
/* Log which of Keras' layouts it has; one of none is fine, too (keras_layout.c). */
int tmb__keras_describe(const tmb__h5_file *h5, const char *what);
/* A .weights.json and the files it names (keras_shards.c). */
int tmb__keras_shards(tmb__h5_file *out, const char *path);
int tmb__keras_load(
        tmb_model *model, const char *path, const tmb_load_opts *opts, tmb_load_report *report);
/* From a file that was read, with the places of the net's layers (keras_h5.h) or NULL. */
struct tmb__keras_place;
int tmb__keras_load_from(tmb_model *model, const tmb__h5_file *h5, const char *what,
        const struct tmb__keras_place *places, const tmb_load_opts *opts, tmb_load_report *report);

/* TMB_EDIVERGED if a weight is not finite: what no reader would take is not written. */
int tmb__weights_finite(const tmb_model *model);
/* The other way; the list borrows the model's arena. TMB_EDIVERGED if a weight is not finite. */
int tmb__weights_to_tensors(tmb__tensors *list, const tmb_model *model, const char *prefix);

#endif
