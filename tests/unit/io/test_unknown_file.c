/* test_unknown_file.c - how unknown photos are told, in a model file: back with its bits, or refused */
#include "io/io.h"
#include "test.h"

#include <math.h>
#include <string.h>

enum { D = 4, CLASSES = 2, AXES = 2 };

/* A net whose pooling is measured, the numbers any. */
static tmb_model *measured_net(void)
{
    tmb_model *net;

    assert_ok(tmb_model_new(&net, 6, 6, 3));
    tmb_conv2d(net, .filters = D, .kernel = {3, 3});
    tmb_model_add_global_avgpool2d(net, &(tmb_plain_opts){.name = "pool \"1\""});
    tmb_dense(net, .units = 1, .activation = TMB_SIGMOID);
    assert_ok(tmb_model_check(net));
    assert_ok(tmb__unknown_alloc(&net->unknown, D, CLASSES, AXES));
    for (int i = 0; i < 2 * D + CLASSES * D + D * AXES + CLASSES * AXES + AXES + 1; i++)
        net->unknown->values[i] = 0.1f + (float)i;
    net->unknown->layer = 3;
    return net;
}

TEST(unknown_file_round_trip)
{
    const float x[D] = {1, -2, 3, 0.5f};
    tmb_model *net = measured_net(), *back;

    assert_ok(tmb_model_save(net, test_temp("a.thimble")));
    assert_ok(tmb_model_open(&back, test_temp("a.thimble")));
    assert_int_equal(back->unknown->layer, 3);
    assert_int_equal(back->unknown->d, D);
    assert_int_equal(back->unknown->classes, CLASSES);
    assert_int_equal(back->unknown->axes, AXES);
    for (int i = 0; i < TMB__UNKNOWN_ARRAYS; i++) {
        const char *name;
        const tmb__array a = tmb__unknown_array(net->unknown, i, &name);
        const tmb__array b = tmb__unknown_array(back->unknown, i, &name);

        assert_memory_equal(a.data, b.data, (size_t)tmb__shape_count(&a.shape) * sizeof(float));
    }
    assert_true(tmb__unknown_distance(net->unknown, x) == tmb__unknown_distance(back->unknown, x));
    tmb_model_free(net);
    tmb_model_free(back);
}

/* A net that was cut above the measured layer, or goes on behind its end, is another one. */
TEST(unknown_file_of_a_changed_net)
{
    tmb_model *net = measured_net(), *back;

    assert_ok(tmb__model_cut(net, 4));
    assert_non_null(net->unknown);
    assert_ok(tmb__model_cut(net, 3)); /* its output now */
    assert_null(net->unknown);
    tmb_model_free(net);
    net = measured_net();
    tmb_dense(net, .units = 3);
    assert_null(net->unknown);
    assert_ok(tmb_model_save(net, test_temp("a.thimble")));
    assert_ok(tmb_model_open(&back, test_temp("a.thimble")));
    assert_null(back->unknown);
    tmb_model_free(net);
    tmb_model_free(back);
}

/* ---- what a file may not hold ---- */

/* The file with `from` in its JSON replaced, and the tensor `name` by `array` (NULL: left out). */
static int open_changed(const char *from, const char *to, const char *name, const tmb__array *array)
{
    tmb_model *net = measured_net(), *back = NULL;
    tmb__pack pack, changed = {0};
    tmb__strbuf json = {0};
    const char *at;
    int status;

    assert_ok(tmb_model_save(net, test_temp("a.thimble")));
    assert_ok(tmb__pack_read(&pack, test_temp("a.thimble")));
    at = strstr(pack.json, from);
    assert_non_null(at);
    tmb__strbuf_bytes(&json, pack.json, (size_t)(at - pack.json));
    tmb__strbuf_add(&json, "%s%s", to, at + strlen(from));
    changed.json = json.text;
    for (int64_t i = 0; i < pack.tensors.n; i++) {
        const tmb__named *item = &pack.tensors.items[i];
        const bool match = strcmp(item->name, name) == 0;

        if (match && !array) continue;
        assert_ok(tmb__tensors_add(&changed.tensors, item->name, match ? array : &item->array));
    }
    assert_ok(tmb__tensors_index(&changed.tensors, "b"));
    status = tmb__model_from_pack(&back, NULL, &changed, "b");
    tmb_model_free(back);
    tmb__pack_free(&changed);
    tmb__pack_free(&pack);
    tmb_model_free(net);
    return status;
}

#define REFUSED(from, to, name, array, message)                                                    \
    do {                                                                                           \
        assert_status(open_changed(from, to, name, array), TMB_EMODEL);                            \
        assert_message(message);                                                                   \
    } while (0)

TEST(unknown_file_refuses_what_does_not_fit)
{
    float values[2 * D * CLASSES] = {1, 1, 1, 1};
    const tmb__array three = {TMB__F32, {1, {3}}, values}, four = {TMB__F32, {1, {4}}, values};
    const tmb__array ints = {TMB__I32, {1, {D}}, values};
    const tmb__array wide = {TMB__F32, {2, {CLASSES, 2 * D}}, values};
    const char *const part = "\"unknown\":{\"layer\":\"pool \\\"1\\\"\"}";

    assert_ok(open_changed("\"thimble\"", "\"thimble\"", "unknown/mean", &four));
    REFUSED(part, "\"x\":1", "", NULL, "nothing asks for the tensor \"unknown/mean\"");
    REFUSED(part, "\"unknown\":{}", "", NULL, "names no layer");
    REFUSED(part, "\"unknown\":7", "", NULL, "names no layer");
    REFUSED(part, "\"unknown\":{\"layer\":\"dense\"}", "", NULL, "names no layer");
    REFUSED(part, "\"unknown\":{\"layer\":\"input_layer\"}", "", NULL, "names no layer");
    REFUSED(part, "\"unknown\":{\"layer\":\"other\"}", "", NULL, "\"other\"");
    REFUSED(part, "\"unknown\":{\"layer\":\"conv2d\"}", "", NULL, "expected float32 (64,)");
    REFUSED("\"", "\"", "unknown/mean", NULL, "\"unknown/mean\" is not there");
    REFUSED("\"", "\"", "unknown/mean", &three, "is float32 (3,), expected float32 (4,)");
    REFUSED("\"", "\"", "unknown/mean", &ints, "is int32");
    REFUSED("\"", "\"", "unknown/centre", &wide, "expected float32 (2, 4)");
    REFUSED("\"", "\"", "unknown/weight", NULL, "0 to 4 directions");
    REFUSED("\"", "\"", "unknown/weight", &four, "expected float32 (4, 3)");
    values[1] = INFINITY;
    REFUSED("\"", "\"", "unknown/scale", &four, "not finite");
}
