/* test_npy.c - .npy: round trips, other writers' variants, hostile headers */
#include "counted.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

/* A file of version `major` with this header text and `n` bytes of data; its size. */
static size_t make(uint8_t *file, int major, const char *header, const void *data, size_t n)
{
    const size_t length = strlen(header), start = major == 1 ? 10 : 12;

    memset(file, 0, 12);
    memcpy(file, "\x93NUMPY", 6);
    file[6] = (uint8_t)major;
    file[8] = (uint8_t)length;
    file[9] = (uint8_t)(length >> 8);
    memcpy(file + start, header, length);
    if (n) memcpy(file + start + length, data, n);
    return start + length + n;
}

static int parse(tmb__array *out, const char *header, const void *data, size_t n)
{
    uint8_t file[4096];
    const size_t size = make(file, 1, header, data, n);

    return tmb__npy_parse(out, file, size, "a.npy");
}

TEST(npy_round_trip_of_every_type)
{
    const tmb__dtype types[] = {TMB__F32, TMB__F64, TMB__F16, TMB__U8, TMB__U16, TMB__U32, TMB__U64,
            TMB__I8, TMB__I16, TMB__I32, TMB__I64, TMB__BOOL};
    uint8_t data[6 * 8];

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 37 + 1);
    for (size_t t = 0; t < TMB_COUNT(types); t++) {
        const tmb__array array = {types[t], {2, {2, 3}}, data};
        tmb__array back;

        assert_ok(tmb__npy_write(&array, test_temp("a.npy")));
        assert_ok(tmb__npy_read(&back, test_temp("a.npy")));
        assert_int_equal(back.dtype, types[t]);
        assert_true(tmb__shape_equal(&back.shape, &array.shape));
        assert_memory_equal(back.data, data, 6 * tmb__dtype_size(types[t]));
        tmb__free(back.data);
    }
}

TEST(npy_data_start_at_a_multiple_of_64)
{
    const tmb__array scalar = {TMB__F64, {0}, &(double){1.5}};
    const tmb__array array = {TMB__F32, {1, {1}}, &(float){1.5f}};
    tmb__bytes file;

    assert_ok(tmb__npy_write(&array, test_temp("a.npy")));
    assert_ok(tmb__file_read(&file, test_temp("a.npy"), 4096, TMB_EDATA));
    assert_int_equal(file.size % 64, 4);
    assert_memory_equal(
            file.data + 10, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 57);
    tmb__free(file.data);
    assert_ok(tmb__npy_write(&scalar, test_temp("b.npy")));
    assert_ok(tmb__file_read(&file, test_temp("b.npy"), 4096, TMB_EDATA));
    assert_non_null(strstr((const char *)file.data + 10, "'shape': ()"));
    tmb__free(file.data);
}

TEST(npy_versions_2_and_3)
{
    const float data[2] = {1, -2};
    uint8_t file[512];
    tmb__array a;

    for (int major = 2; major <= 3; major++) {
        const size_t size = make(file, major,
                "{'shape': (2L, 1L), 'descr': \"<f4\", 'fortran_order': False}", data, 8);

        assert_ok(tmb__npy_parse(&a, file, size, "a.npy"));
        assert_int_equal(a.shape.rank, 2);
        assert_memory_equal(a.data, data, 8);
        tmb__free(a.data);
    }
}

TEST(npy_fortran_order_is_turned)
{
    const uint8_t data[6] = {1, 4, 2, 5, 3, 6};
    tmb__array a;

    assert_ok(parse(&a, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n", data, 6));
    assert_memory_equal(a.data, "\1\2\3\4\5\6", 6);
    tmb__free(a.data);
}

TEST(npy_big_endian_is_swapped)
{
    const uint8_t data[8] = {0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0};
    tmb__array a;

    assert_ok(parse(&a, "{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", data, 8));
    assert_float_equal(((float *)a.data)[0], 1, 0);
    assert_float_equal(((float *)a.data)[1], -2, 0);
    tmb__free(a.data);
}

#define REFUSED(header, n, message)                                                                \
    do {                                                                                           \
        tmb__array a_;                                                                             \
        const uint8_t data_[64] = {0};                                                             \
        assert_status(parse(&a_, header, data_, n), TMB_EMODEL);                                   \
        assert_message(message);                                                                   \
        assert_null(a_.data);                                                                      \
    } while (0)

TEST(npy_refuses)
{
    REFUSED("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8,
            "a.npy: pickled objects refused");
    REFUSED("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4, "records");
    REFUSED("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", 8, "type not known");
    REFUSED("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }", 64,
            "declares 4398046511104 bytes, the file has 64");
    REFUSED("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 4,
            "below 2^63");
    REFUSED("{'descr': '<f4', 'fortran_order': True, 'shape': (4611686018427387904, 4, 4), }", 4,
            "too large");
    REFUSED("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 4, "below 2^63");
    REFUSED("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 5,
            "declares 4 bytes, the file has 5");
    REFUSED("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 4,
            "more than 8 dimensions");
    REFUSED("{'descr': '<f4', 'descr': '<f4', 'shape': (1,), }", 4, "there twice");
    REFUSED("{'descr': '<f4', 'shape': (1,), }", 4, "lacks one of");
    REFUSED("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x", 4, "text after");
    REFUSED("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }", 4, "neither True nor False");
    REFUSED("{'evil': '<f4', 'fortran_order': 0, 'shape': (1,), }", 4, "unknown key");
}

TEST(npy_refuses_bad_frames)
{
    uint8_t file[64] = "\x93NUMPY\x02\x00\xff\xff\xff\xff";
    tmb__array a;

    assert_status(tmb__npy_parse(&a, file, 40, "a.npy"), TMB_EMODEL);
    assert_message("header of 4294967295 bytes, expected at most 28");
    file[6] = 4;
    assert_status(tmb__npy_parse(&a, file, 40, "a.npy"), TMB_EMODEL);
    assert_message("version 4.0, understood are");
    assert_status(tmb__npy_parse(&a, file, 3, "a.npy"), TMB_EMODEL);
    assert_status(tmb__npy_read(&a, "/"), TMB_EMODEL);
    assert_message("a folder");
}

/* Every cut of a sound file is refused. */
TEST(npy_refuses_every_cut)
{
    const float data[4] = {1, 2, 3, 4};
    uint8_t file[256];
    const size_t size = make(file, 1,
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }\n", data, sizeof data);
    tmb__array a;

    for (size_t cut = 0; cut < size; cut++)
        assert_status(tmb__npy_parse(&a, file, cut, "a.npy"), TMB_EMODEL);
    assert_ok(tmb__npy_parse(&a, file, size, "a.npy"));
    tmb__free(a.data);
}

/* Written by NumPy, and as NumPy on Python 2 wrote it (scripts/golden/containers.py). */
TEST(npy_reads_numpys_versions)
{
    static const char *const files[] = {"v1.npy", "v2.npy", "v3.npy", "python2.npy"};

    for (size_t i = 0; i < TMB_COUNT(files); i++) {
        char path[64];
        tmb__named item = {.name = (char[]){"v"}};

        snprintf(path, sizeof path, "containers/%s", files[i]);
        assert_ok(tmb__npy_read(&item.array, test_golden(path)));
        assert_string_equal(tmb__shape_text(&item.array.shape), "(2, 3)");
        require_counted(&item);
        tmb__free(item.array.data);
    }
}
