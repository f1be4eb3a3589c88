"""layers.npz: forward and backward of single Keras layers.

Made with keras 3.15.1, tensorflow-cpu 2.21.0, numpy 2.4.6, python 3.11.
Per case: x (or x0, x1), the weights, y, dy (upstream gradient), dx, d<weight>. Inputs are float32, results were
computed and are stored in float64. NHWC, kernels HWIO.
"""
import numpy as np

from golden_io import normal, quiet_keras, save

keras = quiet_keras("float64")
layers, activations = keras.layers, keras.activations
import tensorflow as tf

ACTIVATIONS = ("relu relu6 sigmoid softmax tanh linear elu selu softplus leaky_relu gelu silu").split()
MORE_ACTIVATIONS = "hard_sigmoid softsign exponential hard_silu mish log_softmax".split()


def gelu_tanh(x):
    return activations.gelu(x, approximate=True)


# name, layer, input shapes
CASES = [
    ("conv_valid", layers.Conv2D(4, 3), [(2, 7, 6, 3)]),
    ("conv_same", layers.Conv2D(4, 3, padding="same"), [(2, 6, 7, 3)]),
    ("conv_same_stride2_even", layers.Conv2D(4, 3, strides=2, padding="same"), [(2, 8, 6, 3)]),
    ("conv_same_stride2_odd", layers.Conv2D(4, 3, strides=2, padding="same"), [(2, 7, 9, 3)]),
    ("conv_dilated", layers.Conv2D(3, 3, dilation_rate=2, padding="same"), [(2, 8, 7, 2)]),
    ("conv_groups", layers.Conv2D(6, 3, groups=2, padding="same"), [(2, 6, 5, 4)]),
    ("conv_1x1", layers.Conv2D(5, 1), [(3, 5, 6, 8)]),
    ("conv_5x3", layers.Conv2D(3, (5, 3), padding="same"), [(2, 7, 8, 2)]),
    ("conv_nobias", layers.Conv2D(4, 3, use_bias=False), [(2, 6, 6, 3)]),
    ("conv_relu", layers.Conv2D(4, 3, activation="relu"), [(2, 7, 6, 3)]),
    ("depthwise_same", layers.DepthwiseConv2D(3, padding="same"), [(2, 6, 7, 4)]),
    ("depthwise_stride2", layers.DepthwiseConv2D(3, strides=2, padding="same"), [(2, 8, 7, 4)]),
    ("depthwise_mult2", layers.DepthwiseConv2D(3, depth_multiplier=2), [(2, 6, 7, 3)]),
    ("separable", layers.SeparableConv2D(5, 3, depth_multiplier=2, padding="same"), [(2, 7, 6, 3)]),
    ("maxpool_2x2", layers.MaxPooling2D(), [(2, 8, 6, 3)]),
    ("maxpool_2x2_odd", layers.MaxPooling2D(), [(2, 7, 9, 3)]),
    ("maxpool_3x3_s2_same", layers.MaxPooling2D(3, 2, padding="same"), [(2, 7, 8, 3)]),
    ("avgpool_2x2", layers.AveragePooling2D(2), [(2, 8, 7, 3)]),
    ("avgpool_3x3_s2_same", layers.AveragePooling2D(3, 2, padding="same"), [(2, 7, 8, 3)]),
    ("global_avg", layers.GlobalAveragePooling2D(), [(3, 5, 6, 4)]),
    ("global_max", layers.GlobalMaxPooling2D(), [(3, 5, 6, 4)]),
    ("dense", layers.Dense(5), [(3, 7)]),
    ("dense_relu", layers.Dense(5, activation="relu"), [(3, 7)]),
    ("dense_on_4d", layers.Dense(4), [(2, 3, 5, 6)]),
    ("batchnorm_train", layers.BatchNormalization(momentum=0.9), [(3, 5, 6, 4)]),
    ("batchnorm_infer", layers.BatchNormalization(momentum=0.9), [(3, 5, 6, 4)]),
    ("zeropad", layers.ZeroPadding2D(((1, 2), (0, 3))), [(2, 5, 6, 3)]),
    ("add", layers.Add(), [(2, 5, 6, 3)] * 2),
    ("concat", layers.Concatenate(), [(2, 5, 6, 3), (2, 5, 6, 2)]),
    ("reshape", layers.Reshape((4, 9, 2)), [(2, 6, 6, 2)]),
    ("rescaling", layers.Rescaling(1 / 127.5, offset=-1.0), [(2, 5, 6, 3)]),
    ("flatten", layers.Flatten(), [(2, 5, 3, 4)]),
] + [("act_" + name, layers.Activation(name), [(3, 8)]) for name in ACTIVATIONS] + [
    ("conv_same_even", layers.Conv2D(3, (2, 4), padding="same"), [(2, 7, 6, 2)]),
    ("conv_same_even_stride3", layers.Conv2D(3, 4, strides=3, padding="same"), [(2, 8, 7, 2)]),
    ("conv_dilated_valid", layers.Conv2D(3, (3, 2), dilation_rate=(2, 3)), [(2, 8, 7, 2)]),
    ("conv_groups_stride2", layers.Conv2D(6, 3, strides=2, groups=3), [(2, 7, 8, 6)]),
    ("depthwise_dilated_mult3", layers.DepthwiseConv2D((3, 2), dilation_rate=2, depth_multiplier=3, padding="same"),
     [(2, 6, 7, 2)]),
    ("separable_stride2_relu", layers.SeparableConv2D(4, (2, 3), strides=2, padding="same", activation="relu"),
     [(2, 7, 6, 3)]),
    ("maxpool_2x3_s1_same", layers.MaxPooling2D((2, 3), 1, padding="same"), [(2, 5, 6, 3)]),
    ("maxpool_3x2_s3", layers.MaxPooling2D((3, 2), (3, 1)), [(2, 8, 6, 3)]),
    ("avgpool_4x2_s3_same", layers.AveragePooling2D((4, 2), 3, padding="same"), [(2, 7, 8, 3)]),
    ("avgpool_2x3_s1_same", layers.AveragePooling2D((2, 3), 1, padding="same"), [(2, 5, 6, 3)]),
    ("global_avg_keepdims", layers.GlobalAveragePooling2D(keepdims=True), [(3, 5, 6, 4)]),
    ("global_max_keepdims", layers.GlobalMaxPooling2D(keepdims=True), [(3, 5, 6, 4)]),
    ("cropping", layers.Cropping2D(((1, 2), (0, 3))), [(2, 6, 7, 3)]),
    ("layernorm", layers.LayerNormalization(), [(2, 4, 5, 6)]),
    ("layernorm_flat", layers.LayerNormalization(epsilon=1e-6, scale=False), [(3, 9)]),
    ("permute", layers.Permute((3, 1, 2)), [(2, 4, 3, 5)]),
    ("upsampling", layers.UpSampling2D((2, 3)), [(2, 4, 3, 3)]),
    ("upsampling_bilinear", layers.UpSampling2D((3, 2), interpolation="bilinear"), [(2, 4, 5, 3)]),
    ("multiply", layers.Multiply(), [(2, 5, 6, 3)] * 2),
    ("average", layers.Average(), [(2, 5, 6, 3)] * 2),
    ("maximum", layers.Maximum(), [(2, 5, 6, 3)] * 2),
    ("minimum", layers.Minimum(), [(2, 5, 6, 3)] * 2),
    ("subtract", layers.Subtract(), [(2, 5, 6, 3)] * 2),
    ("relu", layers.ReLU(), [(3, 8)]),
    ("relu_max6", layers.ReLU(6), [(3, 8)]),
    ("relu_slope", layers.ReLU(negative_slope=0.1), [(3, 8)]),
    ("relu_max", layers.ReLU(max_value=1.5, negative_slope=0.2, threshold=0.5), [(3, 8)]),
    ("relu_threshold", layers.ReLU(threshold=0.7), [(3, 8)]),
    ("leaky_relu", layers.LeakyReLU(), [(3, 8)]),
    ("elu", layers.ELU(0.5), [(3, 8)]),
    ("softmax", layers.Softmax(), [(3, 8)]),
    ("prelu", layers.PReLU(), [(2, 3, 4, 5)]),
    ("prelu_shared", layers.PReLU(shared_axes=[1, 2]), [(2, 3, 4, 5)]),
    ("prelu_flat", layers.PReLU(shared_axes=[1]), [(3, 8)]),
] + [("act_" + name, layers.Activation(name), [(3, 8)]) for name in MORE_ACTIVATIONS] + [
    ("act_gelu_tanh", layers.Activation(gelu_tanh), [(3, 8)]),
]


