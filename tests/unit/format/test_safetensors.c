/* test_safetensors.c - safetensors: files of the `safetensors` package both ways, hostile headers */
#include "counted.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

/* ---- what the package wrote (scripts/golden/containers.py) ---- */

TEST(safetensors_reads_every_type)
{
    tmb__tensors list;
    unsigned types = 0;

    assert_ok(tmb__safetensors_read(&list, test_golden("containers/all.safetensors")));
    assert_int_equal(list.n, 15);
    for (int64_t i = 0; i < list.n; i++) {
        types |= 1u << list.items[i].array.dtype;
        require_counted(&list.items[i]);
    }
    assert_int_equal(types, (1u << TMB__DTYPE_COUNT) - 1);
    assert_int_equal(tmb__tensors_find(&list, "scalar")->shape.rank, 0);
    assert_string_equal(tmb__shape_text(&tmb__tensors_find(&list, "empty")->shape), "(0, 3)");
    tmb__tensors_free(&list);
}

TEST(safetensors_writes_the_packages_bytes)
{
    const char *path = test_golden("containers/plain.safetensors");
    tmb__bytes theirs, ours;
    tmb__tensors list;

    assert_ok(tmb__safetensors_read(&list, path));
    assert_ok(tmb__safetensors_write(&list, test_temp("a.safetensors")));
    assert_ok(tmb__file_read(&theirs, path, 1 << 20, TMB_EDATA));
    assert_ok(tmb__file_read(&ours, test_temp("a.safetensors"), 1 << 20, TMB_EDATA));
    assert_int_equal(ours.size, theirs.size);
    assert_memory_equal(ours.data, theirs.data, ours.size);
    tmb__free(theirs.data);
    tmb__free(ours.data);
    tmb__tensors_free(&list);
}

TEST(safetensors_writer_refuses)
{
    static const char *const bad[] = {"", "__metadata__", "a\nb", "\xff"};
    const tmb__array array = {TMB__U8, {1, {1}}, &(uint8_t){1}};
    tmb__tensors list = {0};

    for (size_t i = 0; i < TMB_COUNT(bad); i++) {
        assert_ok(tmb__tensors_add(&list, bad[i], &array));
        assert_status(tmb__safetensors_write(&list, test_temp("a")), TMB_EINVAL);
        tmb__tensors_free(&list);
    }
    assert_ok(tmb__safetensors_write(&list, test_temp("none")));
    assert_ok(tmb__safetensors_read(&list, test_temp("none")));
    assert_int_equal(list.n, 0);
    tmb__tensors_free(&list);
    assert_int_equal(tmb__file_exists(test_temp("a")), 0);
}

/* ---- hostile files ---- */

static int parse(const char *header, size_t n_data)
{
    uint8_t file[2048] = {0};
    const size_t length = strlen(header);
    tmb__tensors list;
    int status;

    file[0] = (uint8_t)length;
    file[1] = (uint8_t)(length >> 8);
    memcpy(file + 8, header, length);
    status = tmb__safetensors_parse(&list, file, 8 + length + n_data, "a");
    tmb__tensors_free(&list);
    return status;
}

#define ENTRY(name, type, shape, begin, end)                                                       \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

/* Rows 87 to 89 of what a weights file may do to us. */
TEST(safetensors_refuses)
{
    static const struct {
        const char *header;
        size_t n_data;
        const char *message;
    } cases[] = {
            {"{" ENTRY("a", "F32", "[2]", "0", "8") "," ENTRY("b", "F32", "[1]", "4", "8") "}", 8,
                    "tensor \"b\" begins at byte 4, inside the one that ends at 8"},
            {"{" ENTRY("a", "F32", "[1]", "0", "4") "," ENTRY("b", "F32", "[1]", "8", "12") "}", 12,
                    "tensor \"b\" begins at byte 8, a gap behind 4"},
            {"{" ENTRY("a", "F32", "[1]", "4", "8") "}", 8, "tensor \"a\" begins at byte 4, a gap"},
            {"{" ENTRY("a", "F32", "[1]", "8", "4") "}", 8, "tensor \"a\": its data_offsets"},
            {"{" ENTRY("a", "F32", "[1]", "-4", "0") "}", 4, "tensor \"a\": its data_offsets"},
            {"{" ENTRY("a", "F32", "[1]", "0.0", "4") "}", 4, "tensor \"a\": its data_offsets"},
            {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]}}", 1,
                    "tensor \"a\": its data_offsets"},
            {"{" ENTRY("a", "F32", "[1]", "0", "4") "}", 5,
                    "bytes after its last tensor: its tensors are 4 bytes, the file has 5"},
            {"{" ENTRY("a", "F32", "[2]", "0", "8") "}", 7,
                    "cut off: its tensors are 8 bytes, the file has 7"},
            {"{" ENTRY("a", "F32", "[3]", "0", "8") "}", 8,
                    "tensor \"a\" has 8 bytes, not what (3,) of float32 takes"},
            {"{" ENTRY("a", "U8", "[4294967296,4294967296,2]", "0", "0") "}", 0,
                    "tensor \"a\" has 0 bytes"},
            {"{" ENTRY("a", "U8", "[-1]", "0", "1") "}", 1, "its shape is not a list"},
            {"{" ENTRY("a", "U8", "[1,1,1,1,1,1,1,1,1]", "0", "1") "}", 1, "at most 8 sizes"},
            {"{" ENTRY("a", "F8_E4M3", "[1]", "0", "1") "}", 1, "dtype F8_E4M3, expected F16"},
            {"{\"a\":3}", 0, "tensor \"a\": dtype missing"},
            {"{" ENTRY("", "U8", "[1]", "0", "1") "}", 1, "expected a name of 1 to 1024"},
            {"{" ENTRY("a", "U8", "[1]", "0", "1") "," ENTRY("a", "U8", "[1]", "0", "1") "}", 1,
                    "not valid JSON: duplicate"},
            {"{\"__metadata__\":{\"a\":1}}", 0, "\"a\" of __metadata__ is no string"},
            {"{\"__metadata__\":[]}", 0, "__metadata__ is no object"},
            {"{\"a\":", 0, "not valid JSON"},
            {"[]", 0, "header length 2, expected 1 to 16777216 and a {"},
            {"", 4, "header length 0, expected 1 to"},
    };

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        assert_status(parse(cases[i].header, cases[i].n_data), TMB_EMODEL);
        assert_message(cases[i].message);
    }
    assert_ok(parse(
            "{" ENTRY("a", "F32", "[]", "0", "4") "," ENTRY("b", "I64", "[0,2]", "4", "4") "}   ",
            4));
    assert_ok(parse("{\"__metadata__\":{\"format\":\"pt\"}}", 0));
}

