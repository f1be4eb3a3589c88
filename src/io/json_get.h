/* json_get.h - values out of JSON that a stranger wrote; shared by the files of io */
#ifndef THIMBLE_IO_JSON_GET_H
#define THIMBLE_IO_JSON_GET_H

#include "data/data.h"
#include "io/io.h"

#include <jansson.h>

/* False, and *out as it was, if the value is not what is asked for. */
bool tmb__json_int(const json_t *json, int *out);
bool tmb__json_bool(const json_t *json, bool *out);
bool tmb__json_float(const json_t *json, float *out); /* finite as a float */
/* An array of exactly n of them. */
bool tmb__json_ints(const json_t *json, int *out, size_t n);
bool tmb__json_floats(const json_t *json, float *out, size_t n);
/* The number of a string among n names. */
bool tmb__json_choice(const json_t *json, const char *const *names, size_t n, int *out);

/* The failure just set, said of a file: TMB_EMODEL with "<what>: " before it. ENOMEM stays. */
int tmb__refuse(int status, const char *what);

/* ---- parts of a model's JSON (graph_json.c, model_meta.c) ---- */

/* A net; `most` bounds its weights, which stay 0: the file has them. */
int tmb__graph_load(tmb_model **out, const json_t *json, int64_t most, const char *what);
int tmb__graph_text(tmb__strbuf *sb, const tmb_model *model);
/* A layer's options, each after a comma, but those named in `without` (ended by NULL; may be NULL). */
void tmb__layer_options(tmb__strbuf *sb, const tmb__layer *layer, const char *const *without);
const char *tmb__init_name(tmb_init init);
/* "classes", "preprocess" and "record" members, each after a comma; and back from the object. */
int tmb__meta_text(tmb__strbuf *sb, const tmb_model *model);
int tmb__meta_load(
        tmb_model *model, const json_t *meta, const tmb__tensors *tensors, const char *what);

/* ---- statistics of "preprocess" (statistics_file.c) ---- */

/* The member "statistics" after a comma, the tensors "preprocess/mean", "std" and "whitening" that go
 * with it, and both back: NULL without the member, and then no such tensors are there either. Files
 * of others have no place for them (tensors NULL). */
void tmb__statistics_text(tmb__strbuf *sb, const tmb_statistics *statistics);
int tmb__statistics_tensors(tmb__tensors *list, const tmb_statistics *statistics);
int tmb__statistics_load(
        tmb_statistics **out, const json_t *json, const tmb__tensors *tensors, const char *what);

/* ---- how unknown photos are told (unknown_file.c) ---- */

/* The member "unknown" after a comma, the tensors "unknown/mean", ... that go with it, and both back: no
 * such tensors without the member. */
void tmb__unknown_text(tmb__strbuf *sb, const tmb_model *model);
int tmb__unknown_tensors(tmb__tensors *list, const tmb_unknown *unknown);
int tmb__unknown_load(
        tmb_model *model, const json_t *json, const tmb__tensors *tensors, const char *what);

/* ---- stored pairs of inputs and outputs (replay_pairs.c) ---- */

/* Make new pairs for the model's weights. */
int tmb__pairs_make(tmb_model *model, uint8_t **pixels, float **outputs);
int tmb__pairs_load(tmb_model *model, const tmb__tensors *tensors, const char *what);
/* Shapes of the stored tensors: (4, h, w, c) and (4, ...). */
tmb__shape tmb__pairs_shape(const tmb__shape *sample);

#endif
