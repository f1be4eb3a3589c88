/* test_vgg.c - VGG16 and VGG19 against Keras */
#include "net_keras.h"

TEST(zoo_vgg16_features_equal_keras)
{
    check_features("vgg16", 150);
    check_features("vgg16", 224);
    check_scores("vgg16", 64);
}

TEST(zoo_vgg19_features_equal_keras)
{
    check_features("vgg19", 150);
    check_features("vgg19", 224);
    check_scores("vgg19", 64);
}
