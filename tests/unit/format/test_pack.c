/* test_pack.c - Thimble's container: round trip, every flipped bit, every cut, hostile headers */
#include "format/format.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static const float kernel[6] = {1, 2, 3, 4, 5, 6};
static const uint8_t names[5] = {9, 8, 7, 6, 5};

static void fill(tmb__tensors *list)
{
    const tmb__array a = {TMB__F32, {2, {2, 3}}, (void *)(uintptr_t)kernel};
    const tmb__array b = {TMB__U8, {1, {5}}, (void *)(uintptr_t)names};
    const tmb__array none = {TMB__I64, {1, {0}}, NULL};

    *list = (tmb__tensors){0};
    assert_ok(tmb__tensors_add(list, "weight/dense/kernel", &a));
    assert_ok(tmb__tensors_add(list, "none", &none));
    assert_ok(tmb__tensors_add(list, "caf\xc3\xa9 \"1\"", &b));
}

static tmb__bytes sample(void)
{
    tmb__tensors list;
    tmb__bytes file;

    fill(&list);
    assert_ok(tmb__pack_write(test_temp("a.thimble"), "{\"a\": [1, 0.1, \"x\"]}", &list));
    tmb__tensors_free(&list);
    assert_ok(tmb__file_read(&file, test_temp("a.thimble"), 1 << 20, TMB_EDATA));
    return file;
}

TEST(pack_round_trip)
{
    tmb__tensors list;
    tmb__pack pack;
    const tmb__array *a;

    fill(&list);
    assert_ok(tmb__pack_write(test_temp("a.thimble"), "{\"a\": [1, 0.1, \"x\"]}", &list));
    assert_ok(tmb__pack_read(&pack, test_temp("a.thimble")));
    assert_string_equal(pack.json, "{\"a\":[1,0.1,\"x\"]}");
    assert_int_equal(pack.tensors.n, 3);
    for (int64_t i = 0; i < 3; i++) {
        a = tmb__tensors_find(&pack.tensors, list.items[i].name);
        assert_non_null(a);
        assert_int_equal(a->dtype, list.items[i].array.dtype);
        assert_true(tmb__shape_equal(&a->shape, &list.items[i].array.shape));
    }
    assert_memory_equal(tmb__tensors_find(&pack.tensors, "weight/dense/kernel")->data, kernel, 24);
    assert_memory_equal(tmb__tensors_find(&pack.tensors, "caf\xc3\xa9 \"1\"")->data, names, 5);
    assert_null(tmb__tensors_find(&pack.tensors, "weight"));
    tmb__pack_free(&pack);
    tmb__tensors_free(&list);
}

/* The bytes as docs/formats.md has them. */
TEST(pack_frame)
{
    const tmb__bytes file = sample();
    size_t header = file.data[12] | (size_t)file.data[13] << 8;
    const size_t data = (16 + header + 63) / 64 * 64;

    assert_memory_equal(file.data, "\x89TMB\r\n\x1a\n\1\0\0\0", 12);
    assert_memory_equal(file.data + 16, "{\"meta\":{\"a\": ", 14);
    assert_memory_equal(file.data + data, kernel, 24);
    assert_memory_equal(file.data + data + 64, names, 5);
    assert_int_equal(file.size, data + 128 + 40);
    assert_int_equal(file.data[file.size - 40], file.size & 255);
    tmb__free(file.data);
}

