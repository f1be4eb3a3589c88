/* test_npz.c - .npz: round trip, archives of Python's zipfile, damaged and hostile archives */
#include "counted.h"
#include "golden.h"
#include "test.h"

#include <string.h>
#include <zip.h>

static void write_three(const char *path)
{
    const float kernel[6] = {1, 2, 3, 4, 5, 6}, bias[2] = {-1, 1};
    const tmb__array arrays[] = {{TMB__F32, {2, {3, 2}}, (void *)(uintptr_t)kernel},
            {TMB__F32, {1, {2}}, (void *)(uintptr_t)bias}, {TMB__F32, {1, {0}}, NULL}};
    const char *const names[] = {"dense/kernel", "dense/bias", "none"};
    tmb__tensors list = {0};

    for (size_t i = 0; i < 3; i++)
        assert_ok(tmb__tensors_add(&list, names[i], &arrays[i]));
    assert_ok(tmb__npz_write(&list, path));
    tmb__tensors_free(&list);
}

TEST(npz_round_trip)
{
    tmb__tensors list;
    const tmb__array *a;

    write_three(test_temp("a.npz"));
    assert_ok(tmb__npz_read(&list, test_temp("a.npz")));
    assert_int_equal(list.n, 3);
    a = tmb__tensors_find(&list, "dense/kernel");
    assert_non_null(a);
    assert_string_equal(tmb__shape_text(&a->shape), "(3, 2)");
    assert_float_equal(((const float *)a->data)[5], 6, 0);
    assert_non_null(tmb__tensors_find(&list, "none"));
    assert_null(tmb__tensors_find(&list, "dense"));
    tmb__tensors_free(&list);
}

TEST(npz_same_content_same_bytes)
{
    tmb__bytes a, b;

    write_three(test_temp("a.npz"));
    write_three(test_temp("b.npz"));
    assert_ok(tmb__file_read(&a, test_temp("a.npz"), 1 << 20, TMB_EDATA));
    assert_ok(tmb__file_read(&b, test_temp("b.npz"), 1 << 20, TMB_EDATA));
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    tmb__free(a.data);
    tmb__free(b.data);
}

/* Files that NumPy wrote; their local headers have a zip64 field that the directory lacks. */
TEST(npz_reads_numpy_files)
{
    int64_t n;
    const float *values = golden_floats(&n, "schedules.npz", "cosine/step");

    assert_true(n > 1);
    assert_float_equal(values[1], 1, 0);
    assert_false(golden_has("schedules.npz", "cosine/nothing"));
}

/* Every type in either byte order and either order of elements, a scalar, nothing at all. */
TEST(npz_reads_numpys_types)
{
    tmb__tensors list;
    unsigned types = 0;

    assert_ok(tmb__npz_read(&list, test_golden("containers/all.npz")));
    assert_int_equal(list.n, 4 * 12 + 2);
    for (int64_t i = 0; i < list.n; i++) {
        types |= 1u << list.items[i].array.dtype;
        require_counted(&list.items[i]);
    }
    assert_int_equal(types, (1u << TMB__DTYPE_COUNT) - 1 - (1u << TMB__BF16));
    assert_string_equal(tmb__shape_text(&tmb__tensors_find(&list, "both/u2")->shape), "(2, 3, 2)");
    tmb__tensors_free(&list);
    assert_ok(tmb__npz_read(&list, test_golden("containers/deflated.npz")));
    require_counted(&list.items[0]);
    tmb__tensors_free(&list);
}

/* Make an archive of `n` members "a.npy" (or "a.npy", "b.npy", ...) holding `bytes`. */
static void make_zip(const char *path, const char *name, const void *bytes, size_t size, int method)
{
    int error;
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &error);
    zip_int64_t i;

    assert_non_null(zip);
    i = zip_file_add(zip, name, zip_source_buffer(zip, bytes, size, 0), 0);
    assert_true(i >= 0);
    assert_int_equal(zip_set_file_compression(zip, (zip_uint64_t)i, method, 0), 0);
    assert_int_equal(zip_close(zip), 0);
}

TEST(npz_reads_deflated_members)
{
    static uint8_t npy[80 + 4000] =
            "\x93NUMPY\x01\x00\x46\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1000,), }";
    tmb__tensors list;

    memset(npy + 10 + 60, ' ', 10);
    make_zip(test_temp("a.npz"), "../../x.npy", npy, sizeof npy, ZIP_CM_DEFLATE);
    assert_true(tmb__file_size(test_temp("a.npz")) < 500);
    assert_ok(tmb__npz_read(&list, test_temp("a.npz")));
    assert_non_null(tmb__tensors_find(&list, "../../x")); /* a name, never a path */
    tmb__tensors_free(&list);
}

