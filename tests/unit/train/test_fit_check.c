/* test_fit_check.c - what fit and prediction refuse: other classes, options out of range, too much */
#include "train_test.h"

/* A new net has no class names yet: the training data's are what validation is held against. */
TEST(fit_refuses_validation_of_other_classes)
{
    tmb_images *train, *validation;
    tmb_model *net = toy_net(1);

    toys_add("one", 0, 0, 4, TOY_SIDE, "bmp");
    toys_add("one", 1, 0, 4, TOY_SIDE, "bmp");
    toys_add("two", 1, 0, 4, TOY_SIDE, "bmp");
    toys_add("two", 2, 0, 4, TOY_SIDE, "bmp");
    train = toys_open(test_temp("one"), TMB_ALL, NULL);
    validation = toys_open(test_temp("two"), TMB_ALL, NULL);
    assert_ok(tmb_compile(net, .lr = 0.01f));
    assert_status(tmb_fit(net, train, .validation = validation), TMB_EDATA);
    assert_message("class 0 of the data is \"ring\", of the model \"disc\"");
    tmb_model_free(net);
    tmb_images_free(train);
    tmb_images_free(validation);
}

TEST(fit_refuses_options_out_of_range)
{
    tmb_images *images;
    tmb_model *net = toy_net(1);

    toys_add("set", 0, 0, 4, TOY_SIDE, "bmp");
    toys_add("set", 1, 0, 4, TOY_SIDE, "bmp");
    images = toys_open(test_temp("set"), TMB_ALL, NULL);
    assert_ok(tmb_compile(net, .lr = 0.01f));
    assert_status(tmb_fit(net, images, .monitor = (tmb_monitor)9), TMB_EINVAL);
    assert_status(tmb_fit(net, images, .patience = -1), TMB_EINVAL);
    assert_status(tmb_fit(net, images, .plateau = -1), TMB_EINVAL);
    assert_int_equal(tmb_model_history(net, NULL), 0);
    tmb_model_free(net);
    tmb_images_free(images);
}

TEST(predictor_refuses_no_pixels_and_huge_batches)
{
    const tmb_preprocess pre = {.size = {TOY_SIDE, TOY_SIDE},
            .channels = 3,
            .filter = TMB_BILINEAR,
            .scale = {1, 1, 1}};
    const tmb_image empty = {.width = 5, .height = 5, .channels = 3};
    tmb_model *net = toy_net(1);
    tmb_predictor *predictor;
    float p[2];

    assert_ok(tmb_model_set_preprocess(net, &pre));
    assert_status(tmb_predictor_new(&predictor, net, NULL, 1 << 30), TMB_EINVAL);
    assert_ok(tmb_predictor_new(&predictor, net, NULL, 2));
    assert_status(tmb_predict_image(predictor, &empty, p), TMB_EINVAL);
    tmb_predictor_free(predictor);
    tmb_model_free(net);
}
