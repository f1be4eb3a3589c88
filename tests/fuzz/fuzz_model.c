/* fuzz_model.c - any JSON as a model: the graph alone, and a whole model file around it
 *
 * A net that is taken gives JSON that gives the same JSON again. In the file the input up to its first
 * NUL is "meta"; the bytes after it are the weights of the layers that the text names "conv", "bn" and
 * "dense", so that some nets are complete; with a member "unknown" so are the tensors of one that measures
 * "bn"'s pooled output. A model that is taken is saved and opened again. */
#include "fuzz_frame.h"
#include "io/io.h"

#include <stdio.h>
#include <unistd.h>

enum { WEIGHTS = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_graph(const char *json)
{
    tmb_model *a, *b;
    char *text, *again;

    if (tmb__graph_from_json(&a, json, WEIGHTS, "fuzz") < 0) {
        require(tmb_errmsg()[0] != '\0' && a == NULL);
        return;
    }
    require(tmb__graph_to_json(&text, a) == 0);
    require(tmb__graph_from_json(&b, text, WEIGHTS, "again") == 0);
    require(tmb__graph_to_json(&again, b) == 0);
    require(strcmp(text, again) == 0);
    tmb__free(text);
    tmb__free(again);
    tmb_model_free(a);
    tmb_model_free(b);
}

/* The weights that the seeds' nets need, cut from one block of finite numbers. */
static void add_weights(tmb__tensors *list, float values[WEIGHTS], bool unknown)
{
    static const struct {
        const char *name;
        int rank;
        int64_t dim[4];
    } weights[] = {
            {"weight/conv/kernel", 4, {3, 3, 3, 2}},
            {"weight/conv/bias", 1, {2}},
            {"weight/bn/gamma", 1, {2}},
            {"weight/bn/beta", 1, {2}},
            {"weight/bn/moving_mean", 1, {2}},
            {"weight/bn/moving_variance", 1, {2}},
            {"weight/dense/kernel", 2, {2, 3}},
            {"weight/dense/bias", 1, {3}},
            {"unknown/mean", 1, {2}},
            {"unknown/scale", 1, {2}},
            {"unknown/centre", 2, {3, 2}},
            {"unknown/axis", 2, {2, 1}},
            {"unknown/along", 2, {3, 1}},
            {"unknown/weight", 1, {2}},
    };

    for (size_t i = 0; i < TMB_COUNT(weights) - (unknown ? 0 : 6); i++) {
        const tmb__array array = {TMB__F32, tmb__shape_of(weights[i].rank, weights[i].dim), values};

        require(tmb__tensors_add(list, weights[i].name, &array) == 0);
    }
    require(tmb__tensors_index(list, "fuzz") == 0);
}

static void try_model(const char *json, const uint8_t *data, size_t n_data)
{
    static float values[WEIGHTS];
    tmb__pack pack = {.json = tmb__strdup(json)};
    tmb_model *a, *b;
    char path[64];

    for (size_t i = 0; i < WEIGHTS; i++)
        values[i] = i < n_data ? (float)data[i] / 64 - 2 : 0.5f;
    add_weights(&pack.tensors, values, strstr(json, "\"unknown\""));
    if (tmb__model_from_pack(&a, NULL, &pack, "fuzz") < 0) {
        require(tmb_errmsg()[0] != '\0' && a == NULL);
        tmb__pack_free(&pack);
        return;
    }
    snprintf(path, sizeof path, "/tmp/fuzz_model.%ld.thimble", (long)getpid());
    require(tmb__model_write(a, path, NULL, false) == 0);
    require(tmb_model_open(&b, path) == 0);
    require(a->n_weights == b->n_weights && a->n_classes == b->n_classes);
    require(!a->unknown == !b->unknown);
    require(memcmp(a->weights, b->weights, (size_t)a->n_weights * sizeof *a->weights) == 0);
    unlink(path);
    tmb_model_free(a);
    tmb_model_free(b);
    tmb__pack_free(&pack);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t end = json_end(data, size);
    char *json = malloc(end + 1);

    require(json != NULL);
    if (end) memcpy(json, data, end);
    json[end] = '\0';
    try_graph(json);
    try_model(json, end < size ? data + end + 1 : NULL, end < size ? size - end - 1 : 0);
    free(json);
    return 0;
}
