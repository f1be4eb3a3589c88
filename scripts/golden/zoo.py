"""zoo.npz: what Keras' applications answer with weights from a formula, and what they look like.

Element e of weight number k of a net, counted over its weights in the order of its layers, is made from
    h = (k * 2654435761 + e * 2246822519 + 374761393) mod 2^32, mixed as below, u = h / 2^32 in [0, 1)
so that no weights have to be stored: kernels get (2 u - 1) * sqrt(6 / fan_in), which keeps activations at
their size through ReLUs, but those of fc1 and conv1_conv a hundredth of it; gammas and variances 0.75 + u / 2,
but gammas of layers named *_3_bn, which ResNet50 adds, a fifth of it; all else (2 u - 1) / 10. Pixels come from
weight number 1000 as whole numbers 0 .. 255.

Keys, for each net:
    <net>/features_<side>   (channels): mean over the last layer without its classifier
    <net>/at_<side>         (c): the middle place of that layer
    <net>/scores            (10): softmax of a classifier of ten classes, at 64 (inception_v3: 75)
    <net>/params            weights without and with a classifier of 1000
    <net>/layers            names and shapes with the classifier, "name h w c" a line, bytes
Keras 3.15 on TensorFlow 2.21, float32.
"""
import numpy as np

import golden_io

keras = golden_io.quiet_keras("float32")
from keras import applications  # noqa: E402

NETS = {"vgg16": "VGG16", "vgg19": "VGG19", "mobilenet": "MobileNet", "mobilenet_v2": "MobileNetV2",
        "resnet50": "ResNet50", "inception_v3": "InceptionV3", "efficientnet_b0": "EfficientNetB0"}
MODES = {"vgg16": "caffe", "vgg19": "caffe", "resnet50": "caffe", "efficientnet_b0": None}
SIDES = (150, 224)


def uniform(k, n):
    """n numbers of stream k in [0, 1)."""
    h = (np.arange(n, dtype=np.uint64) * 2246822519 + k * 2654435761 + 374761393) & 0xFFFFFFFF
    for shift, factor in ((16, 2146121005), (15, 2221713035)):
        h = ((h ^ (h >> np.uint64(shift))) * factor) & 0xFFFFFFFF
    h ^= h >> np.uint64(16)
    return h.astype(np.float64) / 4294967296.0


def value(k, layer, variable):
    """Values of weight number k."""
    shape = tuple(variable.shape)
    name = variable.path.split("/")[-1]
    u = uniform(k, int(np.prod(shape)))
    if name == "kernel":
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        fan_in = np.prod(shape[:2] if depthwise else shape[:-1])
        u = (2 * u - 1) * np.sqrt(6.0 / fan_in) * (0.01 if layer.name in ("fc1", "conv1_conv") else 1)
    elif name in ("gamma", "moving_variance", "variance"):
        u = (0.75 + u / 2) * (0.2 if layer.name.endswith("_3_bn") and name == "gamma" else 1)
    elif name == "count":
        u = 0 * u
    else:
        u = (2 * u - 1) / 10
    return u.astype(np.float32).reshape(shape)


def fill(model):
    weights = [(layer, variable) for layer in model.layers for variable in layer.weights]
    for k, (layer, variable) in enumerate(weights):
        variable.assign(value(k, layer, variable))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # it computes with copies of its weights


def photo(side, net):
    pixels = np.floor(uniform(1000, side * side * 3) * 256).reshape(1, side, side, 3).astype(np.float32)
    mode = MODES.get(net, "tf")
    if mode is None:
        return pixels
    return applications.imagenet_utils.preprocess_input(pixels, mode=mode)


def describe(model):
    lines = []
    for layer in model.layers:
        shape = layer.output.shape[1:]
        lines.append(" ".join([layer.name] + [str(n) for n in shape]))
    return np.frombuffer("\n".join(lines).encode(), np.uint8)


def build(net, side, **more):
    keras.backend.clear_session()
    return getattr(applications, NETS[net])(weights=None, input_shape=(side, side, 3), **more)


def main():
    arrays = {}
    for net in NETS:
        for side in SIDES:
            model = build(net, side, include_top=False)
            fill(model)
            y = model.predict(photo(side, net), verbose=0)[0]
            middle = y.shape[0] // 2
            params = model.count_params()
            arrays["%s/features_%d" % (net, side)] = y.mean((0, 1), dtype=np.float64).astype(np.float32)
            arrays["%s/at_%d" % (net, side)] = y[middle, middle]
        side = 75 if net == "inception_v3" else 64
        model = build(net, side, include_top=True, classes=10)
        fill(model)
        arrays["%s/scores" % net] = model.predict(photo(side, net), verbose=0)[0]
        model = build(net, 299 if net == "inception_v3" else 224, include_top=True)
        arrays["%s/params" % net] = np.array([params, model.count_params()], np.int32)
        arrays["%s/layers" % net] = describe(model)
    golden_io.save("zoo.npz", arrays)


if __name__ == "__main__":
    main()
