/* test_resnet.c - ResNet50 against Keras */
#include "net_keras.h"

TEST(zoo_resnet50_features_equal_keras)
{
    check_features("resnet50", 150);
    check_features("resnet50", 224);
    check_scores("resnet50", 64);
}
