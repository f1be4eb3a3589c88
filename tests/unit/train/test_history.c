/* test_history.c - history files: Keras' columns, lines of JSON, whole again after a resume */
#include "train_test.h"

#include <jansson.h>

static const tmb_epoch epochs[] = {
        {.number = 1,
                .epochs = 2,
                .loss = 0.75,
                .accuracy = 0.5,
                .validated = true,
                .val_loss = 0.6875,
                .val_accuracy = {0.625, 0.5, 0.75},
                .lr = 0.001,
                .seconds = 1.25,
                .images_per_second = 1600,
                .data_wait = 0.0625,
                .best = true},
        {.number = 2, .epochs = 2, .loss = 0.5, .accuracy = 0.75, .lr = 0.0001},
};

static char *text_of(const char *path)
{
    tmb__bytes bytes;

    assert_ok(tmb__file_read(&bytes, path, 1 << 20, TMB_EDATA));
    return test_keep(bytes.data);
}

static tmb__training training_of(int n)
{
    return (tmb__training){.history = (tmb_epoch *)(uintptr_t)epochs, .n_history = n};
}

static const char *const csv_text = "epoch,accuracy,learning_rate,loss,val_accuracy,val_loss\n"
                                    "0,0.5,0.001,0.75,0.625,0.6875\n"
                                    "1,0.75,0.0001,0.5,NA,NA\n";

TEST(history_csv_is_keras_csvlogger)
{
    const char *path = test_temp("log.csv");
    const tmb_fit_opts opts = {.csv = path};
    tmb__training training = training_of(1);

    tmb__history_write(&opts, &training, true);
    training = training_of(2);
    tmb__history_write(&opts, &training, false);
    assert_string_equal(text_of(path), csv_text);
}

/* A resumed training writes all lines anew, whatever an interrupted one left behind. */
TEST(history_is_whole_after_resume)
{
    const char *path = test_temp("log.csv");
    const tmb_fit_opts opts = {.csv = path};
    tmb__training training = training_of(2);

    test_write(path, "epoch,acc", 9);
    tmb__history_write(&opts, &training, true);
    assert_string_equal(text_of(path), csv_text);
}

TEST(history_jsonl_lines_are_json)
{
    const char *path = test_temp("log.jsonl");
    const tmb_fit_opts opts = {.jsonl = path};
    tmb__training training = training_of(2);
    char *text, *second;
    json_t *line;

    tmb__history_write(&opts, &training, true);
    text = text_of(path);
    second = strchr(text, '\n');
    assert_non_null(second);
    *second++ = '\0';
    line = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_int_equal(json_integer_value(json_object_get(line, "epoch")), 1);
    assert_near(json_real_value(json_object_get(line, "val_accuracy")), 0.625, 0);
    assert_near(json_real_value(json_object_get(line, "val_accuracy_low")), 0.5, 0);
    assert_true(json_is_true(json_object_get(line, "best")));
    json_decref(line);
    line = json_loads(second, JSON_REJECT_DUPLICATES, NULL);
    assert_near(json_number_value(json_object_get(line, "loss")), 0.5, 0);
    assert_null(json_object_get(line, "val_loss"));
    json_decref(line);
}

TEST(history_jsonl_has_no_nan)
{
    const char *path = test_temp("log.jsonl");
    const tmb_fit_opts opts = {.jsonl = path};
    tmb_epoch bad = epochs[0];
    tmb__training training = {.history = &bad, .n_history = 1};
    json_t *line;

    bad.val_loss = NAN;
    tmb__history_write(&opts, &training, true);
    line = json_loads(text_of(path), 0, NULL);
    assert_true(json_is_null(json_object_get(line, "val_loss")));
    json_decref(line);
}

static void count_warnings(void *user, tmb_log_level level, const char *line)
{
    if (level == TMB_WARN && strstr(line, "history")) ++*(int *)user;
}

TEST(history_that_cannot_be_written_is_a_warning)
{
    const char *path = test_temp("no/such/folder/log.csv");
    const tmb_fit_opts opts = {.csv = path};
    tmb__training training = training_of(2);
    int warnings = 0;

    tmb_log_set(count_warnings, &warnings, TMB_WARN);
    tmb__history_write(&opts, &training, true);
    assert_int_equal(warnings, 1);
}

/* A full disk is told once in a training, not at every epoch of it. */
TEST(history_full_disk_is_one_warning)
{
    const tmb_fit_opts opts = {.jsonl = "/dev/full"};
    tmb__training training = training_of(2);
    int warnings = 0;

    if (tmb__file_exists("/dev/full") != 3) SKIP("there is no /dev/full");
    tmb_log_set(count_warnings, &warnings, TMB_WARN);
    for (int i = 0; i < 3; i++)
        tmb__history_write(&opts, &training, i == 0);
    assert_int_equal(warnings, 1);
    tmb__history_write(&opts, &training, true);
    assert_int_equal(warnings, 2);
}