def wide(array):
    return tf.constant(array, tf.float64)


def set_weights(layer, rng):
    """Give every weight float32 values; variances and gammas stay positive."""
    for weight in layer.weights:
        value = normal(rng, *weight.shape)
        if weight.name in ("gamma", "moving_variance"):
            value = np.abs(value) + np.float32(0.5)
        weight.assign(value.astype(np.float64))
        yield weight, value


def run(name, layer, shapes, rng):
    keys = ["x"] if len(shapes) == 1 else ["x%d" % i for i in range(len(shapes))]
    scale = np.float32(3 if name.startswith(("act_", "relu_")) else 1)
    values = [normal(rng, *shape) * scale for shape in shapes]
    if name == "rescaling":
        values = [np.float32(rng.integers(0, 256, shapes[0]))]
    inputs = [wide(v) for v in values]
    feed = inputs[0] if len(inputs) == 1 else inputs
    out = dict(zip(keys, values))
    layer.build(shapes[0] if len(shapes) == 1 else shapes)
    for weight, value in set_weights(layer, rng):
        out[weight.name] = value

    trained = layer.trainable_weights
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = layer(feed, training=name == "batchnorm_train")
        dy = normal(rng, *y.shape)
        target = tf.reduce_sum(y * wide(dy))
    grads = tape.gradient(target, inputs + [w.value for w in trained])
    out["y"], out["dy"] = y.numpy(), dy
    out.update(zip(["d" + k for k in keys + [w.name for w in trained]], [g.numpy() for g in grads]))
    if name == "batchnorm_train":
        out["new_moving_mean"] = layer.moving_mean.numpy()
        out["new_moving_variance"] = layer.moving_variance.numpy()
    return {"%s/%s" % (name, k): v for k, v in out.items()}


