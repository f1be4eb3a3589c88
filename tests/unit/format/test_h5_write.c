/* test_h5_write.c - Keras' legacy .h5: what is in the file, read back by libhdf5's own signatures
 *
 * Whether Keras itself reads it is checked by scripts/golden/check_h5_weights.py. */
#include "format/format.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static const float kernel[4] = {1, 2, 3, 4}, bias[2] = {5, 6};

static int write_small(const char *path)
{
    const tmb__array weights[] = {{TMB__F32, {2, {2, 2}}, (void *)(uintptr_t)kernel},
            {TMB__F32, {1, {2}}, (void *)(uintptr_t)bias}};
    static const char *const names[] = {"dense/kernel:0", "dense/bias:0"};
    const tmb__h5_layer layers[] = {{"flatten", NULL, NULL, 0}, {"dense", names, weights, 2}};

    return tmb__h5_write_weights(path, layers, 2);
}

/* True if `bytes` are anywhere in the file. */
static bool holds(const tmb__bytes *file, const void *bytes, size_t n)
{
    for (size_t i = 0; i + n <= file->size; i++) {
        if (memcmp(file->data + i, bytes, n) == 0) return true;
    }
    return false;
}

static tmb__bytes read_small(const char *path)
{
    tmb__bytes file;

    if (write_small(path) == TMB_EUNSUPPORTED) SKIP("built without HDF5");
    assert_ok(write_small(path));
    assert_ok(tmb__file_read(&file, path, 1 << 24, TMB_EDATA));
    return file;
}

TEST(h5_write_has_superblock_0_and_the_names)
{
    tmb__bytes file = read_small(test_temp("a.h5"));

    assert_memory_equal(file.data, "\x89HDF\r\n\x1a\n\0", 9);
    assert_true(holds(&file, "layer_names", 12));
    assert_true(holds(&file, "flatten\0dense\0\0", 14));
    assert_true(holds(&file, "weight_names", 13));
    assert_true(holds(&file, "dense/kernel:0dense/bias:0\0\0", 28));
    assert_true(holds(&file, "tensorflow", 10));
    assert_true(holds(&file, kernel, sizeof kernel));
    assert_true(holds(&file, bias, sizeof bias));
    tmb__free(file.data);
}

TEST(h5_write_same_weights_same_bytes)
{
    tmb__bytes a = read_small(test_temp("a.h5")), b = read_small(test_temp("b.h5"));

    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    tmb__free(a.data);
    tmb__free(b.data);
}

/* 2000 names of 60 bytes are more than an attribute may have: two, of 1000 each. */
TEST(h5_write_splits_long_lists)
{
    enum { N = 2000 };
    tmb__h5_layer *layers = tmb__calloc(N, sizeof *layers);
    char(*names)[61] = tmb__calloc(N, sizeof *names);
    tmb__bytes file;
    int status;

    assert_non_null(layers);
    assert_non_null(names);
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "layer_%054d", i);
        layers[i].name = names[i];
    }
    status = tmb__h5_write_weights(test_temp("a.h5"), layers, N);
    if (status == TMB_EUNSUPPORTED) SKIP("built without HDF5");
    assert_ok(status);
    assert_ok(tmb__file_read(&file, test_temp("a.h5"), 1 << 24, TMB_EDATA));
    assert_true(holds(&file, "layer_names0", 13));
    assert_true(holds(&file, "layer_names1", 13));
    assert_false(holds(&file, "layer_names2", 13));
    tmb__free(file.data);
    tmb__free(layers);
    tmb__free(names);
}

TEST(h5_write_failures_leave_a_whole_file)
{
    const tmb__bytes old = read_small(test_temp("a.h5"));
    tmb__bytes file;

    for (int kind = TMB_GATE_ALLOC; kind <= TMB_GATE_IO; kind++) {
        for (int64_t n = 0;; n++) {
            int status;

            test_fail_from((tmb__gate_kind)kind, n, 1);
            status = write_small(test_temp("a.h5"));
            if (!test_fail_end()) break;
            assert_int_equal(status, kind == TMB_GATE_ALLOC ? TMB_ENOMEM : TMB_EOUTPUT);
            assert_ok(tmb__file_read(&file, test_temp("a.h5"), 1 << 24, TMB_EDATA));
            assert_int_equal(file.size, old.size);
            tmb__free(file.data);
        }
    }
    tmb__free(old.data);
}
