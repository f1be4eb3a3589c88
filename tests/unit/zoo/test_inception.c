/* test_inception.c - InceptionV3 against Keras */
#include "net_keras.h"

TEST(zoo_inception_v3_features_equal_keras)
{
    check_features("inception_v3", 150);
    check_features("inception_v3", 224);
    check_scores("inception_v3", 75);
}