arrays = {}
for number, (name, layer, shapes) in enumerate(CASES):
    arrays.update(run(name, layer, shapes, np.random.default_rng(100 + number)))

# Constraints: w before, y after.
CONSTRAINTS = [
    ("max_norm", keras.constraints.MaxNorm(1.5, axis=[0, 1, 2]), (3, 2, 4, 5)),
    ("max_norm_dense", keras.constraints.MaxNorm(), (9, 5)),
    ("non_neg", keras.constraints.NonNeg(), (3, 2, 4, 5)),
    ("unit_norm", keras.constraints.UnitNorm(axis=[0, 1, 2]), (3, 2, 4, 5)),
    ("unit_norm_rows", keras.constraints.UnitNorm(axis=1), (9, 5)),
    ("min_max_norm", keras.constraints.MinMaxNorm(4.5, 5, 0.25, axis=[0, 1, 2]), (3, 2, 4, 5)),
]
for number, (name, constraint, shape) in enumerate(CONSTRAINTS):
    w = normal(np.random.default_rng(1000 + number), *shape)
    arrays["constraint_%s/w" % name] = w
    arrays["constraint_%s/y" % name] = constraint(wide(w)).numpy()

# Random layers, made certain by ranges of one value: x and y in training. The resampler works in float32.
keras.config.set_floatx("float32")
RANDOM = [
    ("rotation", layers.RandomRotation((0.1, 0.1)), 1),
    ("rotation_constant", layers.RandomRotation((-0.2, -0.2), fill_mode="constant", fill_value=9.0), 1),
    ("rotation_nearest", layers.RandomRotation((0.03, 0.03), interpolation="nearest", fill_mode="nearest"), 1),
    ("zoom_out", layers.RandomZoom((0.6, 0.6)), 1),
    ("zoom_in", layers.RandomZoom((-0.4, -0.4), (0.3, 0.3), fill_mode="wrap"), 1),
    ("translation", layers.RandomTranslation((0.3, 0.3), (-0.25, -0.25)), 1),
    ("translation_wrap", layers.RandomTranslation((-0.9, -0.9), (0.7, 0.7), fill_mode="wrap"), 1),
    ("translation_nearest", layers.RandomTranslation((0.15, 0.15), (0.4, 0.4), fill_mode="nearest"), 1),
    ("brightness", layers.RandomBrightness((0.2, 0.2)), 255),
    ("brightness_range", layers.RandomBrightness((-0.3, -0.3), value_range=(-1, 1)), 1),
]
for number, (name, layer, most) in enumerate(RANDOM):
    x = np.random.default_rng(2000 + number).random((2, 6, 9, 3)).astype(np.float32) * np.float32(most)
    arrays["random_%s/x" % name] = x
    arrays["random_%s/y" % name] = np.asarray(layer(tf.constant(x), training=True))
save("layers.npz", arrays)
