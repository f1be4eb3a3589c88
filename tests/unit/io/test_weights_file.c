/* test_weights_file.c - weights to .npz and .h5, and from .npz and .thimble */
#include "counted.h"
#include "io/io.h"
#include "test.h"

#include <math.h>
#include <string.h>

static tmb_model *net_of(int units, uint64_t seed)
{
    tmb_model *net;

    assert_ok(tmb_model_new(&net, 5, 5, 1));
    tmb_depthwise_conv2d(net, .kernel = {3, 3}, .multiplier = 2);
    tmb_batchnorm(net, 0);
    tmb_flatten(net);
    tmb_dense(net, .units = units);
    assert_ok(tmb_model_init(net, seed));
    return net;
}

TEST(weights_file_npz_and_thimble)
{
    tmb_model *a = net_of(2, 1), *b = net_of(2, 2);
    const size_t bytes = (size_t)a->n_weights * sizeof *a->weights;

    assert_ok(tmb_model_save_weights(a, test_temp("a.npz")));
    assert_ok(tmb_model_load_weights(b, test_temp("a.npz")));
    assert_memory_equal(a->weights, b->weights, bytes);
    assert_ok(tmb_model_init(b, 2));
    assert_ok(tmb_model_save(a, test_temp("a.thimble")));
    assert_ok(tmb_model_load_weights(b, test_temp("a.thimble")));
    assert_memory_equal(a->weights, b->weights, bytes);
    tmb_model_free(a);
    tmb_model_free(b);
}

TEST(weights_file_of_another_net_changes_nothing)
{
    tmb_model *a = net_of(2, 1), *b = net_of(3, 2), *c = net_of(3, 2);

    assert_ok(tmb_model_save_weights(a, test_temp("a.npz")));
    assert_status(tmb_model_load_weights(b, test_temp("a.npz")), TMB_EMODEL);
    assert_message("a.npz: tensor \"dense/kernel\" is (18, 2), expected (18, 3)");
    assert_memory_equal(b->weights, c->weights, (size_t)b->n_weights * sizeof *b->weights);
    tmb_dense(c, .units = 1);
    assert_ok(tmb_model_save_weights(c, test_temp("c.npz")));
    assert_status(tmb_model_load_weights(b, test_temp("c.npz")), TMB_EMODEL);
    assert_message("c.npz: tensor \"dense_1/kernel\" belongs to no layer of the net");
    assert_ok(tmb_model_save_weights(b, test_temp("b.npz")));
    assert_status(tmb_model_load_weights(c, test_temp("b.npz")), TMB_EMODEL);
    assert_message("b.npz: tensor \"dense_1/kernel\" is missing, expected (3, 1)");
    tmb_model_free(a);
    tmb_model_free(b);
    tmb_model_free(c);
}

TEST(weights_file_loaded_weights_drop_the_stored_pairs)
{
    tmb_model *a = net_of(2, 1), *b = net_of(2, 2);

    assert_ok(tmb_model_save(a, test_temp("a.thimble")));
    tmb_model_free(a);
    assert_ok(tmb_model_open(&a, test_temp("a.thimble")));
    assert_int_equal(a->n_golden, 4);
    assert_ok(tmb_model_save_weights(b, test_temp("b.npz")));
    assert_ok(tmb_model_load_weights(a, test_temp("b.npz")));
    assert_int_equal(a->n_golden, 0);
    tmb_model_free(a);
    tmb_model_free(b);
}

TEST(weights_file_h5)
{
    tmb_model *a = net_of(2, 1);
    tmb__bytes file;
    int status = tmb_model_save_weights(a, test_temp("a.h5"));

    if (status == TMB_EUNSUPPORTED) SKIP("built without HDF5");
    assert_ok(status);
    assert_ok(tmb__file_read(&file, test_temp("a.h5"), 1 << 24, TMB_EDATA));
    assert_memory_equal(file.data, "\x89HDF", 4);
    tmb__free(file.data);
    a->weights[3] = NAN;
    assert_status(tmb_model_save_weights(a, test_temp("a.h5")), TMB_EDIVERGED);
    tmb_model_free(a);
}

TEST(weights_file_endings)
{
    tmb_model *a = net_of(2, 1);

    assert_status(tmb_model_save_weights(a, test_temp("a.txt")), TMB_EINVAL);
    assert_message("expected .h5, .npz or .safetensors");
    assert_status(tmb_model_load_weights(a, test_temp("a.txt")), TMB_EINVAL);
    assert_message(
            "weights are read from .thimble, .npz, .safetensors, .h5, .keras and .weights.json");
    assert_status(tmb_model_load_weights(a, test_temp("none.npz")), TMB_EMODEL);
    assert_status(tmb_model_load_weights(NULL, "a.npz"), TMB_EINVAL);
    assert_status(tmb_model_save_weights(NULL, "a.npz"), TMB_EINVAL);
    tmb_model_free(a);
}

/* ---- .safetensors, and files of several parts ---- */

/* The net of tests/golden/containers. */
static tmb_model *tiny(uint64_t seed)
{
    tmb_model *net;

    assert_ok(tmb_model_new(&net, 8, 8, 3));
    tmb_conv2d(net, .filters = 4, .kernel = {3, 3}, .name = "conv_a");
    tmb_maxpool2d(net, 0);
    tmb_flatten(net);
    tmb_dense(net, .units = 5, .name = "dense_b");
    assert_ok(tmb_model_init(net, seed));
    return net;
}

static void require_counted_weights(const tmb_model *net)
{
    tmb__tensors list = {0};

    assert_ok(tmb__weights_to_tensors(&list, net, ""));
    assert_int_equal(list.n, 4);
    for (int64_t i = 0; i < list.n; i++)
        require_counted(&list.items[i]);
    tmb__tensors_free(&list);
}

