/* test_h5_read.c - HDF5 through thimble-h5: sound files, refusals, crashes, hangs; and its stream */
#include "format/format.h"
#include "h5/h5.h"
#include "test.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VARIANT(name) TEST_SHARED("weights/h5-variants/" name)

/* Element i of the arrays that the shared data's script writes, series s. */
static float value_of(int64_t i, int s)
{
    return (float)((double)((i * 7919 + s) % 2003) / 1000.0 - 1.0);
}

static int read_file(tmb__h5_file *out, const char *path)
{
    const int status = tmb__h5_read(out, path);

    if (status == TMB_EUNSUPPORTED) SKIP("built without HDF5");
    return status;
}

static void require_series(const tmb__h5_file *file, const char *name, int s, double tolerance)
{
    const tmb__array *array = tmb__tensors_find(&file->tensors, name);
    int64_t n;

    if (!array) fail_msg("no tensor %s", name);
    n = tmb__shape_count(&array->shape);
    for (int64_t i = 0; i < n; i++) {
        const size_t size = tmb__dtype_size(array->dtype);
        float found;

        tmb__convert(
                &found, TMB__F32, (const char *)array->data + (size_t)i * size, array->dtype, 1);
        assert_float_equal(found, value_of(i, s), tolerance);
    }
}

static void require_plain(const char *path, double tolerance)
{
    tmb__h5_file file;
    const tmb__h5_attribute *names;

    assert_ok(read_file(&file, path));
    assert_int_equal(file.tensors.n, 4);
    require_series(&file, "conv_a/conv_a/kernel:0", 1, tolerance);
    require_series(&file, "conv_a/conv_a/bias:0", 2, tolerance);
    require_series(&file, "dense_b/dense_b/kernel:0", 3, tolerance);
    require_series(&file, "dense_b/dense_b/bias:0", 4, tolerance);
    names = tmb__h5_find(&file, "", "layer_names");
    assert_non_null(names);
    assert_int_equal(names->n_strings, 4);
    assert_string_equal(names->strings[3], "dense_b");
    names = tmb__h5_find(&file, "pool_a", "weight_names");
    assert_non_null(names);
    assert_int_equal(names->n_strings, 0);
    assert_string_equal(tmb__h5_find(&file, "", "keras_version")->strings[0], "2.2.4");
    assert_null(tmb__h5_find(&file, "", "model_config"));
    tmb__h5_file_free(&file);
}

TEST(h5_read_what_keras_and_h5py_write)
{
    require_plain(VARIANT("plain.h5"), 0);
    require_plain(VARIANT("vlen-attrs.h5"), 0);
    require_plain(VARIANT("gzip-shuffle.h5"), 0);
    require_plain(VARIANT("libver-latest.h5"), 0);
    require_plain(VARIANT("track-order.h5"), 0);
    require_plain(VARIANT("userblock-512.h5"), 0);
    require_plain(VARIANT("float64.h5"), 0);
    require_plain(VARIANT("big-endian.h5"), 0);
    require_plain(VARIANT("split-attrs.h5"), 0);
    require_plain(VARIANT("hardlink-cycle.h5"), 0);
    /* float16 has 11 bits: 2^-11 of values up to 1. */
    require_plain(VARIANT("float16.h5"), 0.0005);
}

TEST(h5_read_keeps_element_types)
{
    tmb__h5_file file;

    assert_ok(read_file(&file, VARIANT("float16.h5")));
    assert_int_equal(file.tensors.items[0].array.dtype, TMB__F16);
    tmb__h5_file_free(&file);
    assert_ok(read_file(&file, VARIANT("float64.h5")));
    assert_int_equal(file.tensors.items[0].array.dtype, TMB__F64);
    tmb__h5_file_free(&file);
}

/* The reader itself takes what is sound HDF5, whatever it means: conv's kernel with a NaN, the wrong
 * shape, names of what is not there. */
TEST(h5_read_refuses_in_one_sentence)
{
    static const char *const files[][2] = {{"bad-dtype-string", "expected float32, found strings"},
            {"bad-empty", "not HDF5, it looks like an empty file"},
            {"bad-html", "not HDF5, it looks like an HTML page"}, {"bad-signature", "not HDF5"},
            {"bad-external-link", "external link \"conv_a/conv_a/kernel:0\" refused"},
            {"bad-external-storage", "\"conv_a/conv_a/kernel:0\" uses external storage, refused"},
            {"bad-huge-shape", "\"conv_a/conv_a/kernel:0\" declares more than"},
            {"bad-softlink-loop", "soft link \"conv_a/conv_a/kernel:0\" refused"},
            {"bad-snod-count", "damaged"}, {"bad-heap-size", "damaged"},
            {"bad-truncated-50", "truncated: it has 7312 bytes, its header says 14624"},
            {"bad-truncated-100-bytes", "truncated: it has 100 bytes, its header says 14624"}};

    for (size_t i = 0; i < TMB_COUNT(files); i++) {
        tmb__h5_file file;
        char path[128];

        snprintf(path, sizeof path, "weights/h5-variants/%s.h5", files[i][0]);
        assert_status(read_file(&file, TEST_SHARED(path)), TMB_EMODEL);
        assert_message(files[i][1]);
        assert_message(files[i][0]);
        assert_null(file.attributes);
        assert_int_equal(file.tensors.n, 0);
    }
}

