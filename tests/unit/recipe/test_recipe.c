/* test_recipe.c - the recipes' nets and settings: keras2016 to the letter of keras.md 7 */
#include "test.h"

#include "recipe/recipe.h"

#include <string.h>

static tmb_recipe recipe_of(const char *name)
{
    tmb_recipe recipe;

    assert_ok(tmb_recipe_get(&recipe, name));
    return recipe;
}

static tmb_model *net_of(const char *name, int classes)
{
    const tmb_recipe recipe = recipe_of(name);
    tmb_model *net;

    assert_ok(tmb_recipe_model(&net, &recipe, classes));
    return net;
}

typedef struct layer_row {
    const char *class_name;
    int rank, shape[3];
    int64_t params;
} layer_row;

/* keras.md 3: 150 -> 148 -> 74 -> 72 -> 36 -> 34 -> 17, and 18496 into the dense layer. */
static const layer_row post[] = {
        {"Conv2D", 3, {148, 148, 32}, 896},
        {"MaxPooling2D", 3, {74, 74, 32}, 0},
        {"Conv2D", 3, {72, 72, 32}, 9248},
        {"MaxPooling2D", 3, {36, 36, 32}, 0},
        {"Conv2D", 3, {34, 34, 64}, 18496},
        {"MaxPooling2D", 3, {17, 17, 64}, 0},
        {"Flatten", 1, {18496}, 0},
        {"Dense", 1, {64}, 1183808},
        {"Dropout", 1, {64}, 0},
        {"Dense", 1, {1}, 65},
};

TEST(recipe_keras2016_net_is_the_posts)
{
    tmb_model *net = net_of("keras2016", 2);
    const int n = (int)TMB_COUNT(post);

    assert_int_equal(tmb_model_params(net, false), 1212513);
    assert_int_equal(tmb_model_params(net, true), 1212513);
    assert_int_equal(tmb_model_layers(net), n + 1); /* the input is the first */
    for (int i = 0; i < n; i++) {
        tmb_layer_info info;

        assert_ok(tmb_model_layer(net, i + 2, &info));
        assert_string_equal(info.class_name, post[i].class_name);
        assert_int_equal(info.rank, post[i].rank);
        assert_int_equal(info.params, post[i].params);
        for (int k = 0; k < info.rank; k++)
            assert_int_equal(info.shape[k], post[i].shape[k]);
    }
    tmb_model_free(net);
}

TEST(recipe_keras2016_settings_are_the_posts)
{
    const tmb_recipe r = recipe_of("keras2016");

    assert_int_equal(r.batch, 16);
    assert_int_equal(r.epochs, 50);
    assert_true(r.shuffle_once);
    assert_int_equal(r.preprocess.size[0], 150);
    assert_int_equal(r.preprocess.size[1], 150);
    assert_int_equal(r.preprocess.filter, TMB_NEAREST);
    assert_int_equal(r.preprocess.fit, TMB_STRETCH);
    assert_true(r.preprocess.ignore_exif);
    assert_float_equal(r.preprocess.scale[1], 1 / 255.0f, 0);
    assert_int_equal(r.augment.preset, TMB_PRESET_KERAS2016);
    assert_float_equal(r.augment.shear, 0.2f, 0); /* radians */
    assert_float_equal(r.augment.zoom[0], 0.8f, 0);
    assert_float_equal(r.augment.zoom[1], 1.2f, 0);
    assert_true(r.augment.horizontal_flip);
    assert_int_equal(r.compile.optimizer, TMB_RMSPROP);
    assert_float_equal(r.compile.lr, 0.001f, 0);
    assert_float_equal(r.compile.rho, 0.9f, 0);
    assert_float_equal(r.compile.epsilon, 1e-8f, 0);
    assert_true(r.compile.epsilon_outside);
    assert_int_equal(r.compile.schedule, TMB_CONSTANT);
    assert_float_equal(r.dropout, 0.5f, 0);
}

TEST(recipe_nets_tell_any_number_of_classes_apart)
{
    const char *name;

    for (int i = 0; (name = tmb_recipe_name(i)) != NULL; i++) {
        for (int classes = 2; classes <= 7; classes += 5) {
            tmb_model *net = net_of(name, classes);
            const int outputs = tmb_model_outputs(net);

            assert_true(outputs == classes || (outputs == 1 && classes == 2));
            assert_non_null(tmb_model_preprocess(net));
            tmb_model_free(net);
        }
    }
}

TEST(recipe_compiles_as_it_is)
{
    const char *name;

    for (int i = 0; (name = tmb_recipe_name(i)) != NULL; i++) {
        const tmb_recipe recipe = recipe_of(name);
        tmb_model *net = net_of(name, 2);

        assert_non_null(recipe.about);
        assert_ok(tmb_model_compile(net, &recipe.compile));
        tmb_model_free(net);
    }
}

TEST(recipe_best_is_the_default)
{
    const tmb_recipe recipe = recipe_of(NULL);

    assert_string_equal(recipe.name, "best");
    assert_string_equal(tmb_recipe_name(0), "best");
    assert_null(tmb_recipe_name(-1));
    assert_null(tmb_recipe_name(1000));
}

TEST(recipe_refuses_with_a_hint)
{
    tmb_recipe recipe;
    tmb_model *net;

    assert_status(tmb_recipe_get(&recipe, "worst"), TMB_EINVAL);
    assert_message("worst");
    for (int i = 0; tmb_recipe_name(i); i++)
        assert_non_null(strstr(tmb_errhint(), tmb_recipe_name(i)));
    assert_status(tmb_recipe_get(NULL, "best"), TMB_EINVAL);
    recipe = recipe_of("keras2016");
    assert_status(tmb_recipe_model(&net, &recipe, 1), TMB_EINVAL);
    assert_null(net);
    recipe.preprocess.size[0] = 9; /* too small for three poolings */
    assert_status(tmb_recipe_model(&net, &recipe, 2), TMB_EINVAL);
    assert_null(net);
    assert_status(tmb_recipe_model(NULL, &recipe, 2), TMB_EINVAL);
    assert_status(tmb_recipe_model(&net, NULL, 2), TMB_EINVAL);
}