TEST(safetensors_refuses_bad_frames)
{
    uint8_t file[64] = "\xff\xff\xff\xff\xff\xff\xff\x7f{";
    tmb__tensors list;

    assert_status(tmb__safetensors_parse(&list, file, sizeof file, "a"), TMB_EMODEL);
    assert_message("header length 9223372036854775807, expected 1 to 16777216");
    memcpy(file, "\0\1\0\0\0\0\0\0", 8);
    assert_status(tmb__safetensors_parse(&list, file, sizeof file, "a"), TMB_EMODEL);
    assert_message("a: cut off: its header has 256 bytes, the file 64");
    assert_status(tmb__safetensors_parse(&list, file, 3, "a"), TMB_EMODEL);
    memcpy(file, "<html><body>", 12);
    assert_status(tmb__safetensors_parse(&list, file, sizeof file, "a"), TMB_EMODEL);
    assert_message("a: not safetensors, it looks like an HTML page");
    assert_status(tmb__safetensors_parse(&list, file, 0, "a"), TMB_EMODEL);
    assert_message("it looks like an empty file");
}

/* A million tensors, and one with a name of 10 kB. */
TEST(safetensors_limits)
{
    tmb__strbuf sb = {0};
    tmb__tensors list;
    size_t length;

    tmb__strbuf_bytes(&sb, "\0\0\0\0\0\0\0\0{", 9);
    for (int i = 0; i < 70000; i++)
        tmb__strbuf_add(&sb, "%s\"%d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}",
                i ? "," : "", i);
    tmb__strbuf_add(&sb, "}");
    assert_false(sb.failed);
    length = sb.len - 8;
    for (int i = 0; i < 4; i++)
        sb.text[i] = (char)(length >> 8 * i & 255);
    assert_status(tmb__safetensors_parse(&list, (const uint8_t *)sb.text, sb.len, "a"), TMB_EMODEL);
    assert_message("70000 tensors, the limit is 65536");
    tmb__strbuf_free(&sb);
    tmb__strbuf_bytes(&sb, "\0\0\0\0\0\0\0\0{\"", 10);
    for (int i = 0; i < 1025; i++)
        tmb__strbuf_add(&sb, "n");
    tmb__strbuf_add(&sb, "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
    sb.text[0] = (char)((sb.len - 8) & 255);
    sb.text[1] = (char)((sb.len - 8) >> 8);
    assert_status(tmb__safetensors_parse(&list, (const uint8_t *)sb.text, sb.len, "a"), TMB_EMODEL);
    assert_message("expected a name of 1 to 1024 bytes");
    tmb__strbuf_free(&sb);
}

TEST(safetensors_refuses_every_cut)
{
    tmb__tensors list;
    tmb__bytes file;

    assert_ok(tmb__file_read(&file, test_golden("containers/all.safetensors"), 1 << 20, TMB_EDATA));
    for (size_t cut = 0; cut < file.size; cut++)
        assert_status(tmb__safetensors_parse(&list, file.data, cut, "a"), TMB_EMODEL);
    tmb__free(file.data);
}

TEST(safetensors_failing_calls)
{
    tmb__tensors list, back;

    assert_ok(tmb__safetensors_read(&list, test_golden("containers/all.safetensors")));
    for (int64_t n = 0;; n++) {
        int status;

        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb__safetensors_write(&list, test_temp("a"));
        if (status == 0) status = tmb__safetensors_read(&back, test_temp("a"));
        if (!test_fail_end()) break;
        assert_int_equal(status, TMB_ENOMEM);
    }
    assert_int_equal(back.n, list.n);
    tmb__tensors_free(&back);
    tmb__tensors_free(&list);
}
