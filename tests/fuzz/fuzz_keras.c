/* fuzz_keras.c - any JSON as a Keras config, and any stream of thimble-h5 as the weights of the net it gives
 *
 * The input up to its first NUL is the config, what follows is the stream; a net that is made takes the
 * weights or is as it was, and gives JSON of its own that gives the same net. */
#include "fuzz_frame.h"
#include "io/keras_config.h"

enum { WEIGHTS = 4096, STREAM = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct memory {
    const uint8_t *bytes;
    size_t size;
} memory;

static int read_memory(void *user, void *dst, size_t n)
{
    memory *m = user;

    if (n > m->size) return 1;
    if (n) memcpy(dst, m->bytes, n);
    m->bytes += n;
    m->size -= n;
    return 0;
}

static int make_net(tmb_model **out, tmb__keras_graph *graph, const char *text, size_t size)
{
    json_t *config = NULL;
    int status = tmb__json_parse(&config, text, size, "fuzz");

    *out = NULL;
    *graph = (tmb__keras_graph){0};
    if (status == 0) status = tmb__keras_flatten(graph, config, "fuzz");
    if (status == 0) status = tmb__graph_load(out, graph->graph, WEIGHTS, "fuzz");
    json_decref(config);
    require(status == 0 || tmb_errmsg()[0] != '\0');
    return status;
}

static void check_graph(tmb_model *net)
{
    tmb_model *again;
    char *text;

    require(tmb__graph_to_json(&text, net) == 0);
    require(tmb__graph_from_json(&again, text, WEIGHTS, "again") == 0);
    require(again->n_weights == net->n_weights && again->n_layers == net->n_layers);
    tmb__free(text);
    tmb_model_free(again);
}

static void load(tmb_model *net, const tmb__keras_place *places, const tmb__h5_file *h5)
{
    const size_t bytes = (size_t)net->n_weights * sizeof *net->weights;
    float *before = malloc(bytes + 1);

    require(before != NULL);
    if (bytes) memcpy(before, net->weights, bytes);
    for (int by_name = 0; by_name < 2; by_name++) {
        const tmb_load_opts opts = {.by_name = by_name};
        tmb_load_report report = {0};

        if (tmb__keras_load_from(net, h5, "fuzz", places, &opts, &report) == 0) {
            require(report.loaded > 0);
            break;
        }
        require(tmb_errmsg()[0] != '\0');
        require(bytes == 0 || memcmp(before, net->weights, bytes) == 0);
    }
    free(before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t end = json_end(data, size);
    memory m = {data + TMB_MIN(end + 1, size), end < size ? size - end - 1 : 0};
    tmb__h5_source source = {.read = read_memory, .user = &m};
    tmb__keras_graph graph;
    tmb__h5_file h5 = {0};
    tmb_model *net;

    if (make_net(&net, &graph, (const char *)data, end) == 0) {
        check_graph(net);
        if (m.size && tmb__h5_stream(&h5, &source, STREAM, "fuzz") == 0) {
            require(tmb__keras_describe(&h5, "fuzz") == 0);
            load(net, graph.places, &h5);
        }
    }
    tmb_model_free(net);
    tmb__h5_file_free(&h5);
    tmb__keras_graph_free(&graph);
    return 0;
}
