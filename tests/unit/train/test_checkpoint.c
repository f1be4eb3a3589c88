/* test_checkpoint.c - what a checkpoint is, and which ones are refused, without loss */
#include "train_test.h"

static tmb_model *compiled(const tmb_compile_opts *opts)
{
    tmb_model *net = toy_net(1);

    assert_ok(tmb_model_compile(net, opts));
    return net;
}

static const tmb_compile_opts adam = {.optimizer = TMB_ADAM, .seed = 1};

typedef struct fixture {
    const char *folder, *checkpoint;
    tmb_images *train, *validation;
    tmb__bytes bytes; /* of the checkpoint after one epoch of two */
} fixture;

static int enough(void *user, const tmb_epoch *epoch)
{
    (void)user;
    return epoch->number == 1;
}

static fixture made(void)
{
    fixture f = {.folder = toys_draw("toys", 2, 8), .checkpoint = test_temp("c.thimble")};
    tmb_model *net = compiled(&adam);

    f.train = toys_open(f.folder, TMB_TRAIN, NULL);
    f.validation = toys_open(f.folder, TMB_VALIDATION, NULL);
    assert_ok(tmb_fit(net, f.train, .epochs = 2, .validation = f.validation,
            .checkpoint = f.checkpoint, .on_epoch = enough));
    f.bytes = file_bytes(f.checkpoint);
    tmb_model_free(net);
    return f;
}

static void fixture_free(fixture *f)
{
    tmb_images_free(f->train);
    tmb_images_free(f->validation);
}

/* Refused with this status: the file is as it was, and so are the net's weights. */
static void refused(
        const fixture *f, tmb_model *net, tmb_images *train, tmb_fit_opts fit, int status)
{
    const size_t bytes = (size_t)net->n_weights * sizeof *net->weights;
    float *before = test_keep(tmb__calloc((size_t)net->n_weights, sizeof *before));
    tmb__bytes now;

    memcpy(before, net->weights, bytes);
    fit.epochs = fit.epochs ? fit.epochs : 2;
    fit.checkpoint = f->checkpoint;
    fit.resume = true;
    assert_status(tmb_model_fit(net, train, &fit), status);
    assert_true(strlen(tmb_errmsg()) > 0);
    assert_true(memcmp(before, net->weights, bytes) == 0);
    now = file_bytes(f->checkpoint);
    assert_int_equal(now.size, f->bytes.size);
    assert_true(memcmp(now.data, f->bytes.data, now.size) == 0);
}

TEST(checkpoint_opens_as_the_model_it_holds)
{
    fixture f = made();
    tmb_model *net;

    assert_ok(tmb_model_open(&net, f.checkpoint));
    assert_int_equal(tmb_model_classes(net), 2);
    assert_string_equal(tmb_model_class_name(net, 0), "disc");
    tmb_model_free(net);
    fixture_free(&f);
}

TEST(checkpoint_of_other_options_is_refused)
{
    const tmb_compile_opts others[] = {{.optimizer = TMB_RMSPROP, .seed = 1},
            {.optimizer = TMB_ADAM, .seed = 2}, {.optimizer = TMB_ADAM, .seed = 1, .lr = 0.002f},
            {.optimizer = TMB_ADAM, .seed = 1, .average = 0.9f},
            {.optimizer = TMB_ADAM, .seed = 1, .schedule = TMB_COSINE},
            {.optimizer = TMB_ADAM, .seed = 1, .label_smoothing = 0.1f}};
    fixture f = made();

    for (size_t i = 0; i < TMB_COUNT(others); i++) {
        tmb_model *net = compiled(&others[i]);

        refused(&f, net, f.train, (tmb_fit_opts){.validation = f.validation}, TMB_EINVAL);
        assert_message("now ");
        tmb_model_free(net);
    }
    fixture_free(&f);
}

/* The message names what differs. */
TEST(checkpoint_refusal_names_the_option)
{
    const tmb_compile_opts other = {.optimizer = TMB_ADAM, .seed = 1, .lr = 0.25f};
    fixture f = made();
    tmb_model *net = compiled(&other);

    refused(&f, net, f.train, (tmb_fit_opts){.validation = f.validation}, TMB_EINVAL);
    assert_message("lr=0.00100000005, now lr=0.25");
    tmb_model_free(net);
    net = compiled(&adam);
    refused(&f, net, f.train, (tmb_fit_opts){.validation = f.validation, .balanced = true},
            TMB_EINVAL);
    assert_message("class_weight=none, now class_weight=1,1");
    tmb_model_free(net);
    fixture_free(&f);
}

TEST(checkpoint_of_other_photo_options_is_refused)
{
    const tmb_images_opts others[] = {{.batch = 4}, {.batch = 8, .seed = 1},
            {.batch = 8, .augment = {.rotation = 5}},
            {.batch = 8, .augment = {.horizontal_flip = true}},
            {.batch = 8, .filter = TMB_NEAREST}};
    fixture f = made();

    for (size_t i = 0; i < TMB_COUNT(others); i++) {
        tmb_model *net = compiled(&adam);
        tmb_images *train = toys_open(f.folder, TMB_TRAIN, &others[i]);

        refused(&f, net, train, (tmb_fit_opts){.validation = f.validation}, TMB_EINVAL);
        tmb_model_free(net);
        tmb_images_free(train);
    }
    fixture_free(&f);
}

