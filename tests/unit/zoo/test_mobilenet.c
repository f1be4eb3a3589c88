/* test_mobilenet.c - MobileNet and MobileNetV2 against Keras */
#include "net_keras.h"

TEST(zoo_mobilenet_features_equal_keras)
{
    check_features("mobilenet", 150);
    check_features("mobilenet", 224);
    check_scores("mobilenet", 64);
}

TEST(zoo_mobilenet_v2_features_equal_keras)
{
    check_features("mobilenet_v2", 150);
    check_features("mobilenet_v2", 224);
    check_scores("mobilenet_v2", 64);
}
