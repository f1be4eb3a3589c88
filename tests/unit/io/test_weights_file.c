/* test_weights_file.c - weights to .npz and .h5, and from .npz and .thimble */
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
    assert_message("expected .h5 or .npz");
    assert_status(tmb_model_load_weights(a, test_temp("a.txt")), TMB_EINVAL);
    assert_message("weights are read from .thimble, .npz, .h5 and .keras");
    assert_status(tmb_model_load_weights(a, test_temp("none.npz")), TMB_EMODEL);
    assert_status(tmb_model_load_weights(NULL, "a.npz"), TMB_EINVAL);
    assert_status(tmb_model_save_weights(NULL, "a.npz"), TMB_EINVAL);
    tmb_model_free(a);
}
