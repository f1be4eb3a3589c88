/* test_zip_member.c - one member of a zip archive, and archives that are refused */
#include "format/format.h"
#include "test.h"

#include <string.h>

static void write_archive(const char *path)
{
    static const float values[] = {1, 2, 3};
    const tmb__array array = {TMB__F32, {1, {3}}, (void *)(uintptr_t)values};
    tmb__tensors list = {0};

    assert_ok(tmb__tensors_add(&list, "a", &array));
    assert_ok(tmb__npz_write(&list, path));
    tmb__tensors_free(&list);
}

TEST(zip_member_by_its_name)
{
    tmb__bytes bytes;
    tmb__array array;

    write_archive(test_temp("a.keras"));
    assert_ok(tmb__zip_member(&bytes, test_temp("a.keras"), "a.npy"));
    assert_ok(tmb__npy_parse(&array, bytes.data, bytes.size, "a.npy"));
    assert_float_equal(((const float *)array.data)[2], 3, 0);
    tmb__free(array.data);
    tmb__free(bytes.data);
    assert_status(tmb__zip_member(&bytes, test_temp("a.keras"), "A.npy"), TMB_EMODEL);
    assert_message("a.keras: member \"A.npy\": it is not there");
    assert_null(bytes.data);
}

TEST(zip_member_refuses)
{
    tmb__bytes file, bytes;

    write_archive(test_temp("a.keras"));
    assert_ok(tmb__file_read(&file, test_temp("a.keras"), 1 << 20, TMB_EDATA));
    file.data[30 + 5 + 128] ^= 1; /* behind the local header, the name and the .npy header */
    test_write(test_temp("crc.keras"), file.data, file.size);
    test_write(test_temp("cut.keras"), file.data, file.size / 2);
    tmb__free(file.data);
    assert_status(tmb__zip_member(&bytes, test_temp("crc.keras"), "a.npy"), TMB_EMODEL);
    assert_message("CRC error");
    assert_status(tmb__zip_member(&bytes, test_temp("cut.keras"), "a.npy"), TMB_EMODEL);
    assert_message("not a sound zip archive");
    test_write(test_temp("text.keras"), "text", 4);
    assert_status(tmb__zip_member(&bytes, test_temp("text.keras"), "a.npy"), TMB_EMODEL);
    assert_message("not a sound zip archive");
    assert_status(tmb__zip_member(&bytes, test_temp("none.keras"), "a.npy"), TMB_EMODEL);
}

TEST(zip_member_failing_calls)
{
    write_archive(test_temp("a.keras"));
    for (int64_t n = 0;; n++) {
        tmb__bytes bytes;
        int status;

        test_fail_from(TMB_GATE_ALLOC, n, 1);
        status = tmb__zip_member(&bytes, test_temp("a.keras"), "a.npy");
        tmb__free(bytes.data);
        if (!test_fail_end()) break;
        assert_int_equal(status, TMB_ENOMEM);
    }
}

TEST(zip_member_limits)
{
    tmb__zip_want wants[] = {
            {.name = "a.npy"}, {.name = "b.npy", .optional = true}, {.name = "a.npy", .limit = 9}};

    write_archive(test_temp("a.keras"));
    assert_ok(tmb__zip_members(wants, 2, test_temp("a.keras")));
    assert_non_null(wants[0].bytes.data);
    assert_null(wants[1].bytes.data);
    tmb__free(wants[0].bytes.data);
    assert_status(tmb__zip_members(wants, 3, test_temp("a.keras")), TMB_EMODEL);
    assert_message("member \"a.npy\" declares 140 bytes");
    assert_null(wants[0].bytes.data);
}
