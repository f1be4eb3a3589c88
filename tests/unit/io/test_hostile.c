/* test_hostile.c - files made to do harm (scripts/golden/hostile.py): one sentence each, and soon
 *
 * The numbers are rows of the table of bad inputs, tests/README.md. */
#include "io/io.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static const struct {
    int row;
    const char *file, *message; /* NULL: it is read, its names being only names */
} cases[] = {
        {61, "external.h5", "dataset \"a/kernel:0\" uses external storage, refused"},
        {62, "external_link.h5", "external link \"a/kernel:0\" refused"},
        {63, "soft_loop.h5", "soft link \"a/kernel:0\" refused"},
        {63, "soft_dangling.h5", "soft link \"a/kernel:0\" refused"},
        {64, "virtual.h5", "virtual dataset \"a/kernel:0\" refused"},
        {65, "huge.h5", "dataset \"a/kernel:0\" declares 4294967296 bytes, stores 0"},
        {66, "huge_many.h5", "declares 4294967296 bytes, stores 0"},
        {67, "filter.h5", "needs filter 32000, expected 1 (deflate), 2 (shuffle)"},
        {68, "string.h5", "expected float32, found strings"},
        {68, "vlen.h5", "expected float32, found strings of any length or lists"},
        {68, "compound.h5", "expected float32, found compounds"},
        {68, "complex.h5", "expected float32, found compounds"},
        {68, "enum.h5", "expected float32, found enumerations"},
        {68, "named_type.h5", "\"a/kernel:0\" is a shared type, refused"},
        {82, "path_up.npz", NULL},
        {82, "path_absolute.npz", NULL},
        {82, "name_nul.npz", NULL},
        {82, "name_twice.npz", "a member is there twice"},
        {83, "overlap.npz", "Zip archive inconsistent"},
        {83, "local_name.npz", "Zip archive inconsistent"},
        {83, "local_size.npz", "Zip archive inconsistent"},
        {84, "bomb.npz", "member \"a.npy\" declares 3221225472 bytes, stores 73"},
        {84, "config_bomb.keras", "member \"config.json\" declares 1610612736 bytes"},
        {85, "encrypted.npz", "member \"a.npy\": it is encrypted"},
        {85, "method_99.npz", "Zip archive inconsistent"},
        {85, "nested.npz", "not a .npy array, it looks like a zip archive"},
        {85, "zip64.npz", "not a sound .npz (zip)"},
        {86, "deflate_longer.npz", "member \"a.npy\": longer than its declared size"},
        {86, "deflate_shorter.npz", "member \"a.npy\": CRC error"},
        {86, "deflate_noise.npz", "member \"a.npy\": Zlib error"},
        {86, "crc.npz", "member \"a.npy\": CRC error"},
        {60, "no_h5.keras", "not HDF5"},
        {71, "no_weights.keras", "member \"model.weights.h5\": it is not there"},
};

static int try_file(const char *path)
{
    tmb__tensors list;
    tmb_model *model;
    int status;

    if (tmb__ends_with(path, ".keras")) {
        status = tmb_model_open(&model, path);
        assert_null(model);
        return status;
    }
    status = tmb__tensors_read(&list, path);
    assert_true(status == 0 || list.n == 0);
    tmb__tensors_free(&list);
    return status;
}

TEST(hostile_files)
{
    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        const double start = tmb__now();
        char path[64];
        int status;

        snprintf(path, sizeof path, "hostile/%s", cases[i].file);
        status = try_file(test_golden(path));
        if (status == TMB_EUNSUPPORTED) SKIP("built without HDF5");
        if ((status == 0) != !cases[i].message) fail_msg("%s: status %d", path, status);
        if (status < 0) assert_int_equal(status, TMB_EMODEL);
        if (cases[i].message) assert_message(cases[i].message);
        if (cases[i].message) assert_message(cases[i].file);
        if (tmb__now() - start > 1) fail_msg("%s: %.2f s", path, tmb__now() - start);
    }
}

/* The same bytes under any other ending: a clean refusal too. */
TEST(hostile_files_by_other_names)
{
    static const char *const endings[] = {
            "h5", "keras", "npz", "npy", "safetensors", "weights.json", "thimble"};

    for (size_t i = 0; i < TMB_COUNT(cases); i++) {
        tmb__bytes file;
        char path[64];

        snprintf(path, sizeof path, "hostile/%s", cases[i].file);
        assert_ok(tmb__file_read(&file, test_golden(path), 1 << 20, TMB_EDATA));
        for (size_t e = 0; e < TMB_COUNT(endings); e++) {
            const char *copy = test_temp("x.%s", endings[e]);

            test_write(copy, file.data, file.size);
            if (cases[i].message) assert_true(try_file(copy) < 0);
        }
        tmb__free(file.data);
    }
}