TEST(weights_file_safetensors_of_the_package)
{
    tmb_model *a = tiny(1), *b = tiny(2);

    assert_ok(tmb_model_load_weights(a, test_golden("containers/net.safetensors")));
    require_counted_weights(a);
    assert_ok(tmb_model_save_weights(a, test_temp("a.safetensors")));
    assert_ok(tmb_model_load_weights(b, test_temp("a.safetensors")));
    require_counted_weights(b);
    tmb_model_free(a);
    tmb_model_free(b);
}

/* Their layers are in two files; Keras wrote them. */
TEST(weights_file_keras_shards)
{
    const char *path = test_golden("containers/shards.weights.json");
    tmb_model *net = tiny(1);
    tmb__tensors list;
    int status = tmb_model_load_weights(net, path);

    if (status == TMB_EUNSUPPORTED) SKIP("built without HDF5");
    assert_ok(status);
    require_counted_weights(net);
    assert_ok(tmb__tensors_read(&list, path));
    assert_int_equal(list.n, 4);
    assert_non_null(tmb__tensors_find(&list, "layers/dense/vars/0"));
    tmb__tensors_free(&list);
    tmb_model_free(net);
}

static void refused_index(const char *text, const char *message)
{
    tmb__tensors list;

    test_write(test_temp("a.weights.json"), text, strlen(text));
    assert_status(tmb__tensors_read(&list, test_temp("a.weights.json")), TMB_EMODEL);
    assert_message(message);
    assert_int_equal(list.n, 0);
}

TEST(weights_file_keras_shards_refused)
{
    static const char twice[] = "{\"weight_map\": {\"/a\": [\"x.h5\", \"y.h5\"]}}";
    tmb__bytes shard;
    tmb__tensors list;
    int status;

    refused_index("{\"weight_map\": {\"/a\": \"../../etc/passwd\"}}",
            "weight_map names \"../../etc/passwd\", expected a file beside it");
    refused_index("{\"weight_map\": {\"/a\": [3]}}", "weight_map names \"?\"");
    refused_index("{\"weight_map\": {\"/a\": \"..\"}}", "a folder, expected a regular file");
    refused_index("{\"weight_map\": {\"/a\": \"none.h5\"}}", "none.h5: cannot open it");
    refused_index("{\"weight_map\": {}}", "its weight_map names no file");
    refused_index("{\"weights\": 1}", "its weight_map names no file");
    refused_index("{", "not valid JSON");
    assert_ok(tmb__file_read(
            &shard, test_golden("containers/shards_00001.weights.h5"), 1 << 20, TMB_EDATA));
    test_write(test_temp("x.h5"), shard.data, shard.size);
    test_write(test_temp("y.h5"), shard.data, shard.size);
    tmb__free(shard.data);
    test_write(test_temp("a.weights.json"), twice, sizeof twice - 1);
    status = tmb__tensors_read(&list, test_temp("a.weights.json"));
    if (status == TMB_EUNSUPPORTED) SKIP("built without HDF5");
    assert_int_equal(status, TMB_EMODEL);
    assert_message("the tensor \"layers/dense/vars/0\" is there twice");
}

TEST(weights_file_keras_shards_failing_allocations)
{
    tmb__tensors list;

    for (int64_t n = 0;; n++) {
        int status;

        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb__tensors_read(&list, test_golden("containers/shards.weights.json"));
        if (!test_fail_end()) break;
        if (status == TMB_EUNSUPPORTED) SKIP("built without HDF5");
        assert_int_equal(status, TMB_ENOMEM);
    }
    tmb__tensors_free(&list);
}

/* ---- from one container to another ---- */

static void require_same_tensors(const char *path, const char *other, int n)
{
    tmb__tensors a, b;

    assert_ok(tmb__tensors_read(&a, path));
    assert_ok(tmb__tensors_read(&b, other));
    assert_int_equal(a.n, n);
    assert_int_equal(b.n, n);
    for (int64_t i = 0; i < a.n; i++) {
        const tmb__array *x = &a.items[i].array, *y = tmb__tensors_find(&b, a.items[i].name);

        assert_non_null(y);
        assert_int_equal(x->dtype, y->dtype);
        assert_true(tmb__shape_equal(&x->shape, &y->shape));
        assert_memory_equal(
                x->data, y->data, (size_t)tmb__shape_count(&x->shape) * tmb__dtype_size(x->dtype));
    }
    tmb__tensors_free(&a);
    tmb__tensors_free(&b);
}

TEST(weights_file_convert_keeps_names_and_bits)
{
    const char *plain = test_golden("containers/plain.safetensors");
    const char *h5 = test_golden("keras/legacy.h5");
    int status;

    assert_ok(tmb_tensors_convert(plain, test_temp("a.npz")));
    require_same_tensors(plain, test_temp("a.npz"), 14);
    assert_ok(tmb_tensors_convert(test_golden("containers/v1.npy"), test_temp("b.safetensors")));
    require_same_tensors(test_golden("containers/v1.npy"), test_temp("b.safetensors"), 1);
    assert_status(tmb_tensors_convert(plain, test_temp("a.h5")), TMB_EINVAL);
    assert_message("tensors without a net are written as .npz or .safetensors");
    assert_status(tmb_tensors_convert(plain, NULL), TMB_EINVAL);
    assert_status(
            tmb_tensors_convert(test_golden("containers/all.safetensors"), test_temp("c.npz")),
            TMB_EINVAL);
    assert_message("NumPy has no type for bfloat16");
    status = tmb_tensors_convert(h5, test_temp("d.safetensors"));
    if (status == TMB_EUNSUPPORTED) SKIP("built without HDF5");
    assert_ok(status);
    require_same_tensors(h5, test_temp("d.safetensors"), 10);
}
