/* test_features_file.c - features in files: round trip, what is beside them, refusals, cut-off writing */
#include "head_test.h"

#include <stdio.h>

static const char *const names[] = {"cat", "d\xc3\xb6g"};
static const char *const keys[] = {"cat/1.jpg", "d/2\xff.jpg", "cat/3.jpg", "d/4.jpg"};
static const int64_t group[] = {5, 5, -7, 8};

static tmb_features small(void)
{
    tmb_features f = drawn_features(4, 6, 2, 1, 1);

    f.shape[0] = 1;
    f.shape[1] = 2;
    f.shape[2] = 3;
    f.views = 1;
    f.group = group;
    f.class_names = names;
    f.keys = keys;
    f.backbone = "mobilenet_v2";
    f.fingerprint = "abc";
    return f;
}

TEST(features_file_round_trip)
{
    const tmb_features f = small();
    const char *path = test_temp("a.npy");
    tmb__array array;
    tmb_features g;

    assert_ok(tmb_features_save(&f, path));
    assert_ok(tmb_features_open(&g, path, &f));
    assert_int_equal(g.n, 4);
    assert_memory_equal(g.shape, f.shape, sizeof f.shape);
    assert_memory_equal(g.x, f.x, 24 * sizeof(float));
    assert_memory_equal(g.label, f.label, 4 * sizeof(int32_t));
    assert_memory_equal(g.group, group, sizeof group);
    assert_int_equal(g.classes, 2);
    assert_string_equal(g.class_names[1], names[1]);
    assert_string_equal(g.keys[0], "cat/1.jpg");
    assert_string_equal(g.keys[1], "d/2\\xff.jpg");
    assert_string_equal(g.backbone, "mobilenet_v2");
    tmb_features_free(&g);
    assert_null(g.x);
    assert_ok(tmb__npy_read(&array, path)); /* as NumPy would */
    assert_int_equal(array.shape.rank, 4);
    assert_int_equal(array.shape.dim[3], 3);
    tmb__free(array.data);
}

TEST(features_file_without_names_is_whole)
{
    const tmb_features f = drawn_features(6, 3, 3, 1, 1);
    const char *path = test_temp("b"); /* no ending: the .json is added to it */
    tmb_features g;

    assert_ok(tmb_features_save(&f, path));
    assert_int_equal(tmb__file_exists(test_temp("b.json")), 1);
    assert_ok(tmb_features_open(&g, path, NULL));
    assert_int_equal(g.shape[1], 0);
    assert_null(g.class_names);
    assert_null(g.group);
    tmb_features_free(&g);
}

static void refused(const char *path, const tmb_features *like, const char *message)
{
    tmb_features g;

    assert_status(tmb_features_open(&g, path, like), TMB_EDATA);
    assert_message(message);
    assert_null(g.memory);
}

TEST(features_file_of_another_kind_is_refused)
{
    const char *path = test_temp("a.npy"), *const swapped[] = {names[1], names[0]};
    tmb_features f = small(), like = f;

    assert_ok(tmb_features_save(&f, path));
    like.shape[2] = 4;
    refused(path, &like, "rows of (1, 2, 3), expected (1, 2, 4)");
    like = f;
    like.views = 2;
    refused(path, &like, "1 views of each photo, expected 2");
    like = f;
    like.classes = 3;
    refused(path, &like, "2 classes, expected 3");
    like = f;
    like.class_names = swapped;
    refused(path, &like, "features of class \"cat\", expected \"d\xc3\xb6g\"");
    like = f;
    like.backbone = "vgg16";
    refused(path, &like, "network \"mobilenet_v2\", expected \"vgg16\"");
    like = f;
    like.fingerprint = "abd";
    refused(path, &like, "fingerprint \"abc\", expected \"abd\"");
}

TEST(features_files_that_do_not_belong_together_are_refused)
{
    const char *path = test_temp("a.npy"), *json = test_temp("a.json");
    const char *const edits[] = {"\"labels\":[0,1,0,1]", "\"labels\":[0,1,0,2]",
            "\"labels\":[0,1,0,1]", "\"labels\":[0,1,0]", "\"views\":1", "\"views\":0",
            "\"groups\":[5,5,-7,8]", "\"groups\":[5,5,-7,8.5]"};
    const tmb_features f = small();
    tmb__bytes text, changed;
    tmb__array array;

    for (size_t i = 0; i < TMB_COUNT(edits); i += 2) {
        tmb__strbuf sb = {0};
        char *at;

        assert_ok(tmb_features_save(&f, path));
        assert_ok(tmb__file_read(&text, json, 1 << 20, TMB_EDATA));
        at = strstr((char *)text.data, edits[i]);
        assert_non_null(at);
        *at = '\0';
        tmb__strbuf_add(&sb, "%s%s%s", (char *)text.data, edits[i + 1], at + strlen(edits[i]));
        changed = (tmb__bytes){(uint8_t *)sb.text, sb.len};
        assert_ok(tmb__file_replace(json, &changed, 1));
        refused(path, NULL, "labels, groups, keys or classes are not those of the rows");
        tmb__strbuf_free(&sb);
        tmb__free(text.data);
    }
    assert_ok(tmb_features_save(&f, path));
    assert_ok(tmb__npy_read(&array, path));
    ((float *)array.data)[0] += 1;
    assert_ok(tmb__npy_write(&array, path));
    tmb__free(array.data);
    refused(path, NULL, "a.json: belongs to another .npy than the one beside it");
    test_write(json, "{}", 2);
    refused(path, NULL, "not what is known of features");
    assert_int_equal(remove(json), 0);
    refused(path, NULL, "a.json");
}

TEST(features_writer_streams_and_leaves_nothing_half_done)
{
    const tmb_features f = drawn_features(10, 6, 2, 1, 1);
    const char *path = test_temp("a.npy");
    tmb__features_writer *writer;
    tmb_features g;

    assert_ok(tmb__features_begin(&writer, &f, path));
    assert_ok(tmb__features_add(writer, f.x, 4));
    assert_status(tmb__features_end(writer, 0), TMB_EBUG);
    assert_message("4 rows came, 10 expected");
    assert_int_equal(tmb__file_exists(path), 0);

    assert_ok(tmb__features_begin(&writer, &f, path));
    assert_ok(tmb__features_add(writer, f.x, 4));
    assert_int_equal(tmb__file_exists(path), 0);
    assert_ok(tmb__features_add(writer, f.x + 4 * 6, 6));
    assert_ok(tmb__features_end(writer, 0));
    assert_ok(tmb_features_open(&g, path, &f));
    assert_memory_equal(g.x, f.x, 60 * sizeof(float));
    tmb_features_free(&g);
}

static void every_call_fails(tmb__gate_kind kind, bool writing)
{
    const tmb_features f = small();
    const char *path = test_temp("a.npy");

    assert_ok(tmb_features_save(&f, path));
    for (int64_t n = 0;; n++) {
        tmb_features g = {0};
        int status;

        test_fail_from(kind, n, 1);
        status = writing ? tmb_features_save(&f, path) : tmb_features_open(&g, path, NULL);
        if (!test_fail_end()) {
            assert_ok(status);
            tmb_features_free(&g);
            break;
        }
        assert_true(status < 0);
        assert_true(kind != TMB_GATE_ALLOC || status == TMB_ENOMEM);
    }
}

TEST(features_file_failing_calls_are_errors)
{
    every_call_fails(TMB_GATE_ALLOC, true);
    every_call_fails(TMB_GATE_ALLOC, false);
    every_call_fails(TMB_GATE_IO, true);
    every_call_fails(TMB_GATE_IO, false);
}