TEST(h5_read_no_file)
{
    tmb__h5_file file;

    assert_status(read_file(&file, test_temp("none.h5")), TMB_EMODEL);
    assert_message("cannot open it");
    assert_status(read_file(&file, "/dev/zero"), TMB_EMODEL);
    assert_message("expected a regular file");
    assert_status(read_file(&file, test_temp(".")), TMB_EMODEL);
    assert_message("a folder, expected a regular file");
}

/* A clean answer or a clean refusal, and soon: the reader allows itself 50 ms of CPU time; a second on the
 * clock, best of three, is what another load on the machine may make of that. */
static void attack(const char *path, const char *name)
{
    double best = 1e9;
    int status = 0;

    for (int i = 0; i < 3 && best > 0.1; i++) {
        const double start = tmb__now();
        tmb__h5_file file;

        status = read_file(&file, path);
        best = TMB_MIN(best, tmb__now() - start);
        tmb__h5_file_free(&file);
    }
    if (status != 0 && status != TMB_EMODEL) fail_msg("%s: %s", name, tmb_errmsg());
    if (status != 0) assert_message(name);
    if (best > 1) fail_msg("%s takes %.0f ms", name, best * 1e3);
}

TEST_LIMIT(h5_read_survives_the_attacks, 60)
{
    const char *folder = TEST_SHARED("hdf5-attacks");
    DIR *dir = opendir(folder);
    struct dirent *entry;
    int n = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        char path[4096];

        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        attack(path, entry->d_name);
        n++;
    }
    closedir(dir);
    assert_true(n > 70);
}

/* Neither threads nor descriptors nor children stay behind. */
TEST(h5_read_leaves_nothing_behind)
{
    const char *crash = TEST_SHARED("hdf5-attacks/cve-2018-11205.h5");
    const int before = dup(0);
    tmb__h5_file file;
    int after;

    close(before);
    assert_status(read_file(&file, crash), TMB_EMODEL);
    assert_message("damaged or hostile: the HDF5 library crashed on it");
    require_plain(VARIANT("plain.h5"), 0);
    assert_status(read_file(&file, VARIANT("bad-html.h5")), TMB_EMODEL);
    after = dup(0);
    close(after);
    assert_int_equal(before, after);
}

/* One byte makes libhdf5 run in a circle. */
TEST(h5_read_ends_a_hang)
{
    tmb__h5_file file;
    tmb__bytes bytes;
    double start;

    assert_ok(tmb__file_read(&bytes, VARIANT("gzip-shuffle.h5"), 1 << 20, TMB_EMODEL));
    assert_true(bytes.size > 959 && bytes.data[959] == 0);
    bytes.data[959] = 1;
    test_write(test_temp("hang.h5"), bytes.data, bytes.size);
    tmb__free(bytes.data);
    start = tmb__now();
    assert_status(read_file(&file, test_temp("hang.h5")), TMB_EMODEL);
    assert_message("hang.h5: damaged");
    assert_true(tmb__now() - start < 5); /* 60 ms of its own time, on a machine that may be busy */
}