TEST(checkpoint_of_other_photos_is_refused)
{
    fixture f = made();
    tmb_model *net = compiled(&adam);
    tmb_images *more;

    refused(&f, net, f.train, (tmb_fit_opts){0}, TMB_EDATA); /* validation is missing */
    assert_message("validation photos");
    toys_add("toys/train", 0, 500, 1, TOY_SIDE, "bmp");
    more = toys_open(f.folder, TMB_TRAIN, NULL);
    refused(&f, net, more, (tmb_fit_opts){.validation = f.validation}, TMB_EDATA);
    assert_message("training photos");
    tmb_images_free(more);
    tmb_model_free(net);
    fixture_free(&f);
}

static bool gains(tmb_backend_device *device)
{
    return device != NULL;
}

TEST(checkpoint_of_another_precision_is_refused)
{
    fixture f = made();
    tmb_model *net = compiled(&adam);
    tmb_backend twin;
    tmb_device *device;

    assert_ok(tmb_device_open(&device, "ref", 1));
    twin = *device->backend;
    twin.bf16 = gains;
    device->backend = &twin;
    assert_ok(tmb_device_set_precision(device, TMB_PRECISION_BF16));
    assert_ok(tmb_model_set_device(net, device));
    refused(&f, net, f.train, (tmb_fit_opts){.validation = f.validation}, TMB_EINVAL);
    assert_message("the checkpoint was computed in f32, now it is to be bf16");
    tmb_model_free(net);
    tmb_device_free(device);
    fixture_free(&f);
}

TEST(checkpoint_of_another_net_is_refused)
{
    fixture f = made();
    tmb_model *net;

    assert_ok(tmb_model_new(&net, TOY_SIDE, TOY_SIDE, 3));
    tmb_flatten(net);
    tmb_dense(net, .units = 1, .activation = TMB_SIGMOID);
    assert_ok(tmb_model_compile(net, &adam));
    refused(&f, net, f.train, (tmb_fit_opts){.validation = f.validation}, TMB_EMODEL);
    assert_message("another net");
    tmb_model_free(net);
    fixture_free(&f);
}

/* More epochs are fine where the rate does not follow from their number; more patience always. */
TEST(checkpoint_goes_on_for_more_epochs)
{
    fixture f = made();
    tmb_model *net = compiled(&adam), *straight = compiled(&adam);

    assert_ok(tmb_fit(net, f.train, .epochs = 3, .validation = f.validation,
            .checkpoint = f.checkpoint, .resume = true, .patience = 5));
    assert_ok(tmb_fit(straight, f.train, .epochs = 3, .validation = f.validation));
    assert_true(memcmp(net->weights, straight->weights,
                        (size_t)net->n_weights * sizeof *net->weights) == 0);
    tmb_model_free(net);
    tmb_model_free(straight);
    fixture_free(&f);
}

TEST(checkpoint_that_is_none_is_refused)
{
    fixture f = made();
    tmb_model *net = compiled(&adam);
    tmb_fit_opts fit = {.validation = f.validation};

    /* A model without training state, by the same net. */
    assert_ok(tmb_fit(net, f.train, .epochs = 1));
    assert_ok(tmb_model_save(net, f.checkpoint));
    f.bytes = file_bytes(f.checkpoint);
    refused(&f, net, f.train, fit, TMB_EMODEL);
    assert_message("not a checkpoint");
    /* Damaged, and not a file of ours at all. */
    f.bytes.data[f.bytes.size / 2] ^= 1;
    test_write(f.checkpoint, f.bytes.data, f.bytes.size);
    refused(&f, net, f.train, fit, TMB_EMODEL);
    f.bytes.size = 11;
    memcpy(f.bytes.data, "hello world", 11);
    test_write(f.checkpoint, f.bytes.data, 11);
    refused(&f, net, f.train, fit, TMB_EMODEL);
    f.bytes.size = 0;
    test_write(f.checkpoint, "", 0);
    refused(&f, net, f.train, fit, TMB_EMODEL);
    tmb_model_free(net);
    fixture_free(&f);
}

/* resume without a file is a first run. */
TEST(checkpoint_need_not_be_there)
{
    fixture f = made();
    tmb_model *net = compiled(&adam);

    assert_ok(tmb_fit(
            net, f.train, .epochs = 1, .checkpoint = test_temp("new.thimble"), .resume = true));
    assert_int_equal(tmb__file_exists(test_temp("new.thimble")), 1);
    tmb_model_free(net);
    fixture_free(&f);
}

TEST(checkpoint_that_cannot_be_written_ends_the_training)
{
    fixture f = made();
    tmb_model *net = compiled(&adam);

    assert_status(tmb_fit(net, f.train, .epochs = 1, .checkpoint = test_temp("no/such/c.thimble")),
            TMB_EOUTPUT);
    tmb_model_free(net);
    fixture_free(&f);
}