TEST(pack_refuses_every_flipped_bit)
{
    const tmb__bytes file = sample();
    tmb__pack pack;

    for (size_t bit = 0; bit < 8 * file.size; bit++) {
        file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_status(tmb__pack_parse(&pack, file.data, file.size, "a.thimble"), TMB_EMODEL);
        file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_ok(tmb__pack_parse(&pack, file.data, file.size, "a.thimble"));
    tmb__pack_free(&pack);
    tmb__free(file.data);
}

TEST(pack_refuses_every_cut)
{
    const tmb__bytes file = sample();
    tmb__pack pack;

    for (size_t cut = 0; cut < file.size; cut++) {
        uint8_t *part = tmb__calloc(cut, 1);

        assert_non_null(part);
        memcpy(part, file.data, cut);
        assert_status(tmb__pack_parse(&pack, part, cut, "a.thimble"), TMB_EMODEL);
        tmb__free(part);
    }
    assert_message("a.thimble: cut off: ");
    assert_status(tmb__pack_parse(&pack, file.data, file.size + 1, "a.thimble"), TMB_EMODEL);
    assert_message("a.thimble: too long: ");
    tmb__free(file.data);
}

TEST(pack_names_other_files)
{
    static const struct {
        const char *text, *message;
    } files[] = {
            {"<!DOCTYPE html><html>", "it is an HTML page"},
            {"\n <HTML>", "it is an HTML page"},
            {"version https://git-lfs.github.com/spec/v1\n", "it is a git-LFS pointer"},
            {"\x89HDF\r\n\x1a\n....", "it is an HDF5 file"},
            {"PK\x03\x04...", "it is a zip archive"},
            {"\x89TMB\n\x1a\n.....", "copied as text"},
            {"", "it is an empty file"},
            {"hello", "its first bytes are not"},
    };
    tmb__pack pack;

    for (size_t i = 0; i < TMB_COUNT(files); i++) {
        test_write(test_temp("a.thimble"), files[i].text, strlen(files[i].text));
        assert_status(tmb__pack_read(&pack, test_temp("a.thimble")), TMB_EMODEL);
        assert_message("a.thimble: not a Thimble model: ");
        assert_message(files[i].message);
    }
    assert_status(tmb__pack_read(&pack, "/dev/zero"), TMB_EMODEL);
    assert_status(tmb__pack_read(&pack, "/tmp"), TMB_EMODEL);
    assert_message("/tmp: a folder");
}

/* A file with this header, sound but for what the header says; `size` bytes of data. */
static int parse_header(const char *header, size_t size)
{
    const size_t n = strlen(header), data = (16 + n + 63) / 64 * 64, total = data + size + 40;
    uint8_t *file = tmb__calloc(total, 1);
    tmb__sha256 sha;
    tmb__pack pack;
    int status;

    assert_non_null(file);
    memcpy(file, "\x89TMB\r\n\x1a\n\1\0\0\0", 12);
    for (int i = 0; i < 4; i++)
        file[12 + i] = (uint8_t)(n >> 8 * i);
    memcpy(file + 16, header, n);
    for (int i = 0; i < 8; i++)
        file[total - 40 + (size_t)i] = (uint8_t)(total >> 8 * i);
    tmb__sha256_start(&sha);
    tmb__sha256_add(&sha, file, total - 32);
    tmb__sha256_end(&sha, file + total - 32);
    status = tmb__pack_parse(&pack, file, total, "a.thimble");
    if (status == 0) tmb__pack_free(&pack);
    tmb__free(file);
    return status;
}

#define T(name, shape, offset, bytes)                                                              \
    "{\"name\":\"" name "\",\"dtype\":\"float32\",\"shape\":" shape ",\"offset\":" offset          \
    ",\"bytes\":" bytes "}"
#define H(tensors) "{\"meta\":{},\"tensors\":[" tensors "]}"
#define REFUSED(header, size, message)                                                             \
    do {                                                                                           \
        assert_status(parse_header(header, size), TMB_EMODEL);                                     \
        assert_message(message);                                                                   \
    } while (0)

TEST(pack_refuses_hostile_tables)
{
    assert_ok(parse_header(H(T("a", "[4]", "0", "16") "," T("b", "[]", "64", "4")), 128));
    REFUSED(H(T("a", "[4]", "0", "16") "," T("a", "[]", "64", "4")), 128, "\"a\" is there twice");
    REFUSED(H(T("a", "[4]", "0", "16") "," T("b", "[]", "0", "4")), 64, "at offset 0, expected 64");
    REFUSED(H(T("a", "[4]", "0", "16") "," T("b", "[]", "128", "4")), 192,
            "\"b\" is at offset 128, expected 64");
    REFUSED(H(T("a", "[4]", "16", "16")), 64, "at offset 16, expected 0");
    REFUSED(H(T("a", "[4]", "0", "20")), 64, "has 20 bytes, not what (4,) of float32 takes");
    REFUSED(H(T("a", "[4]", "0", "16")), 128, "expected ");
    REFUSED(H(T("a", "[1073741824]", "0", "4294967296")), 64, "expected ");
    REFUSED(H(T("a", "[4294967296,4294967296]", "0", "0")), 0, "has 0 bytes, not what");
    REFUSED(H(T("a", "[-4]", "0", "16")), 64, "shape");
    REFUSED(H(T("a", "[4.0]", "0", "16")), 64, "shape");
    REFUSED(H(T("a", "[1,1,1,1,1,1,1,1,1]", "0", "4")), 64, "shape");
    REFUSED(H(T("a", "[1]", "-64", "4")), 64, "offset or bytes");
    REFUSED(H(T("a", "[1]", "9223372036854775807", "4")), 64, "offset or bytes");
    REFUSED(H(T("", "[1]", "0", "4")), 64, "expected a name");
    REFUSED(H(T("a\\u001bb", "[1]", "0", "4")), 64, "expected a name");
    REFUSED(H("{\"name\":\"a\",\"dtype\":\"float8\",\"shape\":[],\"offset\":0,\"bytes\":1}"), 64,
            "dtype is not known");
    REFUSED(H("3"), 0, "expected a name");
    REFUSED("{\"meta\":{}}", 0, "the header is not");
    REFUSED("{\"meta\":{},\"tensors\":[],\"code\":1}", 0, "the header is not");
    REFUSED("{\"meta\":{},\"meta\":{},\"tensors\":[]}", 0, "duplicate");
    REFUSED("{\"meta\":{\"a\":NaN},\"tensors\":[]}", 0, "not valid JSON");
    REFUSED("", 0, "not valid JSON");
}

TEST(pack_refuses_deep_json)
{
    char *text = tmb__calloc(1, 300000);
    size_t n = 0;

    assert_non_null(text);
    n += (size_t)sprintf(text, "{\"meta\":{\"a\":");
    memset(text + n, '[', 62);
    memset(text + n + 62, ']', 62);
    strcpy(text + n + 124, "},\"tensors\":[]}");
    assert_ok(parse_header(text, 0));
    memset(text + n, '[', 100000);
    REFUSED(text, 0, "100002 levels deep, the limit is 64");
    tmb__free(text);
}

TEST(pack_says_which_version)
{
    const tmb__bytes file = sample();
    tmb__pack pack;

    file.data[8] = 7;
    assert_status(tmb__pack_parse(&pack, file.data, file.size, "a.thimble"), TMB_EMODEL);
    assert_message("a.thimble: format version 7, the highest understood is 1");
    assert_non_null(strstr(tmb_errhint(), "newer Thimble"));
    tmb__free(file.data);
}

TEST(pack_padding_must_be_zero)
{
    const tmb__bytes file = sample();
    tmb__sha256 sha;
    tmb__pack pack;

    file.data[file.size - 41] = 1; /* after the last tensor */
    tmb__sha256_start(&sha);
    tmb__sha256_add(&sha, file.data, file.size - 32);
    tmb__sha256_end(&sha, file.data + file.size - 32);
    assert_status(tmb__pack_parse(&pack, file.data, file.size, "a.thimble"), TMB_EMODEL);
    assert_message("between two tensors, is 1, expected 0");
    tmb__free(file.data);
}

TEST(pack_writer_refuses_what_the_reader_would)
{
    const tmb__array a = {TMB__F32, {1, {1}}, (void *)(uintptr_t)kernel};
    tmb__tensors list = {0};

    assert_ok(tmb__tensors_add(&list, "a", &a));
    assert_status(tmb__pack_write(test_temp("a"), "{\"a\": ", &list), TMB_EINVAL);
    assert_status(tmb__pack_write(test_temp("a"), "[]", &list), TMB_EINVAL);
    assert_ok(tmb__tensors_add(&list, "\xff", &a));
    assert_status(tmb__pack_write(test_temp("a"), "{}", &list), TMB_EINVAL);
    assert_message("not valid UTF-8");
    tmb__tensors_free(&list);
    assert_ok(tmb__tensors_add(&list, "a", &a));
    assert_ok(tmb__tensors_add(&list, "a", &a));
    assert_status(tmb__pack_write(test_temp("a"), "{}", &list), TMB_EINVAL);
    tmb__tensors_free(&list);
    assert_int_equal(tmb__file_exists(test_temp("a")), 0);
}

TEST(pack_failed_write_leaves_a_whole_file)
{
    const tmb__bytes old = sample();
    tmb__tensors list;

    fill(&list);
    for (int64_t n = 0;; n++) {
        tmb__pack pack;
        int status;

        test_fail_from(TMB_GATE_IO, n, 1);
        status = tmb__pack_write(test_temp("a.thimble"), "{\"b\": 2}", &list);
        if (!test_fail_end()) break;
        assert_int_equal(status, TMB_EOUTPUT);
        assert_ok(tmb__pack_read(&pack, test_temp("a.thimble")));
        tmb__pack_free(&pack);
    }
    tmb__tensors_free(&list);
    tmb__free(old.data);
}

TEST(pack_every_failing_allocation)
{
    const tmb__bytes file = sample();
    tmb__tensors list;
    tmb__pack pack;
    int status;

    for (int64_t n = 0;; n++) {
        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb__pack_read(&pack, test_temp("a.thimble"));
        if (!test_fail_end()) break;
        assert_int_equal(status, TMB_ENOMEM);
    }
    tmb__pack_free(&pack);
    fill(&list);
    for (int64_t n = 0;; n++) {
        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb__pack_write(test_temp("a.thimble"), "{}", &list);
        if (!test_fail_end()) break;
        assert_int_equal(status, TMB_ENOMEM);
    }
    tmb__tensors_free(&list);
    tmb__free(file.data);
}