TEST(npz_refuses_a_bomb)
{
    const size_t size = (size_t)100 << 20;
    void *zeros = tmb__calloc(size, 1);
    tmb__tensors list;

    assert_non_null(zeros);
    make_zip(test_temp("a.npz"), "a.npy", zeros, size, ZIP_CM_DEFLATE);
    tmb__free(zeros);
    assert_status(tmb__npz_read(&list, test_temp("a.npz")), TMB_EMODEL);
    assert_message("member \"a.npy\" declares 104857600 bytes, stores");
}

TEST(npz_refuses_other_members)
{
    tmb__tensors list;

    make_zip(test_temp("a.npz"), "a.pkl", "x", 1, ZIP_CM_STORE);
    assert_status(tmb__npz_read(&list, test_temp("a.npz")), TMB_EMODEL);
    assert_message("member \"a.pkl\": expected a name");
    make_zip(test_temp("a.npz"), "a.npy", "x", 1, ZIP_CM_STORE);
    assert_status(tmb__npz_read(&list, test_temp("a.npz")), TMB_EMODEL);
    assert_message("a.npz: a.npy: not a .npy array");
    test_write(test_temp("a.npz"), "<html>", 6);
    assert_status(tmb__npz_read(&list, test_temp("a.npz")), TMB_EMODEL);
    assert_message("a.npz: not a .npz (zip), it looks like an HTML page");
}

/* libzip refuses to make two members of one name, so a byte is changed in both places. */
TEST(npz_refuses_a_name_twice)
{
    const uint8_t byte = 1;
    const tmb__array array = {TMB__U8, {1, {1}}, (void *)(uintptr_t)&byte};
    tmb__tensors list = {0};
    tmb__bytes file;

    assert_ok(tmb__tensors_add(&list, "aa", &array));
    assert_ok(tmb__tensors_add(&list, "ab", &array));
    assert_ok(tmb__npz_write(&list, test_temp("a.npz")));
    tmb__tensors_free(&list);
    assert_ok(tmb__file_read(&file, test_temp("a.npz"), 1 << 20, TMB_EDATA));
    for (size_t i = 0; i + 6 < file.size; i++) {
        if (memcmp(file.data + i, "ab.npy", 6) == 0) file.data[i + 1] = 'a';
    }
    assert_status(tmb__npz_parse(&list, file.data, file.size, "a.npz"), TMB_EMODEL);
    assert_message("is there twice");
    tmb__free(file.data);
}

/* Any one changed byte in the members' data is found by the CRC; no change crashes. */
TEST(npz_survives_every_changed_byte)
{
    tmb__tensors list;
    tmb__bytes file;
    int accepted = 0;

    write_three(test_temp("a.npz"));
    assert_ok(tmb__file_read(&file, test_temp("a.npz"), 1 << 20, TMB_EDATA));
    for (size_t i = 0; i < file.size; i++) {
        file.data[i] ^= 0x41;
        if (tmb__npz_parse(&list, file.data, file.size, "a.npz") == 0) {
            tmb__tensors_free(&list);
            accepted++; /* times, versions and attributes */
        }
        file.data[i] ^= 0x41;
    }
    assert_true(accepted < (int)file.size / 6);
    tmb__free(file.data);
}

TEST(npz_every_cut_is_refused)
{
    tmb__tensors list;
    tmb__bytes file;

    write_three(test_temp("a.npz"));
    assert_ok(tmb__file_read(&file, test_temp("a.npz"), 1 << 20, TMB_EDATA));
    for (size_t cut = 0; cut < file.size; cut++)
        assert_status(tmb__npz_parse(&list, file.data, cut, "a.npz"), TMB_EMODEL);
    tmb__free(file.data);
}

TEST(npz_of_nothing)
{
    tmb__tensors list = {0};

    assert_ok(tmb__npz_write(&list, test_temp("a.npz")));
    assert_ok(tmb__npz_read(&list, test_temp("a.npz")));
    assert_int_equal(list.n, 0);
    tmb__tensors_free(&list);
}

TEST(npz_failed_write_leaves_a_whole_file)
{
    tmb__tensors three, list;

    write_three(test_temp("a.npz"));
    assert_ok(tmb__npz_read(&three, test_temp("a.npz")));
    for (int64_t n = 0;; n++) {
        int status;

        test_fail_from(TMB_GATE_IO, n, 1);
        status = tmb__npz_write(&three, test_temp("a.npz"));
        if (!test_fail_end()) break;
        assert_int_equal(status, TMB_EOUTPUT);
        assert_ok(tmb__npz_read(&list, test_temp("a.npz")));
        assert_int_equal(list.n, 3);
        tmb__tensors_free(&list);
    }
    tmb__tensors_free(&three);
}

TEST(npz_every_failing_allocation)
{
    tmb__tensors list;

    write_three(test_temp("a.npz"));
    for (int64_t n = 0;; n++) {
        int status;

        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb__npz_read(&list, test_temp("a.npz"));
        if (!test_fail_end()) break;
        assert_int_equal(status, TMB_ENOMEM);
        assert_int_equal(list.n, 0);
    }
    tmb__tensors_free(&list);
}