TEST(h5_read_mobilenet)
{
    const char *const names[] = {"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5",
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"};
    const int64_t expected[] = {3538984, 2257984};

    for (int i = 0; i < 2; i++) {
        char path[128];
        tmb__h5_file file;
        int64_t n = 0;

        snprintf(path, sizeof path, "weights/%s", names[i]);
        assert_ok(read_file(&file, TEST_SHARED(path)));
        for (int64_t t = 0; t < file.tensors.n; t++)
            n += tmb__shape_count(&file.tensors.items[t].array.shape);
        assert_int_equal(n, expected[i]);
        tmb__h5_file_free(&file);
    }
}

/* What the writer wrote comes back bit for bit, from a file and from memory. */
TEST(h5_read_what_h5_write_wrote)
{
    static const float kernel[] = {1, -0.0f, 3e-39f, 4}, bias[] = {5, 6};
    const tmb__array weights[] = {{TMB__F32, {2, {2, 2}}, (void *)(uintptr_t)kernel},
            {TMB__F32, {1, {2}}, (void *)(uintptr_t)bias}};
    static const char *const names[] = {"dense/kernel:0", "dense/bias:0"};
    const tmb__h5_layer layers[] = {{"flatten", NULL, NULL, 0}, {"dense", names, weights, 2}};
    const char *path = test_temp("a.h5");
    tmb__bytes bytes;

    if (tmb__h5_write_weights(path, layers, 2) == TMB_EUNSUPPORTED) SKIP("built without HDF5");
    assert_ok(tmb__file_read(&bytes, path, 1 << 20, TMB_EMODEL));
    for (int i = 0; i < 2; i++) {
        tmb__h5_file file;

        assert_ok(i ? tmb__h5_parse(&file, bytes.data, bytes.size, "memory")
                    : read_file(&file, path));
        assert_int_equal(file.tensors.n, 2);
        assert_memory_equal(tmb__tensors_find(&file.tensors, "dense/dense/kernel:0")->data, kernel,
                sizeof kernel);
        assert_memory_equal(
                tmb__tensors_find(&file.tensors, "dense/dense/bias:0")->data, bias, sizeof bias);
        assert_string_equal(tmb__h5_find(&file, "dense", "weight_names")->strings[1], names[1]);
        tmb__h5_file_free(&file);
    }
    tmb__free(bytes.data);
}

TEST(h5_read_failing_calls)
{
    const char *path = VARIANT("plain.h5");

    for (int kind = TMB_GATE_ALLOC; kind <= TMB_GATE_IO; kind++) {
        for (int64_t n = 0;; n++) {
            tmb__h5_file file;
            int status;

            test_fail_from((tmb__gate_kind)kind, n, 1);
            status = read_file(&file, path);
            tmb__h5_file_free(&file);
            if (!test_fail_end()) break;
            assert_int_equal(status, kind == TMB_GATE_ALLOC ? TMB_ENOMEM : TMB_EMODEL);
        }
    }
}

/* ---- the stream alone ---- */

/* Bytes in memory as a source. */
typedef struct memory {
    const uint8_t *bytes;
    size_t size;
} memory;

static int read_memory(void *user, void *dst, size_t n)
{
    memory *m = user;

    if (n > m->size) return 1;
    memcpy(dst, m->bytes, n);
    m->bytes += n;
    m->size -= n;
    return 0;
}

static void put(tmb__strbuf *sb, uint64_t value, size_t n)
{
    for (size_t i = 0; i < n; i++, value >>= 8)
        tmb__strbuf_bytes(sb, &(uint8_t){(uint8_t)value}, 1);
}

static int parse(tmb__strbuf *sb, bool *cut)
{
    memory m = {(const uint8_t *)sb->text, sb->len};
    tmb__h5_source source = {.read = read_memory, .user = &m};
    tmb__h5_file file;
    const int status = tmb__h5_stream(&file, &source, 1024, "x");

    *cut = source.cut;
    tmb__h5_file_free(&file);
    tmb__strbuf_free(sb);
    return status;
}

/* One tensor "a" of `dim` floats in a record of `body` bytes that says it has `bytes` of data. */
static void put_tensor(tmb__strbuf *sb, uint64_t body, uint64_t dim, uint64_t bytes, uint64_t end)
{
    tmb__strbuf_bytes(sb, TMB_H5_MAGIC, 8);
    put(sb, TMB_H5_TENSOR, 4);
    put(sb, body, 8);
    put(sb, 1, 4);
    put(sb, 'a', 1);
    put(sb, TMB_H5_F32, 4);
    put(sb, 1, 4);
    put(sb, dim, 8);
    put(sb, bytes, 8);
    put(sb, 0, 8);
    put(sb, TMB_H5_END, 4);
    put(sb, 8, 8);
    put(sb, end, 8);
}

TEST(h5_stream_bounds)
{
    tmb__strbuf sb = {0};
    bool cut;

    put_tensor(&sb, 37, 2, 8, 1);
    assert_ok(parse(&sb, &cut));
    put_tensor(&sb, 37, 2, 8, 2);
    assert_status(parse(&sb, &cut), TMB_EMODEL);
    assert_message("count of records");
    put_tensor(&sb, 37, (uint64_t)1 << 62, 8, 1);
    assert_status(parse(&sb, &cut), TMB_EMODEL);
    assert_message("a dimension out of range");
    put_tensor(&sb, 29 + 4096, 1024, 4096, 1);
    assert_status(parse(&sb, &cut), TMB_EMODEL);
    assert_message("more tensors than the file can hold");
    put_tensor(&sb, 37, 3, 12, 1);
    assert_status(parse(&sb, &cut), TMB_EMODEL);
    assert_message("a tensor's shape and size differ");
    assert_false(cut);
    put_tensor(&sb, 29 + 800, 200, 800, 1);
    assert_status(parse(&sb, &cut), TMB_EMODEL);
    assert_true(cut);
}
